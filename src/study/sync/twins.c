/* Twin tokens after Benettin et al. (Meccanica 15 (1980) 9): pairs at a tiny distance, brought back to it after every
 * step; the logarithms of what was taken away add up to the growth of a tangent vector.
 *
 * Twins belong to the set that the scheme moves but have weight 0. So the field that separates a token from its twin is
 * that of mu at both: the linearised flow of x' = P(Att[mu](x) dt + dW(x)) along the given mu. For noise alone that is
 * the noise flow, of exponent lambda1 (THEORY.md (2.6)) in every direction from the first step on, since the flow is
 * isotropic. With attention it is the exponent transverse to the meeting of two tokens of the system (they share mu as
 * well): negative means that neighbours meet.
 *
 * Order of the set: token 0, its twin, token 1, its twin, ...; then the tokens without twins. Blocks hold an even
 * number of tokens, so a pair is always within one block, whole on one rank. */
#include <chorale/deck.h>
#include <chorale/rng.h>
#include <chorale/sum.h>
#include <math.h>

#include "study/sync/sync.h"

struct _p_Twins {
  Tokens set;
  TokensLayout layout; /* of the set */
  PetscInt64 count;
  PetscReal distance;
  uint64_t seed;
  PetscReal growth[TWINS_GROWTH]; /* since the start: mean over the twins of the logarithm, and of its martingale */
  Vec field;                      /* G at the set */
  VecScatter positions, weights;
  Vec source, target; /* weights of the tokens and of the set */
};

/* Pairs of own block b; they come first. */
static PetscInt Pairs(Twins w, PetscInt b) {
  const PetscInt64 first = (PetscInt64)(w->layout.first + b) * (w->layout.block / 2);
  return (PetscInt)PetscClipInterval(w->count - first, 0, w->layout.block / 2);
}

/* Where component c of token i stands in the vector of a layout. */
static PetscInt Place(const TokensLayout *layout, PetscInt64 i, PetscInt c) {
  const PetscInt b = (PetscInt)(i / layout->block), t = (PetscInt)(i % layout->block);
  return (b * layout->dim + c) * layout->block + t;
}

