/* Twin tokens after Benettin et al. (Meccanica 15 (1980) 9): pairs at a tiny distance, brought back to it after every
 * step; the logarithms of what was taken away add up to the growth of a tangent vector.
 *
 * Twins belong to the set that the scheme moves but have weight 0. So the field that separates a token from its twin is
 * that of mu at both: the linearised flow of x' = P(Att[mu](x) dt + dW(x)) along the given mu. For noise alone that is
 * the noise flow, of exponent lambda1 (THEORY.md (2.6)) in every direction from the first step on, since the flow is
 * isotropic. With attention it is the exponent transverse to the meeting of two tokens of the system (they share mu as
 * well): negative means that neighbours meet.
 *
 * A token may have several twins: their displacements are made orthogonal in their order, so that the logarithms are
 * those of the diagonal of R in Benettin's QR, one exponent each (NEIGHBOURS.md (15.6)).
 *
 * Order of the set: groups of a token and its twins, as many as whole ones fit into a block; then the tokens without
 * twins. A group is always within one block, whole on one rank. What is left of a block, less than a group, holds
 * points of weight 0 that nobody looks at; twins alone leave nothing, as blocks hold an even number of tokens. */
#include <chorale/rng.h>
#include <chorale/sum.h>
#include <math.h>

#include "base/plan.h"
#include "base/traffic.h"
#include "study/sync/sync.h"

#define LOG_DIM 2 /* the least of tokens */

struct _p_Twins {
  Tokens set;          /* the caller's */
  TokensLayout layout; /* of the set */
  PetscInt64 count;    /* tokens with twins */
  PetscInt each;       /* twins of each */
  PetscInt per;        /* groups in a block */
  PetscInt64 end;      /* of the groups, in the set */
  PetscReal distance;
  uint64_t seed;
  PetscReal *growth;  /* [each][TWINS_GROWTH] since the start: mean of the logarithm, and of its martingale */
  Tokens log;         /* no tokens but numbers of each: component 0, at the place of a first twin, is its growth */
  Vec field;          /* G at the set */
  VecScatter scatter; /* vectors of the tokens to the places of the set that are not twins */
  PetscInt travels;   /* numbers that it brings from other ranks and to them */
};

PetscInt64 TwinsSetCount(PetscInt64 tokens, PetscInt64 count, PetscInt each) {
  const PetscInt64 block = TokensBlockSize(tokens + count * each), per = block / (1 + each);

  return count ? tokens - count + (count - 1) / per * block + ((count - 1) % per + 1) * (1 + each) : tokens;
}

/* The first group of own block b, and how many it has; they come first. */
static PetscInt64 FirstGroup(Twins twins, PetscInt b) {
  return (PetscInt64)(twins->layout.first + b) * twins->per;
}

static PetscInt Groups(Twins twins, PetscInt b) {
  return (PetscInt)PetscClipInterval(twins->count - FirstGroup(twins, b), 0, twins->per);
}

/* The token at a place of the set, -1 for twins and what is left. */
static PetscInt64 TokenAt(Twins twins, PetscInt64 place) {
  const PetscInt64 b = place / twins->layout.block, t = place % twins->layout.block, members = 1 + twins->each;

  if (place >= twins->end) return twins->count + place - twins->end;
  return t % members || t / members >= twins->per ? -1 : b * twins->per + t / members;
}

/* Where component c of token i stands in the vector of a layout. */
static PetscInt Place(const TokensLayout *layout, PetscInt64 i, PetscInt c) {
  const PetscInt b = (PetscInt)(i / layout->block), t = (PetscInt)(i % layout->block);
  return (b * layout->dim + c) * layout->block + t;
}

static PetscErrorCode CreateScatter(Twins twins, Tokens tokens) {
  const TokensLayout *set = &twins->layout;
  const PetscInt d = set->dim, B = set->block;
  const PetscInt64 here = (PetscInt64)set->first * B;
  TokensLayout alone;
  PetscInt *source, *target, n = 0;
  PetscInt64 first, own;
  PetscBool part;
  IS from, to;
  Vec x, y;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &alone));
  TokensOwnRows(&alone, &first, &own);
  twins->travels = (PetscInt)own * d; /* to where they are not among those here */
  PetscCall(PlanIsPart(set->comm, &part));
  PetscCall(PetscMalloc2(set->owned * B * d, &source, set->owned * B * d, &target));
  for (PetscInt b = 0; b < set->owned; b++)
    for (PetscInt t = 0; t < TokensFilled(set, b); t++) {
      const PetscInt64 place = (PetscInt64)(set->first + b) * B + t, token = TokenAt(twins, place);
      if (token < 0) continue;
      twins->travels += token < first || token >= first + own ? d : -d;
      for (PetscInt c = 0; c < d; c++) {
        source[n] = Place(&alone, part ? token % own : token, c); /* its own in the place of those of planned ranks */
        target[n++] = Place(set, part ? place - here : place, c);
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

PetscErrorCode TwinsCreate(Tokens tokens, Tokens set, PetscInt64 count, PetscInt each, PetscReal distance,
                           uint64_t seed, Twins *handle) {
  TokensLayout layout;
  Twins twins;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&twins));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetLayout(set, &twins->layout));
  twins->set = set;
  twins->count = count;
  twins->each = each;
  twins->per = twins->layout.block / (1 + each);
  twins->end = twins->layout.count - (layout.count - count);
  PetscCall(PetscCalloc1(each * TWINS_GROWTH, &twins->growth));
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
  PetscCall(TokensDestroy(&(*twins)->log));
  PetscCall(VecDestroy(&(*twins)->field));
  PetscCall(PetscFree((*twins)->growth));
  PetscCall(PetscFree(*twins));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsKeepEach(Twins twins) {
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(twins->layout.comm, twins->layout.count, LOG_DIM, &twins->log));
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsKeep(Twins twins, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (twins->log) PetscCall(CheckpointAddTokens(checkpoint, "growth_each", twins->log));
  PetscFunctionReturn(0);
}

