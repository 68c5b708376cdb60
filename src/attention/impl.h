/* Private to attention: what its source files share. */
#ifndef CHORALE_ATTENTION_IMPL_H
#define CHORALE_ATTENTION_IMPL_H

#include <chorale/activation.h>
#include <chorale/attention.h>

#include "attention/panel.h"
#include "io/hdf.h"

/* How the field follows from kernel sums S and S0. */
typedef enum {
  FORM_NORMALIZED, /* v S / S0 */
  FORM_PLAIN,      /* v e^{rate beta} S */
  FORM_SINKHORN    /* v S / S0, sums against the Sinkhorn scaling */
} AttentionForm;

/* One row per type; see types[] in attention.c. */
typedef struct {
  const char *name, *formula;
  PetscReal
      rate; /* default weights: the kernel is e^{rate beta (<x,y> - 1)} up to a constant; 0 for no attention at all */
  AttentionForm form;
  PetscBool distance; /* logits are -|Qx-Ky|^2, not <Qx,Ky> */
} AttentionType;

/* x -> M x + b; the identity for M = NULL, b = 0 for b = NULL. */
typedef struct {
  PetscInt rows, columns;
  double *matrix; /* row-major */
  double *bias;
} AttentionMap;

/* One head of general weights, THEORY.md (1.8), (1.9). Logits are <query x, key y> - |square y|^2: a part that depends
 * on x alone does not matter where they are normalised. What attention averages is enter y; leave makes the output of
 * the average, whose bias goes with the sum of the weights. Matrices of fewer than d rows are applied one after the
 * other, so that a pair of tokens costs their rows; others as one product of d x d. */
typedef struct {
  AttentionMap query, key, square, enter, leave;
  PetscBool distance;    /* there is a square */
  PetscInt ranks[2];     /* rows that the file has of Q and K, and of V */
  PetscBool out, biased; /* it has O, and some bias */
} AttentionHead;

/* x -> down sigma(up x) */
typedef struct {
  AttentionMap up, down;
  const Activation *activation; /* NULL where there is no MLP */
} AttentionMlp;

/* The weights of a layer. */
typedef struct {
  PetscInt heads;
  AttentionHead *head;
  AttentionMlp mlp;
} AttentionLayer;

/* How heads are drawn anew in every step; all 0 where they are not. */
typedef struct {
  PetscInt dim;    /* rows of Q and K */
  PetscBool value; /* V, too */
  PetscBool drawn;
  uint64_t seed;
  double *normals; /* of one head */
} AttentionRandom;

/* The i-th name, NULL past the end: of types (attention.c) and engines (engine.c). */
const char *AttentionTypeName(PetscInt i);
const char *AttentionEngineName(PetscInt i);

/* Makes the kernel sums of default weights: at every token i
 *
 *     S0_i = sum_j w_j f_j e^{exponent (<x_i,x_j> - 1)},    S_i = sum_j w_j f_j e^{exponent (<x_i,x_j> - 1)} x_j
 *
 * with exponent = type->rate beta, or beta when there is no drift, and f in [0,1]: S0 and |S| are at most 1. If causal
 * the sums are over j <= i. */
typedef struct {
  const char *name;
  PetscBool any; /* the sums serve the energy at any exponent, else at their own only */
  PetscErrorCode (*create)(Attention attention);
  PetscErrorCode (*destroy)(Attention attention);
  /* Makes the sums; S0 alone will be asked for when `scalar`. factors[owned * B], NULL for f = 1. Collective. */
  PetscErrorCode (*sum)(Attention attention, Tokens tokens, const double *factors, PetscBool scalar);
  /* The sums in hand of own block b, whose positions are x[d][B], component-major: s[d + 1][B], S and, last, S0; s[B],
   * S0, when `scalar`. Finite at the padding, where they mean nothing. Not collective. */
  PetscErrorCode (*get)(Attention attention, PetscInt b, const double *x, PetscBool scalar, double *s);
  /* S and S0 of several own blocks, x[blocks][d][B] to s[blocks][d + 1][B]; NULL where one by one is as good. */
  PetscErrorCode (*get_run)(Attention attention, PetscInt blocks, const double *x, double *s);
  /* gap = sum_ij w_i w_j (1 - e^{beta (<x_i,x_j> - 1)}); the sums in hand serve when `current`. Collective. */
  PetscErrorCode (*energy)(Attention attention, Tokens tokens, PetscBool current, PetscReal *gap);
  /* Of one evaluation: bytes that a rank sends and receives, and bytes of memory that it holds. Not collective. */
  void (*cost)(Attention attention, double *travel, double *memory);
} AttentionEngine;

extern const AttentionEngine AttentionDirect, AttentionMoments, AttentionMomentsCausal, AttentionMixture;

/* The degree of the moments that attention_tol asks for, the count K of harmonics up to it, and a certified bound of
 * the error of the kernel, whose maximum is 1. */
typedef struct {
  PetscInt degree;
  PetscReal count, tail;
} AttentionTruncation;

