/* What the sources of the study sync share. */
#ifndef CHORALE_STUDY_SYNC_SYNC_H
#define CHORALE_STUDY_SYNC_SYNC_H

#include "study/studies.h"

/* Tokens and twins of the first `count` of them at a tiny distance: one set of tokens in which twins have weight 0.
 * They feel the noise and the attention of the measure of all tokens, as their tokens do, and move by the same scheme,
 * but add nothing to the measure (twins.c). */
typedef struct _p_Twins *Twins;

/* How large a set is in which the first `count` of so many tokens have `each` twins. each + 1 is at most TOKENS_BLOCK.
 * Pure. */
PetscInt64 TwinsSetCount(PetscInt64 tokens, PetscInt64 count, PetscInt each);
/* The set has that size and stays the caller's. Collective on the tokens' communicator. */
PetscErrorCode TwinsCreate(Tokens tokens, Tokens set, PetscInt64 count, PetscInt each, PetscReal distance,
                           uint64_t seed, Twins *twins);
/* From now on the growth of each first twin is kept as well; what a checkpoint keeps; and then the logarithm of the
 * mean of |v|^p over the tokens with twins, v being the growth since the start. Collective. */
PetscErrorCode TwinsKeepEach(Twins twins);
PetscErrorCode TwinsKeep(Twins twins, Checkpoint checkpoint);
PetscErrorCode TwinsLogMoment(Twins twins, PetscReal p, PetscReal *moment);
PetscErrorCode TwinsDestroy(Twins *twins);
/* Positions and weights of the tokens into the set, twins in random directions; no growth so far. Collective. */
PetscErrorCode TwinsStart(Twins twins, Tokens tokens, PetscInt r);
/* Adds up by how much the distances, those of further twins across the ones before, have grown since the last call, and
 * brings the twins back. Collective. */
PetscErrorCode TwinsRenormalize(Twins twins);
/* Before a step of size dt along field, whose law knows nothing of the positions: adds up the share of the growth to
 * come that is linear in the field. Its mean is 0 and it is most of the scatter, so that growth less martingale has the
 * mean of the growth and a far smaller error. Collective. */
PetscErrorCode TwinsForesee(Twins twins, Field field, PetscReal dt);
/* Positions of the tokens of the set, without twins. Collective. */
PetscErrorCode TwinsGather(Twins twins, Tokens tokens);
/* Where growth[each][TWINS_GROWTH] stands, means over the tokens with twins since the start: of the logarithm of the
 * growth, and of its martingale (TwinsForesee). 0 without twins. Pure. */
enum { TWINS_TOTAL, TWINS_MARTINGALE, TWINS_GROWTH };
PetscReal *TwinsGrowth(Twins twins);

/* So many copies of all tokens, at this distance in R^{Nd}, for the exponents of the system (copies.c). Functions as
 * those of twins; tokens have their positions before and after the step. Collective. */
typedef struct _p_Copies *Copies;
PetscErrorCode CopiesCreate(MPI_Comm shards, const ModelOptions *options, PetscInt n, PetscReal distance,
                            Copies *copies);
PetscErrorCode CopiesDestroy(Copies *copies);
PetscErrorCode CopiesKeep(Copies copies, Checkpoint checkpoint);
PetscErrorCode CopiesStart(Copies copies, Tokens tokens, PetscInt r);
PetscErrorCode CopiesStep(Copies copies, Tokens tokens, PetscInt r, PetscInt l, Field field, PetscReal dt);
PetscErrorCode CopiesRenormalize(Copies copies, Tokens tokens);
/* growth[n][TWINS_GROWTH]. Pure. */
PetscReal *CopiesGrowth(Copies copies);

/* Numbers of one frame of one realization. */
enum {
  SYNC_ENERGY,
  SYNC_ORDER,
  SYNC_CLUSTERS,
  SYNC_GROWTH, /* of the twins, see TwinsGetGrowth */
  SYNC_MARTINGALE,
  SYNC_PUSH, /* dE_beta/dt along attention alone */
  SYNC_PAIR, /* mean square distance of pairs */
  SYNC_COLUMNS
};
/* Numbers of one realization: shares of the tokens in the two caps about an axis and outside of both at the end; the
 * largest d log E_beta/dt along attention alone after any step, NaN where it is not needed. */
enum { SYNC_CAP_LARGE, SYNC_CAP_SMALL, SYNC_CAP_NONE, SYNC_CAPS, SYNC_RATE = SYNC_CAPS, SYNC_TAIL };
/* Behind them, with sync_spectrum and sync_exponents: growth less martingale [SYNC_HALVES][exponents] of each, at the
 * middle frame and at the end. */
enum { SYNC_MIDDLE, SYNC_END, SYNC_HALVES };
#define SYNC_ROUNDING 1e-9 /* of e^beta: below, energies and their rates of change are rounding errors */
#define SYNC_CREDIBLE 0.1  /* of a mean energy: largest standard error that a fit or a comparison accepts */