PetscReal *TwinsGrowth(Twins twins) {
  return twins->growth;
}

static PetscErrorCode Scatter(Twins twins, Vec from, Vec to, ScatterMode mode) {
  PetscFunctionBeginUser;
  TrafficMessages(twins->travels);
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

/* e_j <- e_j less its parts along e_0 .. e_{j-1}, which are orthogonal. */
static void Orthogonalize(PetscInt dim, PetscInt j, double *e) {
  double *last = e + j * dim;

  for (PetscInt i = 0; i < j; i++) {
    const double *before = e + i * dim;
    double along = 0, square = 0;
    for (PetscInt c = 0; c < dim; c++) along += before[c] * last[c], square += before[c] * before[c];
    for (PetscInt c = 0; c < dim; c++) last[c] -= along / square * before[c];
  }
}

/* The twins of a token into the random directions e[each][d], made tangent and orthogonal. */
static void StartGroup(Twins twins, double *token, double *e) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block;

  for (PetscInt j = 0; j < twins->each; j++) {
    double *direction = e + j * d, radial = 0;
    for (PetscInt c = 0; c < d; c++) radial += direction[c] * token[c * B];
    for (PetscInt c = 0; c < d; c++) direction[c] -= radial * token[c * B];
    Orthogonalize(d, j, e);
    (void)Displace(d, B, twins->distance, token, direction, 1, token + 1 + j);
  }
}

PetscErrorCode TwinsStart(Twins twins, Tokens tokens, PetscInt r) {
  const RngStream stream = {.seed = twins->seed, .realization = (uint32_t)r, .purpose = RNG_TWIN};
  const PetscInt d = twins->layout.dim, B = twins->layout.block, drawn = twins->each * d;
  double *x, *e;
  Vec alone, set;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(twins->growth, twins->each * TWINS_GROWTH));
  if (twins->log) {
    PetscCall(TokensGetVec(twins->log, &set));
    PetscCall(VecSet(set, 0));
  }
  PetscCall(TokensGetVec(tokens, &alone));
  PetscCall(TokensGetVec(twins->set, &set));
  PetscCall(Scatter(twins, alone, set, SCATTER_FORWARD));
  PetscCall(SetWeights(twins, tokens));
  PetscCall(PetscMalloc1(twins->per * drawn, &e));
  PetscCall(VecGetArray(set, &x));
  for (PetscInt b = 0; b < twins->layout.owned; b++) {
    const PetscInt groups = Groups(twins, b);
    RngNormal(stream, (uint64_t)FirstGroup(twins, b) * (uint64_t)drawn, (size_t)groups * (size_t)drawn, e);
    for (PetscInt p = 0; p < groups; p++) StartGroup(twins, x + b * d * B + p * (1 + twins->each), e + p * drawn);
  }
  PetscCall(VecRestoreArray(set, &x));
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

/* The twins of own block b, whose positions are x; adds their logarithms of growth to sum[each], and those of the first
 * to logs[B] unless it is NULL. e[each][d] is work space. False when a twin has met its token, or lies where others
 * span. */
static PetscBool RenormalizeBlock(Twins twins, PetscInt b, double *x, double *logs, double *e, PetscReal sum[]) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block, groups = Groups(twins, b);

  for (PetscInt p = 0; p < groups; p++) {
    double *token = x + p * (1 + twins->each);
    for (PetscInt j = 0; j < twins->each; j++) {
      double *twin = token + 1 + j;
      for (PetscInt c = 0; c < d; c++) e[j * d + c] = twin[c * B] - token[c * B];
      Orthogonalize(d, j, e);
      const PetscReal length = Displace(d, B, twins->distance, token, e + j * d, 1, twin);
      if (!(length > 0)) return PETSC_FALSE;
      const PetscReal grown = log(length / twins->distance);
      sum[j] += grown;
      if (logs && j == 0) logs[p * (1 + twins->each) + 1] += grown;
    }
  }
  return PETSC_TRUE;
}

/* growth[j][which] += total[j] / scale, summed over the ranks. */
static PetscErrorCode AddGrowth(Twins twins, int which, PetscReal scale, PetscInt64 total[]) {
  PetscFunctionBeginUser;
  PetscCall(SumAllreduce(twins->layout.comm, twins->each, total));
  for (PetscInt j = 0; j < twins->each; j++) twins->growth[j * TWINS_GROWTH + which] += (PetscReal)total[j] / scale;
  PetscFunctionReturn(0);
}