/* For which positions and weights the sums in hand were made. */
typedef struct {
  PetscObjectId id; /* of the positions' Vec; 0 when there are no sums */
  PetscObjectState state;
} AttentionStamp;

struct _p_Attention {
  const AttentionType *type;
  const char *key; /* that beta is */
  PetscReal beta, value, tol;
  PetscReal exponent;            /* of the kernel sums */
  Attention gauge;               /* of value 1 at the energy's beta; NULL where that is beta */
  Attention softmax;             /* of value 1 at beta, for the energy's gradient and barycentres; NULL until used */
  char file[PETSC_MAX_PATH_LEN]; /* attention_weights or empty */
  PetscInt layers, depth; /* weights of so many layers, layer[], for steps 0 .. depth - 1; 0 where there are none */
  AttentionLayer *layer;
  PetscInt now, heads; /* the layer in use, and its heads */
  AttentionHead *head;
  AttentionRandom random;
  PetscInt64 iterations; /* Sinkhorn: at most this many, to this residual */
  PetscReal sinkhorn_tol;
  TokensLayout layout;
  TileShape shape;
  size_t length;   /* numbers per pack */
  Panels panels;   /* made by the first work on all pairs; NULL until then */
  char choice[16]; /* attention_engine */
  const AttentionEngine *engine;
  void *data;      /* the engine's */
  PetscReal small; /* an S0 below this has lost its digits */
  AttentionTruncation truncation;
  /* Of one evaluation, all ranks together; 0 where an engine cannot be used. */
  double flops_direct, flops_moments, flops_mixture;
  AttentionStamp stamp;
  AttentionFocus focus; /* of the positions of this stamp */
  AttentionStamp focus_stamp;
  AttentionError error; /* of the positions of this stamp */
  AttentionStamp error_stamp;
  uint64_t seed;    /* of what engines draw */
  PetscBool causal; /* token i sees tokens j <= i alone */
  PetscInt64 blind; /* causal: so many tokens come before the first that has weight, and see none */
  double *sums;     /* of some blocks; NULL until needed */
};

/* Sums in fixed point are exact to 2^-62 per term, so a token whose S0 is smaller than this would lose digits. Every
 * token sees itself, so S0 >= w_i: only tokens of (nearly) no weight are so small. */
#define ATTENTION_SMALL 0x1p-24

/* Tokens without weight feel the others and do not act: their sums over each other need not be made. */
static inline PetscBool AttentionIsIdle(PetscInt block, const double *weights) {
  for (PetscInt t = 0; t < block; t++) {
    if (weights[t] != 0) return PETSC_FALSE;
  }
  return PETSC_TRUE;
}
/* Blocks whose sums are made together and still are in the cache when they are used. */
#define ATTENTION_RUN 16

/* moments.c: sets attention->truncation. */
#define MOMENTS_MOST 20000 /* largest K: the moments of 6 dimensions are then a megabyte */
PetscErrorCode AttentionTruncate(Attention attention);
/* Flops of one evaluation of so many components, d + 1 or, for the energy alone, 1; the engine of moments is in place.
 */
double AttentionMomentsFlops(Attention attention, PetscInt components);

/* reduce.c: SumAllreduce over the ranks of the tokens as the event AttnAllreduce: what a step waits for the other
 * ranks. Collective. */
PetscErrorCode AttentionReduce(Attention attention, PetscInt n, PetscInt64 values[]);

/* stamp.c: *now <- positions and weights as they are; *stale: they are not those of the stamp, alike on
 * all ranks, since positions change on all of them together (tokens.h). Not collective. */
PetscErrorCode AttentionCompare(Tokens tokens, const AttentionStamp *stamp, AttentionStamp *now, PetscBool *stale);
/* Brings the kernel sums of the drift up to date. Collective. */
PetscErrorCode AttentionUpdateSums(Attention attention, Tokens tokens);

/* mixture.c: it takes tokens of at least so many dimensions, all types but sinkhorn, and no mask. */
#define MIXTURE_DIM   8
#define MIXTURE_MOST  64 /* Gaussians */
#define MIXTURE_GUESS 4  /* of which the cost of an evaluation is a guess */
/* Flops of one evaluation with so many heads. */
PetscReal AttentionMixtureFlops(Attention attention, PetscReal heads);
/* The field of general weights, unless the error is too large: then *done is false, and nothing was done. Collective.
 */
PetscErrorCode AttentionMixtureHeads(Attention attention, Tokens tokens, Vec drift, PetscBool *done);
/* Of the sums in hand; the energy's as that of sum_ij w_i w_j (1 - e^{beta (<x_i,x_j> - 1)}). Collective. */
PetscErrorCode AttentionMixtureError(Attention attention, Tokens tokens, AttentionError *error);

/* unit.c: e^beta, or 1 where that is the unit of the energy. Pure. */
PetscReal AttentionEnergyScale(PetscReal beta);

/* reduce.c: sets attention->blind; 0 without a mask. Collective. */
PetscErrorCode AttentionFindBlind(Attention attention, Tokens tokens);

