/* Attention of a mixture of Gaussians, NUMERICS.md 9.12: what mixture*.c share.
 *
 * Panels are component-major as blocks of tokens are, [components][B]: matrices of B rows in the order of BLAS. */
#ifndef CHORALE_ATTENTION_MIXTURE_H
#define CHORALE_ATTENTION_MIXTURE_H

#include "attention/impl.h"

#define MIXTURE_SAMPLE 2048 /* tokens of which clusters are made */
#define MIXTURE_TESTED 256  /* tokens whose field is compared with the direct sum in a frame, at most in a step */
#define MIXTURE_LEAST  32   /* and at least in a step */

/* Tokens and, of each, the one whose term is taken apart: itself, or where it has no weight the last before it in its
 * block that has some, as twins lie. Row by row, on every rank alike; those apart that are no tokens of the sample
 * themselves have rows behind it. */
typedef struct {
  PetscInt count, dim;
  double *row;       /* [count and more][d + 1]: token and its weight */
  PetscInt *apart;   /* [count] rows of those apart */
  PetscInt64 *token; /* [count] their numbers among all */
  double *u;         /* [2 MIXTURE_TESTED] where in equal parts of the sample those lie that are tested */
} MixtureSample;

/* Tokens at which the field is asked for. */
typedef struct {
  PetscInt block;        /* B, a multiple of 8 */
  const double *x, *y;   /* [d][B] tokens, and those taken apart */
  const double *weight;  /* [B] of these, 0 for none */
  const PetscInt *label; /* [B] and their clusters */
} MixtureProbe;

typedef struct {
  PetscInt count, dim;
  double *centre;        /* [count][d] the tokens that are nearest to it are the cluster */
  double *weight, *mean; /* [count], [count][d] */
  double *square;        /* [count][d][d] covariance, or its factor F, [rank][d], with F' F in its place */
  PetscInt *rank;        /* [count] d for the covariance itself */
} MixtureClusters;

/* Growing clusters on the sample. */
typedef struct {
  const MixtureSample *sample;
  PetscInt count, tested, heads; /* clusters, tokens that are tested */
  double *centre;                /* [MIXTURE_MOST][d] */
  double *logits;                /* [heads][tested][sample] */
  double *weight;                /* [heads][sample], of sum 1 */
  double *apart, *most;          /* [heads][tested] weight of the token apart, and |q| */
  uint64_t seed, draws;          /* made so far */
} MixtureGrowth;

/* Room for the work on a panel. */
typedef struct {
  double *q, *image, *product, *mean, *apart, *scores; /* panels */
  double *total, *offset, *row;                        /* [B], [B], [8][B] */
  double *weight;                                      /* [B] */
  PetscInt *label;                                     /* [B] */
} MixtureWork;

typedef struct {
  MixtureWork work;
  MixtureSample sample;
  MixtureClusters clusters;
  const double *weights;     /* of the tokens in hand */
  double *factors;           /* [owned * B] of a head with distances */
  double *x, *found, *exact; /* panels of tested tokens: these, and their fields */
  Attention direct;          /* for all pairs, where the error is too large; NULL until it was once */
  PetscBool off;             /* it has the sums in hand */
} Mixture;

/* mixture_test.c: clusters of these tokens, by which the error at some of them is at most attention_tol if there are:
 * *error is what it is. Collective. */
PetscErrorCode MixtureFit(Attention attention, Tokens tokens, AttentionError *error);
/* out[d][tested, rounded up to 8] <- the field at so many tokens of the sample, by the clusters or, if `direct`, by
 * sums over all tokens. Collective. */
PetscErrorCode MixtureField(Attention attention, Tokens tokens, PetscInt tested, PetscBool direct, double *out);
/* One against the other. */
void MixtureCompare(PetscInt dim, PetscInt tested, const double *found, const double *exact, AttentionError *error);
/* *off <- the error of sum_ij w_i w_j (1 - e^{beta (<x_i,x_j> - 1)}), estimated at so many tokens. Collective. */
PetscErrorCode MixtureEnergyError(Attention attention, Tokens tokens, PetscInt tested, PetscReal *off);
/* Weights w f of a head with distances (MixtureFactors), else *factors = NULL; and the moments with them unless
 * `direct`. Collective. */
PetscErrorCode MixtureWeigh(Attention attention, Tokens tokens, const AttentionHead *head, PetscBool direct,
                            const double **factors, PetscReal *least);