PetscErrorCode TwinsRenormalize(Twins twins) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block;
  const PetscReal scale = SumScale(2048); /* a distance stays in the range of doubles: |log| < 1500 */
  PetscInt64 *total;
  PetscReal *sum;
  double *x, *e, *logs = NULL;
  Vec v, w = NULL;

  PetscFunctionBeginUser;
  if (!twins->count) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(twins->set, &v));
  if (twins->log) {
    PetscCall(TokensGetVec(twins->log, &w));
    PetscCall(VecGetArray(w, &logs));
  }
  PetscCall(PetscCalloc3(d * twins->each, &e, twins->each, &sum, twins->each, &total));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < twins->layout.owned; b++) {
    PetscCall(PetscArrayzero(sum, twins->each));
    PetscCheck(RenormalizeBlock(twins, b, x + b * d * B, logs ? logs + b * LOG_DIM * B : NULL, e, sum), PETSC_COMM_SELF,
               PETSC_ERR_FP,
               "a token and its twin fell together within one step: take more layers_depth, or sync_twins 0");
    for (PetscInt j = 0; j < twins->each; j++) total[j] += SumRound(sum[j] / (PetscReal)twins->count, scale);
  }
  PetscCall(VecRestoreArray(v, &x));
  if (w) PetscCall(VecRestoreArray(w, &logs));
  PetscCall(AddGrowth(twins, TWINS_TOTAL, scale, total));
  PetscCall(PetscFree3(e, sum, total));
  PetscFunctionReturn(0);
}

/* What the flow of sqrt(dt) P G does, to first order, to the logarithms of the distances of the j-th twins of own block
 * b: the sum of <e, P_y G(y) - P_x G(x)>/|e|^2, e = y - x from a token x to its twin y, where <e, x> = -|e|^2/2 =
 * -<e, y>. */
static PetscReal MartingaleBlock(Twins twins, PetscInt b, PetscInt j, const double *x, const double *g) {
  const PetscInt d = twins->layout.dim, B = twins->layout.block, groups = Groups(twins, b);
  PetscReal sum = 0;

  for (PetscInt p = 0; p < groups; p++) {
    PetscReal along = 0, square = 0, radial = 0;
    for (PetscInt c = 0; c < d; c++) {
      const PetscInt token = c * B + p * (1 + twins->each), twin = token + 1 + j;
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
  const PetscInt length = twins->layout.dim * twins->layout.block;
  const PetscReal most = 2048, scale = SumScale(2 * most);
  const double *x, *g;
  PetscInt64 *total;
  PetscBool zero;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(FieldIsZero(field, &zero));
  if (!twins->count || zero) PetscFunctionReturn(0);
  PetscCall(FieldEvaluate(field, twins->set, twins->field));
  PetscCall(TokensGetVec(twins->set, &v));
  PetscCall(PetscCalloc1(twins->each, &total));
  PetscCall(VecGetArrayRead(v, &x));
  PetscCall(VecGetArrayRead(twins->field, &g));
  for (PetscInt b = 0; b < twins->layout.owned; b++)
    for (PetscInt j = 0; j < twins->each; j++) {
      const PetscReal sum = MartingaleBlock(twins, b, j, x + b * length, g + b * length);
      const PetscReal part = sqrt(dt) * sum / (PetscReal)twins->count;
      /* G and -G are alike, so that a symmetric bound leaves the mean at 0. */
      total[j] += SumRound(PetscClipInterval(part, -most, most), scale);
    }
  PetscCall(VecRestoreArrayRead(twins->field, &g));
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(AddGrowth(twins, TWINS_MARTINGALE, scale, total));
  PetscCall(PetscFree(total));
  PetscFunctionReturn(0);
}

/* The largest is taken out of the sum of exponentials. */
PetscErrorCode TwinsLogMoment(Twins twins, PetscReal p, PetscReal *moment) {
  const PetscInt each = LOG_DIM * twins->layout.block, members = 1 + twins->each;
  const PetscReal scale = SumScale(1);
  PetscReal most = -PETSC_INFINITY;
  PetscInt64 total = 0;
  const double *logs;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(twins->log, &v));
  PetscCall(VecGetArrayRead(v, &logs));
  for (PetscInt b = 0; b < twins->layout.owned; b++)
    for (PetscInt i = 0; i < Groups(twins, b); i++) most = PetscMax(most, p * logs[b * each + i * members + 1]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPIU_REAL, MPIU_MAX, twins->layout.comm));
  for (PetscInt b = 0; b < twins->layout.owned; b++)
    for (PetscInt i = 0; i < Groups(twins, b); i++)
      total += SumRound(exp(p * logs[b * each + i * members + 1] - most) / (PetscReal)twins->count, scale);
  PetscCall(VecRestoreArrayRead(v, &logs));
  PetscCall(SumAllreduce(twins->layout.comm, 1, &total));
  *moment = most + log((PetscReal)total / scale);
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
