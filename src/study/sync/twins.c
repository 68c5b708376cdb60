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
#include <chorale/rng.h>
#include <chorale/sum.h>
#include <math.h>

#include "study/sync/sync.h"

struct _p_Twins {
  Tokens set;          /* the caller's */
  TokensLayout layout; /* of the set */
  PetscInt64 count;
  PetscReal distance;
  uint64_t seed;
  PetscReal growth[TWINS_GROWTH]; /* since the start: mean over the twins of the logarithm, and of its martingale */
  Vec field;                      /* G at the set */
  VecScatter scatter;             /* vectors of the tokens to the places of the set that are not twins */
};

/* Pairs of own block b; they come first. */
static PetscInt Pairs(Twins twins, PetscInt b) {
  const PetscInt64 first = (PetscInt64)(twins->layout.first + b) * (twins->layout.block / 2);
  return (PetscInt)PetscClipInterval(twins->count - first, 0, twins->layout.block / 2);
}

/* Where component c of token i stands in the vector of a layout. */
static PetscInt Place(const TokensLayout *layout, PetscInt64 i, PetscInt c) {
  const PetscInt b = (PetscInt)(i / layout->block), t = (PetscInt)(i % layout->block);
  return (b * layout->dim + c) * layout->block + t;
}

static PetscErrorCode CreateScatter(Twins twins, Tokens tokens) {
  const TokensLayout *set = &twins->layout;
  const PetscInt d = set->dim, B = set->block;
  TokensLayout alone;
  PetscInt *source, *target, n = 0;
  IS from, to;
  Vec x, y;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &alone));
  PetscCall(PetscMalloc2(set->owned * B * d, &source, set->owned * B * d, &target));
  for (PetscInt b = 0; b < set->owned; b++)
    for (PetscInt t = 0; t < TokensFilled(set, b); t++) {
      const PetscInt64 place = (PetscInt64)(set->first + b) * B + t;
      const PetscBool paired = place < 2 * twins->count ? PETSC_TRUE : PETSC_FALSE;
      if (paired && place % 2) continue;
      for (PetscInt c = 0; c < d; c++) {
        source[n] = Place(&alone, paired ? place / 2 : place - twins->count, c);
        target[n++] = Place(set, place, c);
      }
    }
  PetscCall(ISCreateGeneral(set->comm, n, source, PETSC_COPY_VALUES, &from));
  PetscCall(ISCreateGeneral(set->comm, n, target, PETSC_COPY_VALUES, &to));
  PetscCall(PetscFree2(source, target));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetVec(twins->set, &y));
  PetscCall(VecScatterCreate(x, from, y, to, &twins->scatter));
  PetscCall(ISDestroy(&from));
  PetscCall(ISDestroy(&to));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsCreate(Tokens tokens, Tokens set, PetscReal distance, uint64_t seed, Twins *handle) {
  TokensLayout layout;
  Twins twins;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&twins));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetLayout(set, &twins->layout));
  twins->set = set;
  twins->count = twins->layout.count - layout.count;
  twins->distance = distance;
  twins->seed = seed;
  PetscCall(TokensCreateVec(set, &twins->field));
  PetscCall(CreateScatter(twins, tokens));
  *handle = twins;
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsDestroy(Twins *twins) {
  PetscFunctionBeginUser;
  if (!*twins) PetscFunctionReturn(0);
  PetscCall(VecScatterDestroy(&(*twins)->scatter));
  PetscCall(VecDestroy(&(*twins)->field));
  PetscCall(PetscFree(*twins));
  PetscFunctionReturn(0);
}

PetscReal *TwinsGrowth(Twins twins) {
  return twins->growth;
}

