/* Self-attention as a field on the sphere (THEORY.md (1.2)):
 *
 *     Att[mu](x) = sum_j w_j e^{<Qx,Kx_j>} V x_j / sum_j w_j e^{<Qx,Kx_j>}        softmax
 *
 * and its relatives usa (no denominator), l2 (e^{-|Qx-Ky|^2}), sinkhorn (the kernel scaled to be bistochastic with
 * respect to mu), none. Q = K = sqrt(beta) I and V = v I unless
 * attention_weights is random or names an HDF5 file with heads/<h>/{Q,K,V}, row-major (y = Q x): Q and K k x d, V d x
 * d, or k' x d with O d x k' beside it, and biases Q_bias, K_bias, V_bias, O_bias (THEORY.md (1.8), (1.9)); heads add
 * up, times v. beta is then the energy's alone, whose beta may be another for any attention: energy_beta.
 *
 * Three engines make the kernel sums. Of default weights: direct, over all pairs of tokens; moments, by spherical
 * harmonics up to the degree at which the shifted kernel e^{beta (u - 1)}, whose maximum is 1, is within attention_tol
 * (and rounding: 1e-14, and 1e-16 beta of the positions): O(N K) and one allreduce of at most (d + 1) K numbers, beside
 * one of a flag (do the sums in hand serve?). Harmonics end at d = 300 and K = 20000. A third, mixture, takes the
 * tokens as clusters that act like Gaussian measures (THEORY.md (1.13)): O(N k d^2), for any weights, from d = 8 on,
 * with an error that is measured at some tokens in every evaluation and must be within attention_tol. auto takes the
 * one of fewest flops; mixture where attention_tol is at least 1e-6, with all pairs where its error is larger.
 *
 * With the mask causal token i, in the order of tokens, sees those j <= i alone: its sums end at i (NEIGHBOURS.md
 * (11.1)), with the weights w_j as they are; a token that sees no weight has Att = 0. The energy stays that of mu.
 * sinkhorn takes no mask. */
#ifndef CHORALE_ATTENTION_H
#define CHORALE_ATTENTION_H

#include <chorale/deck.h>
#include <chorale/tokens.h>

typedef struct _p_Attention *Attention;

#define ATTENTION_RANDOM "random" /* attention_weights: fresh heads in every step, drawn by AttentionDraw */

typedef struct {
  const char *type, *mask, *engine; /* names */
  PetscReal beta, value, tol;
  PetscReal energy_beta;            /* of the energy; 0 for beta */
  char weights[PETSC_MAX_PATH_LEN]; /* a file, ATTENTION_RANDOM, or empty */
  PetscInt64 heads, head_dim;       /* of random weights; head_dim -1 for d */
  PetscBool random_value;
  uint64_t seed;
  PetscInt64 iterations; /* of sinkhorn: at most so many, to this tolerance */
  PetscReal sinkhorn_tol;
  PetscInt64 depth;  /* layers of the run, for weights of several layers */
  const char *study; /* that takes weights of one layer alone, or NULL */
} AttentionOptions;
extern const OptionKey AttentionKeys[], EnergyKeys[];
/* attention_*, energy_beta and ensemble_seed; depth 0 and study NULL. */
PetscErrorCode AttentionOptionsRead(AttentionOptions *options);

/* Sets up for tokens of this layout. Refuses (user input, alike on all ranks) weights of
 * wrong shape, sinkhorn with a mask, moments with weights, mixture with sinkhorn, with a mask or below d = 8, moments
 * beyond 20000 harmonics or d = 300, usa beyond double precision. Collective on the tokens' communicator. */
PetscErrorCode AttentionCreate(Tokens tokens, const AttentionOptions *options, Attention *attention);
PetscErrorCode AttentionDestroy(Attention *attention);
/* Type, engine, parameters and cost per step on stdout of the communicator's rank 0. Collective. */
PetscErrorCode AttentionView(Attention attention);
/* The same in a phrase each, of at most `room` bytes: what it is, and how exact (empty for none). Pure. */
PetscErrorCode AttentionBrief(Attention attention, size_t room, char model[], char accuracy[]);
/* What one evaluation, or one iteration of sinkhorn, costs this rank: flops, bytes sent and received, bytes of memory.
 * Not collective. */