/* dE_beta/dt of the measure along P Att alone (THEORY.md (5.4)); drift and gradient are work vectors. Collective. */
PetscErrorCode SyncPush(Attention attention, Tokens set, Vec drift, Vec gradient, PetscReal *push);
/* *square <- int int |x - y|^2 of the measure, to the digits of the positions where tokens meet; work is a work vector.
 * Collective. */
PetscErrorCode SyncPairs(Tokens set, Vec work, PetscReal *square);
/* caps[SYNC_CAPS] about the axis through which most tokens pass. Collective. */
PetscErrorCode SyncSplit(Tokens set, PetscReal caps[]);

/* What is known without simulation. Numbers that theory does not have are NaN. */
typedef struct {
  Kernel kernel;                              /* of the noise really drawn, NULL for none; owned by the noise */
  PetscReal beta;                             /* of the energy */
  PetscReal attention_beta, value;            /* value 0: no attention */
  PetscReal pair;                             /* what acts on two tokens: v, v/2 under a mask, NEIGHBOURS.md (11.2) */
  PetscReal lambda1, lambda_bar, lambda_rate; /* of the noise; 0 without noise */
  PetscReal lambda1_cluster;                  /* exponent once all tokens have met */
  PetscReal energy_start;                     /* E[E_beta] of independent uniform tokens */
  PetscBool exact;                            /* there is an oracle of the energy */
  PetscBool odd;                              /* G is odd */
  PetscBool gradient;                         /* attention is a gradient flow of E_beta: epsilon = 0 */
  PetscBool pushes;                           /* attention changes the energy; if not by a gradient flow, measure it */
  PetscReal epsilon_low, epsilon_high;        /* proved bounds of epsilon (AttentionEnergyRate) */
  PetscReal rate_bound;                       /* that lambda_bar'(beta) is certainly not above */
  PetscReal strength;                         /* of attention: AttentionStrength */
  PetscReal bias;                             /* what the step does to an exponent, at most: stated, not proved */
} SyncTheory;

PetscErrorCode SyncTheoryCreate(Noise noise, Attention attention, const ModelOptions *options, SyncTheory *theory);
/* energy[n] <- E[E_beta] at the ascending times, split over the ranks of comm: NaN without an oracle, and with one line
 * of warning from where on the oracle does not converge. Collective. */
PetscErrorCode SyncTheoryEnergy(const SyncTheory *theory, PetscInt64 count, MPI_Comm comm, PetscInt n,
                                const PetscReal time[], PetscReal energy[]);
/* The same of the mean square distance of pairs, THEORY.md (6.8), without the warning. */
PetscErrorCode SyncTheoryPairs(const SyncTheory *theory, PetscInt64 count, MPI_Comm comm, PetscInt n,
                               const PetscReal time[], PetscReal square[]);
/* What E_beta is to be multiplied by to bound the mean square distance of pairs, THEORY.md (8.3). Pure. */
PetscReal SyncPairFactor(PetscReal beta);

/* ---- verdicts (verdict.c) ---- */

/* The theorem applies (proved: by the upper bound of epsilon), does not apply (a lower bound is already too large), or
 * neither is known. */
typedef struct {
  PetscReal rate;   /* E[E_beta(mu_t)] <= e^{rate t} E[E_beta(mu_0)] where lambda_bar < 0: the sum of upper bounds */
  const char *word; /* "applies", "does not apply", "open" */
  char sentence[192];
} SyncTheorem;

/* measured: the largest rate seen in the run, a lower bound of epsilon; may be NaN. */
SyncTheorem SyncJudgeTheorem(const SyncTheory *theory, PetscReal measured);

/* Of a mean beside what theory says of it: nothing is resolved; the difference is chance; it may be the discretisation
 * (SyncTheory.bias) or the digits of the oracle; it is neither. In rising order. */
typedef enum { SYNC_UNRESOLVED, SYNC_AGREES, SYNC_WITHIN_STEP, SYNC_DISAGREES } SyncVerdict;
/* "agrees", "does not agree", "not resolved". */
const char *SyncVerdictWord(SyncVerdict verdict);

typedef struct {
  PetscInt frames; /* that are resolved, and the time of the last */
  PetscReal until;
  PetscReal off, time; /* the largest deviation, in standard errors, with its sign (verdict.c); NaN
                          where there is none */
  SyncVerdict verdict;
} SyncComparison;

/* Means of several columns over R realizations and their standard errors, at [f stride + column] of frame f. */
typedef struct {
  PetscInt R, frames, stride;
  const PetscReal *time, *mean, *sem;
} SyncMeans;

/* Of the means of a column, in these units, with theory[f], which is measured itself and has the relative standard
 * error `unsure`, or 0; one_sided: theory bounds it from above. bias: SyncTheory.bias. */
SyncComparison SyncCompareMeans(const SyncMeans *means, PetscInt column, PetscReal unit, PetscReal bias,
                                const PetscReal theory[], PetscReal unsure, PetscBool one_sided);