/* engine.c: chooses the engine and creates it. Collective. */
PetscErrorCode AttentionEngineCreate(Attention attention);
/* Engine, how it was chosen unless attention is zero, and costs, on stdout of rank 0. Collective. */
PetscErrorCode AttentionEngineView(Attention attention, PetscBool zero);
/* How exact the sums of attention that is not zero are, in a phrase. Pure. */
PetscErrorCode AttentionEngineBrief(Attention attention, size_t room, char accuracy[]);

/* online.c: drift <- value x sum over heads of the field with general weights; without heads, default weights with the
 * kernel e^{exponent <x,y>}; w_j f_j in place of w_j (factors[owned * B], of each head; NULL for f = 1). Any logits:
 * softmax with a running maximum. Collective. */
PetscErrorCode AttentionOnline(Attention attention, Tokens tokens, const double *factors, Vec drift);
/* totals_i = log sum_j w_j f_j e^{l(x_i,x_j)} of a head at the own tokens. Collective. */
PetscErrorCode AttentionOnlineTotals(Attention attention, Tokens tokens, const AttentionHead *head,
                                     const double *factors, double *totals);

/* online.c: the mean over all heads and all tokens that see weight of the entropy of their attention weights, and of
 * the largest of them. Collective. */
PetscErrorCode AttentionOnlineFocus(Attention attention, Tokens tokens, AttentionFocus *focus);

/* sinkhorn.c: the a > 0 with a_i sum_j w_j a_j e^{exponent (<x_i,x_j> - 1)} = 1 for all i with w_i > 0, divided by a
 * power of two so that factors[owned * B] <= 1. Collective. */
PetscErrorCode AttentionSinkhorn(Attention attention, Tokens tokens, double *factors);

/* sinkhorn_heads.c: with general weights, factors[heads][owned * B] e^g of each head, divided by the largest.
 * Collective. */
PetscErrorCode AttentionSinkhornHeads(Attention attention, Tokens tokens, double *factors);

/* attention.c: makes attention->softmax unless it is there. Collective. */
PetscErrorCode AttentionSoftmax(Attention attention);

/* weights.c: makes room for the weights of so many layers, without heads. */
PetscErrorCode AttentionWeightsCreate(Attention attention, PetscInt layers);
/* From now on the weights of this layer count. */
PetscErrorCode AttentionUseLayer(Attention attention, PetscInt layer);
/* Reads attention->file for this study, NULL for any. Collective. */
PetscErrorCode AttentionWeightsRead(Attention attention, const char *study);
/* What the file has, on stdout of rank 0. Collective. */
PetscErrorCode AttentionWeightsView(Attention attention);
PetscErrorCode AttentionWeightsDestroy(Attention attention);

/* mlp.c: reads the MLP of this group of the file. Collective. */
PetscErrorCode AttentionMlpRead(Attention attention, Hdf hdf, const char *group, AttentionMlp *mlp);
PetscErrorCode AttentionMlpDestroy(AttentionMlp *mlp);

/* heads.c: the array group/name of the file, of finite numbers: a matrix, or a vector for columns = 0, of *rows rows,
 * or any number of them for *rows = 0, which becomes that found. Refuses (user input) others. Collective. */
PetscErrorCode AttentionArrayRead(Attention attention, Hdf hdf, const char *group, const char *name, PetscInt *rows,
                                  PetscInt columns, double **values);
PetscErrorCode AttentionArrayExists(Hdf hdf, const char *group, const char *name, PetscBool *exists);
/* A vector that there need not be: *values is left alone. */
PetscErrorCode AttentionVectorRead(Attention attention, Hdf hdf, const char *group, const char *name, PetscInt rows,
                                   double **values);
/* Refuses (user input) members of a group with other names, the last of which is NULL. */
PetscErrorCode AttentionCheckNames(Attention attention, Hdf hdf, const char *group, const char *const known[]);
/* heads.c: reads the head at this path of the file. Collective. */
PetscErrorCode AttentionHeadRead(Attention attention, Hdf hdf, const char *path, AttentionHead *head);
PetscErrorCode AttentionHeadDestroy(AttentionHead *head);
/* Numbers per token that its logits and its sums have, without the last one of a pack. */
PetscInt AttentionHeadRows(Attention attention, const AttentionHead *head);
PetscInt AttentionHeadWidth(Attention attention, const AttentionHead *head);
/* out += scale A^T B for A and B of so many rows of length d. */
void AttentionTransposeMultiply(PetscInt rows, PetscInt d, double scale, const double *A, const double *B, double *out);

/* out = outer inner, d x d, or outer where inner is the identity. */
PetscErrorCode AttentionMapProduct(const AttentionMap *outer, const AttentionMap *inner, PetscInt d, double *out);

/* map.c: out(x) for the tokens of a pack in[columns + 1], to a pack out[rows + 1] whose last component is left alone.
 */
void AttentionMapPack(const AttentionMap *map, PetscInt block, const double *in, double *out);
PetscErrorCode AttentionMapDestroy(AttentionMap *map);

/* random.c: makes room for the heads that AttentionDraw fills. */
PetscErrorCode AttentionHeadsRandom(Attention attention, const AttentionOptions *options);

#endif