static PetscErrorCode Scatter(Twins twins, Vec from, Vec to, ScatterMode mode) {
  PetscFunctionBeginUser;
  PetscCall(VecScatterBegin(twins->scatter, from, to, INSERT_VALUES, mode));
  PetscCall(VecScatterEnd(twins->scatter, from, to, INSERT_VALUES, mode));
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

/* Weights travel as the first component; twins have none. */
static PetscErrorCode SetWeights(Twins twins, Tokens tokens) {
  const TokensLayout *set = &twins->layout;
  const double *weights, *arrived;
  double *first, *all;
  TokensLayout alone;
  Vec from;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &alone));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(TokensCreateVec(tokens, &from));
  PetscCall(VecGetArray(from, &first));
  for (PetscInt b = 0; b < alone.owned; b++)
    PetscCall(PetscArraycpy(first + b * alone.dim * alone.block, weights + b * alone.block, alone.block));
  PetscCall(VecRestoreArray(from, &first));
  PetscCall(VecSet(twins->field, 0));
  PetscCall(Scatter(twins, from, twins->field, SCATTER_FORWARD));
  PetscCall(VecDestroy(&from));
  PetscCall(PetscMalloc1(set->owned * set->block, &all));
  PetscCall(VecGetArrayRead(twins->field, &arrived));
  for (PetscInt b = 0; b < set->owned; b++)
    PetscCall(PetscArraycpy(all + b * set->block, arrived + b * set->dim * set->block, set->block));
  PetscCall(VecRestoreArrayRead(twins->field, &arrived));
  PetscCall(TokensSetWeights(twins->set, all));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsStart(Twins twins, Tokens tokens, PetscInt r) {
  const RngStream stream = {.seed = twins->seed, .realization = (uint32_t)r, .purpose = RNG_TWIN};
  const PetscInt d = twins->layout.dim, B = twins->layout.block;
  double *x, *e;
  Vec alone, set;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(twins->growth, TWINS_GROWTH));
  PetscCall(TokensGetVec(tokens, &alone));
  PetscCall(TokensGetVec(twins->set, &set));
  PetscCall(Scatter(twins, alone, set, SCATTER_FORWARD));
  PetscCall(SetWeights(twins, tokens));
  PetscCall(PetscMalloc1(B / 2 * d, &e));
  PetscCall(VecGetArray(set, &x));
  for (PetscInt b = 0; b < twins->layout.owned; b++) {
    const PetscInt pairs = Pairs(twins, b);
    RngNormal(stream, (uint64_t)(twins->layout.first + b) * (uint64_t)(B / 2) * (uint64_t)d, (size_t)pairs * (size_t)d,
              e);
    for (PetscInt p = 0; p < pairs; p++) {
      double *token = x + b * d * B + 2 * p, *direction = e + p * d, radial = 0;
      for (PetscInt c = 0; c < d; c++) radial += direction[c] * token[c * B];
      for (PetscInt c = 0; c < d; c++) direction[c] -= radial * token[c * B];
      (void)Displace(d, B, twins->distance, token, direction, 1, token + 1);
    }
  }
  PetscCall(VecRestoreArray(set, &x));
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

/* The twins of own block b, whose positions are x; adds their logarithms of growth to *sum. False when a twin has met
 * its token. */
static PetscBool RenormalizeBlock(Twins twins, PetscInt b, double *x, double *e, PetscReal *sum) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block, pairs = Pairs(twins, b);

  for (PetscInt p = 0; p < pairs; p++) {
    double *token = x + 2 * p;
    for (PetscInt c = 0; c < d; c++) e[c] = token[c * B + 1] - token[c * B];
    const PetscReal length = Displace(d, B, twins->distance, token, e, 1, token + 1);
    if (!(length > 0)) return PETSC_FALSE;
    *sum += log(length / twins->distance);
  }
  return PETSC_TRUE;
}

PetscErrorCode TwinsRenormalize(Twins twins) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block;
  const PetscReal scale = SumScale(2048); /* a distance stays in the range of doubles: |log| < 1500 */
  PetscInt64 total = 0;
  double *x, *e;
  Vec v;

  PetscFunctionBeginUser;
  if (!twins->count) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(twins->set, &v));
  PetscCall(PetscMalloc1(d, &e));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < twins->layout.owned; b++) {
    PetscReal sum = 0;
    PetscCheck(RenormalizeBlock(twins, b, x + b * d * B, e, &sum), PETSC_COMM_SELF, PETSC_ERR_FP,
               "a token and its twin fell together within one step: take more layers_depth, or sync_twins 0");
    total += SumRound(sum / (PetscReal)twins->count, scale);
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscCall(PetscFree(e));
  PetscCall(SumAllreduce(twins->layout.comm, 1, &total));
  twins->growth[TWINS_TOTAL] += (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* What the flow of sqrt(dt) P G does, to first order, to the logarithms of the distances within own block b: the sum
 * of <e, P_y G(y) - P_x G(x)>/|e|^2, e = y - x from a token x to its twin y, where <e, x> = -|e|^2/2 = -<e, y>. */
static PetscReal MartingaleBlock(Twins twins, PetscInt b, const double *x, const double *g) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block, pairs = Pairs(twins, b);
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

PetscErrorCode TwinsForesee(Twins twins, Field field, PetscReal dt) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block;
  const PetscReal most = 2048, scale = SumScale(2 * most);
  const double *x, *g;
  PetscInt64 total = 0;
  PetscBool zero;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(FieldIsZero(field, &zero));
  if (!twins->count || zero) PetscFunctionReturn(0);
  PetscCall(FieldEvaluate(field, twins->set, twins->field));
  PetscCall(TokensGetVec(twins->set, &v));
  PetscCall(VecGetArrayRead(v, &x));
  PetscCall(VecGetArrayRead(twins->field, &g));
  for (PetscInt b = 0; b < twins->layout.owned; b++) {
    const PetscReal part = sqrt(dt) * MartingaleBlock(twins, b, x + b * d * B, g + b * d * B) / (PetscReal)twins->count;
    /* G and -G are alike, so that a symmetric bound leaves the mean at 0. */
    total += SumRound(PetscClipInterval(part, -most, most), scale);
  }
  PetscCall(VecRestoreArrayRead(twins->field, &g));
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(SumAllreduce(twins->layout.comm, 1, &total));
  twins->growth[TWINS_MARTINGALE] += (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsGather(Twins twins, Tokens tokens) {
  Vec alone, set;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &alone));
  PetscCall(TokensGetVec(twins->set, &set));
  PetscCall(Scatter(twins, set, alone, SCATTER_REVERSE));
  PetscFunctionReturn(0);
}