/* Positions and weights travel from the tokens to the places of the set that are not twins. */
static PetscErrorCode CreateScatters(Twins w, Tokens tokens) {
  const PetscInt d = w->layout.dim, B = w->layout.block;
  TokensLayout from;
  PetscInt *source, *target, *source_weight, *target_weight, n = 0;
  IS is[4];
  Vec x, y;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &from));
  PetscCall(PetscMalloc4(w->layout.owned * B * d, &source, w->layout.owned * B * d, &target, w->layout.owned * B,
                         &source_weight, w->layout.owned * B, &target_weight));
  for (PetscInt b = 0; b < w->layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&w->layout, b); t++) {
      const PetscInt64 place = (PetscInt64)(w->layout.first + b) * B + t;
      const PetscBool paired = place < 2 * w->count ? PETSC_TRUE : PETSC_FALSE;
      const PetscInt64 token = paired ? place / 2 : place - w->count;
      if (paired && place % 2) continue;
      for (PetscInt c = 0; c < d; c++) {
        source[n * d + c] = Place(&from, token, c);
        target[n * d + c] = Place(&w->layout, place, c);
      }
      source_weight[n] = (PetscInt)token;
      target_weight[n++] = (PetscInt)place;
    }
  PetscCall(ISCreateGeneral(from.comm, n * d, source, PETSC_COPY_VALUES, &is[0]));
  PetscCall(ISCreateGeneral(from.comm, n * d, target, PETSC_COPY_VALUES, &is[1]));
  PetscCall(ISCreateGeneral(from.comm, n, source_weight, PETSC_COPY_VALUES, &is[2]));
  PetscCall(ISCreateGeneral(from.comm, n, target_weight, PETSC_COPY_VALUES, &is[3]));
  PetscCall(PetscFree4(source, target, source_weight, target_weight));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetVec(w->set, &y));
  PetscCall(VecScatterCreate(x, is[0], y, is[1], &w->positions));
  PetscCall(VecCreateMPI(from.comm, from.owned * from.block, PETSC_DETERMINE, &w->source));
  PetscCall(VecCreateMPI(from.comm, w->layout.owned * B, PETSC_DETERMINE, &w->target));
  PetscCall(VecScatterCreate(w->source, is[2], w->target, is[3], &w->weights));
  for (int i = 0; i < 4; i++) PetscCall(ISDestroy(&is[i]));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsCreate(Tokens tokens, PetscInt64 count, PetscReal distance, Twins *twins) {
  TokensLayout layout;
  PetscInt64 seed;
  Twins w;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscNew(&w));
  PetscCall(TokensCreate(layout.comm, layout.count + count, layout.dim, &w->set));
  PetscCall(TokensGetLayout(w->set, &w->layout));
  PetscCall(DeckGetInt("ensemble_seed", &seed));
  w->seed = (uint64_t)seed;
  w->count = count;
  w->distance = distance;
  PetscCall(TokensCreateVec(w->set, &w->field));
  PetscCall(CreateScatters(w, tokens));
  *twins = w;
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsDestroy(Twins *twins) {
  Twins w = *twins;

  PetscFunctionBeginUser;
  if (!w) PetscFunctionReturn(0);
  PetscCall(VecScatterDestroy(&w->positions));
  PetscCall(VecScatterDestroy(&w->weights));
  PetscCall(VecDestroy(&w->source));
  PetscCall(VecDestroy(&w->target));
  PetscCall(VecDestroy(&w->field));
  PetscCall(TokensDestroy(&w->set));
  PetscCall(PetscFree(*twins));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsGetTokens(Twins w, Tokens *set) {
  PetscFunctionBeginUser;
  *set = w->set;
  PetscFunctionReturn(0);
}

/* twin <- LN(x + distance e / |e|); components have stride B. Returns |e|. */
static PetscReal Displace(PetscInt dim, PetscInt block, PetscReal distance, const double *x, const double *e,
                          PetscInt stride, double *twin) {
  PetscReal length = 0, square = 0;

  for (PetscInt c = 0; c < dim; c++) length += e[c * stride] * e[c * stride];
  length = sqrt(length);
  for (PetscInt c = 0; c < dim; c++) {
    twin[c * block] = x[c * block] + distance / length * e[c * stride];
    square += twin[c * block] * twin[c * block];
  }
  for (PetscInt c = 0; c < dim; c++) twin[c * block] /= sqrt(square);
  return length;
}

static PetscErrorCode SetWeights(Twins w, Tokens tokens) {
  const double *from, *weights;
  double *to;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetWeights(tokens, &from));
  PetscCall(VecGetArray(w->source, &to));
  PetscCall(PetscArraycpy(to, from, layout.owned * layout.block));
  PetscCall(VecRestoreArray(w->source, &to));
  PetscCall(VecScatterBegin(w->weights, w->source, w->target, INSERT_VALUES, SCATTER_FORWARD));
  PetscCall(VecScatterEnd(w->weights, w->source, w->target, INSERT_VALUES, SCATTER_FORWARD));
  PetscCall(VecGetArrayRead(w->target, &weights));
  PetscCall(TokensSetWeights(w->set, weights));
  PetscCall(VecRestoreArrayRead(w->target, &weights));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsStart(Twins w, Tokens tokens, PetscInt r) {
  const RngStream stream = {.seed = w->seed, .realization = (uint32_t)r, .purpose = RNG_TWIN};
  const PetscInt d = w->layout.dim, B = w->layout.block;
  double *x, *e;
  Vec from, to;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(w->growth, TWINS_GROWTH));
  PetscCall(TokensGetVec(tokens, &from));
  PetscCall(TokensGetVec(w->set, &to));
  PetscCall(VecScatterBegin(w->positions, from, to, INSERT_VALUES, SCATTER_FORWARD));
  PetscCall(VecScatterEnd(w->positions, from, to, INSERT_VALUES, SCATTER_FORWARD));
  PetscCall(SetWeights(w, tokens));
  PetscCall(PetscMalloc1(B / 2 * d, &e));
  PetscCall(VecGetArray(to, &x));
  for (PetscInt b = 0; b < w->layout.owned; b++) {
    const PetscInt pairs = Pairs(w, b);
    RngNormal(stream, (uint64_t)(w->layout.first + b) * (uint64_t)(B / 2) * (uint64_t)d, (size_t)pairs * (size_t)d, e);
    for (PetscInt p = 0; p < pairs; p++) {
      double *token = x + b * d * B + 2 * p, *direction = e + p * d, radial = 0;
      for (PetscInt c = 0; c < d; c++) radial += direction[c] * token[c * B];
      for (PetscInt c = 0; c < d; c++) direction[c] -= radial * token[c * B];
      (void)Displace(d, B, w->distance, token, direction, 1, token + 1);
    }
  }
  PetscCall(VecRestoreArray(to, &x));
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

/* The twins of own block b, whose positions are x; adds their logarithms of growth to *sum. False when a twin has met
 * its token. */
static PetscBool RenormalizeBlock(Twins w, PetscInt b, double *x, double *e, PetscReal *sum) {
  const PetscInt d = w->layout.dim, B = w->layout.block, pairs = Pairs(w, b);

  for (PetscInt p = 0; p < pairs; p++) {
    double *token = x + 2 * p;
    for (PetscInt c = 0; c < d; c++) e[c] = token[c * B + 1] - token[c * B];
    const PetscReal length = Displace(d, B, w->distance, token, e, 1, token + 1);
    if (!(length > 0)) return PETSC_FALSE;
    *sum += log(length / w->distance);
  }
  return PETSC_TRUE;
}

PetscErrorCode TwinsRenormalize(Twins w) {
  const PetscInt d = w->layout.dim, B = w->layout.block;
  const PetscReal scale = SumScale(2048); /* a distance stays in the range of doubles: |log| < 1500 */
  PetscInt64 total = 0;
  double *x, *e;
  Vec v;

  PetscFunctionBeginUser;
  if (!w->count) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(w->set, &v));
  PetscCall(PetscMalloc1(d, &e));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < w->layout.owned; b++) {
    PetscReal sum = 0;
    PetscCheck(RenormalizeBlock(w, b, x + b * d * B, e, &sum), PETSC_COMM_SELF, PETSC_ERR_FP,
               "a token and its twin fell together within one step: take more layers_depth, or sync_twins 0");
    total += SumRound(sum / (PetscReal)w->count, scale);
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscCall(PetscFree(e));
  PetscCall(SumAllreduce(w->layout.comm, 1, &total));
  w->growth[TWINS_TOTAL] += (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* What the flow of sqrt(dt) P G does, to first order, to the logarithms of the distances within own block b: the sum
 * of <e, P_y G(y) - P_x G(x)>/|e|^2, e = y - x from a token x to its twin y, where <e, x> = -|e|^2/2 = -<e, y>. */
static PetscReal MartingaleBlock(Twins w, PetscInt b, const double *x, const double *g) {
  const PetscInt d = w->layout.dim, B = w->layout.block, pairs = Pairs(w, b);
  PetscReal sum = 0;

  for (PetscInt p = 0; p < pairs; p++) {
    PetscReal along = 0, square = 0, radial = 0;
    for (PetscInt c = 0; c < d; c++) {
      const PetscInt token = c * B + 2 * p, twin = token + 1;
      const PetscReal e = x[twin] - x[token];
      along += e * (g[twin] - g[token]);
      square += e * e;
      radial += x[token] * g[token] + x[twin] * g[twin];
    }
    sum += along / square - 0.5 * radial;
  }
  return sum;
}

PetscErrorCode TwinsForesee(Twins w, Field field, PetscReal dt) {
  const PetscInt d = w->layout.dim, B = w->layout.block;
  const PetscReal most = 2048, scale = SumScale(2 * most);
  const double *x, *g;
  PetscInt64 total = 0;
  PetscBool zero;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(FieldIsZero(field, &zero));
  if (!w->count || zero) PetscFunctionReturn(0);
  PetscCall(FieldEvaluate(field, w->set, w->field));
  PetscCall(TokensGetVec(w->set, &v));
  PetscCall(VecGetArrayRead(v, &x));
  PetscCall(VecGetArrayRead(w->field, &g));
  for (PetscInt b = 0; b < w->layout.owned; b++) {
    const PetscReal part = sqrt(dt) * MartingaleBlock(w, b, x + b * d * B, g + b * d * B) / (PetscReal)w->count;
    /* G and -G are alike, so that a symmetric bound leaves the mean at 0. */
    total += SumRound(PetscClipInterval(part, -most, most), scale);
  }
  PetscCall(VecRestoreArrayRead(w->field, &g));
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(SumAllreduce(w->layout.comm, 1, &total));
  w->growth[TWINS_MARTINGALE] += (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsGather(Twins w, Tokens tokens) {
  Vec from, to;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(w->set, &from));
  PetscCall(TokensGetVec(tokens, &to));
  PetscCall(VecScatterBegin(w->positions, from, to, INSERT_VALUES, SCATTER_REVERSE));
  PetscCall(VecScatterEnd(w->positions, from, to, INSERT_VALUES, SCATTER_REVERSE));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsGetGrowth(Twins w, PetscReal **growth) {
  PetscFunctionBeginUser;
  *growth = w->growth;
  PetscFunctionReturn(0);
}