/* mixture_sample.c: the token whose term is taken apart at token t of a block with these weights. Pure. */
PetscInt MixtureApart(PetscInt t, const double *weights);
/* So many tokens, drawn by key, of all ranks. Collective. */
PetscErrorCode MixtureSampleCreate(Attention attention, Tokens tokens, PetscInt most, MixtureSample *sample);
PetscErrorCode MixtureSampleDestroy(MixtureSample *sample);
/* Its i-th token, or the one apart: [d] and its weight. Pure. */
const double *MixtureSampleRow(const MixtureSample *sample, PetscInt i, PetscBool apart);
/* So many of them that are tested as a panel [d][B] of tokens or, if `apart`, of those taken apart. */
void MixtureSamplePanel(const MixtureSample *sample, PetscInt count, PetscInt block, PetscBool apart, double *panel);
/* Where the i-th of so many stands in the sample; another number of them is drawn apart. Pure. */
PetscInt MixtureSamplePlace(const MixtureSample *sample, PetscInt count, PetscInt i);

/* mixture_grow.c: one cluster, whose centre is the mean of the sample. Not collective, alike on all ranks. */
PetscErrorCode MixtureGrowthCreate(const MixtureSample *sample, PetscInt tested, PetscInt heads, uint64_t seed,
                                   MixtureGrowth *growth);
/* What a head makes of the sample: queries [d][block] of the tested, factors [sample] of weights, and of those apart,
 * or NULL. */
PetscErrorCode MixtureGrowthSet(MixtureGrowth *growth, PetscInt head, PetscInt block, const double *q,
                                const double *factors, const double *apart);
/* Splits clusters that contribute most until the error on the sample is at most its `share`, and at most `target`, or
 * splitting gains nothing: then *grown is false, and clusters are as they were. */
PetscErrorCode MixtureGrow(MixtureGrowth *growth, double share, double target, PetscBool *grown);
PetscErrorCode MixtureGrowthDestroy(MixtureGrowth *growth);

/* mixture_moments.c: label[B] <- the nearest centre; scores[count][B] is work space. */
PetscErrorCode MixtureAssign(const MixtureClusters *clusters, PetscInt block, const double *x, double *scores,
                             PetscInt *label);
/* Weight, mean and covariance of the tokens of every cluster, with weights w f (factors[owned * B], NULL for f = 1).
 * Collective. */
PetscErrorCode MixtureSum(Attention attention, Tokens tokens, const double *factors, MixtureClusters *clusters);
PetscErrorCode MixtureClustersCreate(PetscInt dim, PetscInt count, const double *centre, MixtureClusters *clusters);
PetscErrorCode MixtureClustersDestroy(MixtureClusters *clusters);

/* mixture_tile.c: total[B] = log sum_j w_j e^{<q,x_j>} and mean[d][B] = the mean of x_j under these weights. */
PetscErrorCode MixtureEvaluate(const MixtureClusters *clusters, const MixtureProbe *probe, const double *q,
                               MixtureWork *work, double *total, double *mean);
PetscErrorCode MixtureWorkCreate(Attention attention, PetscInt block, MixtureWork *work);
PetscErrorCode MixtureWorkDestroy(MixtureWork *work);

/* mixture_direct.c: the same over all tokens, one by one. Collective. */
PetscErrorCode MixtureDirect(Attention attention, Tokens tokens, const double *factors, PetscInt block, const double *q,
                             double *total, double *mean);

/* mixture_head.c: q[d][B] such that logits are <q,y> + offset[B] less |square y|^2; head NULL: exponent x. */
PetscErrorCode MixtureQueries(Attention attention, const AttentionHead *head, PetscReal exponent, PetscInt block,
                              const double *x, MixtureWork *work);
/* out[d][B] += what attention makes of total and mean. */
PetscErrorCode MixtureOutput(Attention attention, const AttentionHead *head, PetscInt block, MixtureWork *work,
                             double *out);
/* f = e^{-|square y|^2} of a head with distances, divided by the largest: factors[owned * B]; |square y|^2 is *least
 * there. Collective. */
PetscErrorCode MixtureFactors(Attention attention, const AttentionHead *head, Tokens tokens, MixtureWork *work,
                              double *factors, PetscReal *least);
/* The same at the tokens of the sample, or at those apart: factors[sample]. */
PetscErrorCode MixtureFactorsOfSample(const AttentionHead *head, const MixtureSample *sample, PetscBool apart,
                                      PetscReal least, double *factors);

#endif