PetscErrorCode AttentionGetCost(Attention attention, PetscReal *flops, PetscReal *travel, PetscReal *bytes);
/* Attention as a gradient: with Z(x) = integral of e^{exponent (<x,y> - 1)} dmu(y),
 *
 *     P Att = strength grad log Z    (normalized)    or    strength grad Z.
 *
 * Refuses (user input) what is none: general weights, sinkhorn, a mask. Not collective. */
typedef struct {
  PetscBool zero, normalized;
  PetscReal strength, exponent;
  PetscReal most;                   /* bounds |P Att| */
  PetscReal beta, energy_beta, tol; /* attention's and the energy's; largest error of a kernel */
} AttentionPotential;
PetscErrorCode AttentionGetPotential(Attention attention, AttentionPotential *potential);
/* The layout that attention was set up for. Not collective. */
PetscErrorCode AttentionGetLayout(Attention attention, TokensLayout *layout);
/* Is the mask causal? Att is then no field on the sphere: two tokens at one place may move apart. Not collective. */
PetscErrorCode AttentionIsCausal(Attention attention, PetscBool *causal);
/* True when Att is identically zero (type none, or value 0): the step may be skipped. */
PetscErrorCode AttentionIsZero(Attention attention, PetscBool *zero);

/* Has attention_weights several layers, so that the weights of a step depend on how many steps there are? Pure. */
PetscErrorCode AttentionIsLayered(Attention attention, PetscBool *layered);
/* The weights of this step are those from now on, where attention_weights has several layers (THEORY.md (1.10)); those
 * of the first at the beginning, of the last beyond the end. Not collective. */
PetscErrorCode AttentionSetStep(Attention attention, PetscInt step);
/* The same, and draws the heads of this step, where attention_weights is random (NEIGHBOURS.md (12.12)). Not
 * collective: draws are functions of their keys. */
PetscErrorCode AttentionDraw(Attention attention, PetscInt realization, PetscInt step);
/* Has attention_weights a fixed MLP, F(x) = W sigma(U x + b) + c (THEORY.md (1.11)), that is a part of the drift? It
 * is no part of Att: schemes add it. Not collective. */
PetscErrorCode AttentionHasMlp(Attention attention, PetscBool *has);
/* y_i <- (clear ? 0 : y_i) + scale F(x_i), 0 at the padding. Collective. */
PetscErrorCode AttentionAddMlp(Attention attention, Tokens tokens, PetscBool clear, PetscReal scale, Vec y);
/* drift_i = Att[mu](x_i), unprojected; a Vec of the tokens' layout (TokensCreateVec). Padding is set to 0. Fails with
 * PETSC_ERR_NOT_CONVERGED when sinkhorn needs more than attention_sinkhorn_iterations, and when a mixture that was
 * asked for by name has a larger error than attention_tol. Collective. */
PetscErrorCode AttentionEvaluate(Attention attention, Tokens tokens, Vec drift);
/* The same in pieces, so that a scheme can move the first tokens before it asks for the drift of the next ones. If
 * *pieces, Prepare has made all kernel sums, and EvaluatePiece gives the drift of the own blocks first .. first +
 * blocks
 * - 1, whose positions were x when Prepare was called; x and drift are [blocks][d][B]. Else nothing was done. Prepare
 * is collective. */
PetscErrorCode AttentionPrepare(Attention attention, Tokens tokens, PetscBool *pieces);
PetscErrorCode AttentionEvaluatePiece(Attention attention, PetscInt first, PetscInt blocks, const double *x,
                                      double *drift);
/* The field as a function on the sphere. Of default weights by moments it is a sum of harmonics up to this degree, with
 * an error of at most attention_tol, *tol (NUMERICS.md (9.24)); -1 where it is zero, ATTENTION_DEGREE_NONE where it is
 * no such sum. After AttentionPrepare EvaluateAt has its values at any x[blocks][d][B], blocks as in harmonics.h: few
 * points, none of which costs less for the others. Not collective. */