SyncVerdict SyncCompareExponent(const SyncTheory *theory, PetscInt R, PetscReal mean, PetscReal sem, PetscReal exact);
/* Of a rate of decay with its interval, which is proved to be at least this. */
SyncVerdict SyncCompareDecay(const SyncTheory *theory, PetscInt R, FitValue decay, PetscReal least);
/* Is a mean energy known well enough? Of one realization no error is known: yes. */
PetscBool SyncIsCredible(PetscReal beta, PetscReal mean, PetscReal sem);
/* SyncTheory.bias for the steps of these options. */
PetscErrorCode SyncStepBias(const SyncTheory *theory, const ModelOptions *options, PetscReal *bias);

/* Means of a column beside what is known of them. */
typedef struct {
  const char *word, *name, *bound_name; /* in words; what names of results begin with */
  PetscInt column;
  PetscReal unit;
  const PetscReal *exact, *bound; /* [frames] */
  PetscReal unsure;               /* relative standard error of the bound */
} SyncKnown;

/* bound[frames] <- e^{(epsilon + lambda_bar') t} E_0 for the energy in this column where lambda_bar < 0, from the upper
 * bounds of both, else NaN (means.c). Returns its relative standard error: 0 where E_0 is known exactly. */
PetscReal SyncEnergyBound(const SyncTheory *theory, const SyncTheorem *theorem, const SyncMeans *means, PetscInt column,
                          PetscReal bound[]);
/* Both comparisons in words and as results NAME_off, BOUND_NAME_excess and so on. */
PetscErrorCode SyncReportMeans(const SyncTheory *theory, const SyncMeans *means, const SyncKnown *known,
                               Results results);

enum { SYNC_MOMENTS = 16, SYNC_BETAS = 16 }; /* values of sync_moments and of energy_beta at most */

/* One of several energies of a run. */
typedef struct {
  SyncTheory theory;
  Attention energy; /* NULL for the first, which is that of the set's attention */
  PetscReal *exact; /* [frames] */
} SyncBeta;

/* The state of the study. */
typedef struct {
  Run run;
  PetscInt depth;
  PetscReal dt;
  PetscInt64 count, twin_count; /* N, and how many of them have twins */
  PetscInt exponents;           /* twins of each of these */
  PetscBool spectrum;           /* they are all d - 1 */
  PetscInt dim, copies_count;   /* exponents of the system */
  Copies copies;                /* NULL for none */
  PetscInt moments;             /* so many p */
  PetscReal p[SYNC_MOMENTS];
  EnsembleLayout layout;
  Tokens tokens;
  System set; /* tokens and twins */
  Start start;
  Twins twins;
  Noise noise;
  Field field;
  Vec drift, gradient;
  SyncTheory theory;
  PetscReal *exact;      /* [frames] of SyncTheoryEnergy */
  PetscReal *pair_exact; /* [frames] of SyncTheoryPairs */
  PetscInt betas;        /* so many energies where energy_beta is a list, else 0 */
  SyncBeta beta[SYNC_BETAS];
} Sync;

/* The exponents of sync_spectrum and sync_exponents (spectrum.c): their quantities, and their numbers into the tail
 * where frame f is one of those of SYNC_HALVES. */
PetscErrorCode SyncSpectrumDeclare(const Sync *sync, Results results);
void SyncSpectrumMeasure(Sync *sync, PetscInt f);
/* Where they end in the tail. Pure. */
PetscInt SyncSpectrumEnd(const Sync *sync);
PetscErrorCode SyncSpectrumReport(const Sync *sync, const Samples *samples, Results results);

/* The same for sync_moments (moments.c), at the last frame. */
PetscErrorCode SyncMomentsRead(Sync *sync);
PetscErrorCode SyncMomentsDeclare(const Sync *sync, Results results);
PetscErrorCode SyncMomentsMeasure(Sync *sync, PetscInt f);
PetscErrorCode SyncMomentsReport(const Sync *sync, const Samples *samples, Results results);

/* The mean square distance of pairs beside its exact value and under the bound that follows from that of the energy
 * (pairs.c). */
PetscErrorCode SyncPairsReport(const Sync *sync, const SyncMeans *means, const SyncKnown *energy, Results results);

/* Energies of several beta (betas.c): columns of a frame behind SYNC_COLUMNS. */
PetscErrorCode SyncBetasCreate(Sync *sync, const ModelOptions *options);
PetscErrorCode SyncBetasDestroy(Sync *sync);
PetscErrorCode SyncBetasDeclare(const Sync *sync, Results results);
PetscErrorCode SyncBetasPrepare(Sync *sync);
PetscErrorCode SyncBetasMeasure(Sync *sync, PetscReal values[]);
PetscErrorCode SyncBetasReport(const Sync *sync, const SyncMeans *means, Results results);

/* Everything from rows [frames * columns + tail] and theory to table, attributes, arrays and words. Called
 * alike on all ranks. */
PetscErrorCode SyncReport(void *state, const Samples *samples, Results results);

/* Refuses (user input) lists of the keys that are lists for the map. */
PetscErrorCode SyncCheckLists(void);
/* Refuses (user input) a list of energy_beta. */
PetscErrorCode SyncCheckOneBeta(void);

/* The phase map of sync_map (map.c); the random attractor of sync_starts (starts.c). */
extern const Study StudySyncMap, StudySyncStarts;

#endif