#define ATTENTION_DEGREE_NONE PETSC_MAX_INT
PetscErrorCode AttentionGetDegree(Attention attention, PetscInt *degree, PetscReal *tol);
PetscErrorCode AttentionEvaluateAt(Attention attention, PetscInt blocks, PetscInt B, const double *x, double *out);
/* mean_i = m(x_i), the barycentre of the tokens as softmax of attention_beta and V = I weighs them, inside the sphere
 * (NEIGHBOURS.md (12.2)); a Vec of the tokens' layout, 0 at the padding. The kernel sums of the drift serve. Refuses
 * (user input) other attentions than softmax and none, and general weights; the first call sets up what it needs, for
 * studies to call before they write anything. Collective. */
PetscErrorCode AttentionBarycentreSetUp(Attention attention);
PetscErrorCode AttentionBarycentre(Attention attention, Tokens tokens, Vec mean);
/* What it costs this rank beside the drift: flops of one evaluation, bytes of memory. Not collective. */
PetscErrorCode AttentionBarycentreGetCost(Attention attention, PetscReal *flops, PetscReal *bytes);
/* How spread out attention is, for types with a denominator: with the weights p_ij of V x_j in Att(x_i), which add up
 * to 1, the means over i of the entropy - sum_j p_ij log p_ij, between 0 and log N (log i under the mask), and of max_j
 * p_ij. Tokens that see no weight do not count; heads are averaged. Visits all pairs. Collective. */
typedef struct {
  PetscReal entropy, largest;
} AttentionFocus;
PetscErrorCode AttentionGetFocus(Attention attention, Tokens tokens, AttentionFocus *focus);
/* How far the engine is from the sums over all pairs, at 256 tokens drawn by key: of Att the rms and the largest error
 * and, to compare them with, the rms of Att there; of the energy an estimate, without sign. 0 for engines without
 * Gaussians and where all pairs stepped in. Collective. */
typedef struct {
  PetscReal rms, largest, size, energy;
} AttentionError;
PetscErrorCode AttentionGetError(Attention attention, Tokens tokens, AttentionError *error);
/* May the engine be one that has errors: a mixture, or auto where attention_tol allows one? Pure. */
PetscBool AttentionMayMix(const AttentionOptions *options, PetscInt dim);
/* E_beta(mu) = 1/2 sum_ij w_i w_j (e^beta - e^{beta <x_i,x_j>}) with beta = energy_beta, for every type (THEORY.md
 * (5.1)), in units of AttentionEnergyUnit. When the kernel sums of the drift serve (default weights and beta of
 * attention: softmax, usa; l2 by moments) one pass does both: sums computed here are reused by AttentionEvaluate while
 * the tokens do not change, and the other way round. Collective. */
PetscErrorCode AttentionEnergy(Attention attention, Tokens tokens, PetscReal *energy);
/* gradient_i = -beta sum_j w_j e^{beta <x_i,x_j>} x_j, unprojected, a Vec of the tokens' layout: tokens that move with
 * velocities xdot_i tangent to the sphere change E_beta at the rate sum_i w_i <gradient_i, xdot_i>. The kernel sums of
 * the drift serve as for AttentionEnergy; l2, whose sums are those of 2 attention_beta, makes others. Collective. */
PetscErrorCode AttentionEnergyGradient(Attention attention, Tokens tokens, Vec gradient);
/* Bounds of epsilon, the supremum over all measures of d/dt log E_beta along attention alone: *low <= epsilon <= *high,
 * both proved (src/attention/rate.c), *high possibly infinite; beta > 0 is that of E_beta, any. Equal, 0, for gradient
 * flows of E_beta (default weights, v >= 0: softmax and usa of this attention_beta, l2 of half of it) and, 2 |v| or
 * 2 |v| e^attention_beta, for default weights with v < 0. Under a mask nothing is known from above. Not collective. */
PetscErrorCode AttentionEnergyRate(Attention attention, PetscReal beta, PetscReal *low, PetscReal *high);
/* A rate at which attention moves neighbouring tokens, in either direction: g of THEORY.md (5.6). Without attention it
 * is 0. Not collective. */
PetscErrorCode AttentionStrength(Attention attention, PetscReal *rate);
/* "1" up to beta = 700. Beyond, where e^beta leaves double precision, "e^beta": the energy is E_beta e^{-beta}. */
const char *AttentionEnergyUnit(PetscReal beta);

#endif
