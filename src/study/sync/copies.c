/* The largest Lyapunov exponents of all N tokens together, attention and all, after Benettin et al. as in twins.c: a
 * tangent vector of the system is a copy of all tokens, each moved a little, that goes along the same noise with the
 * attention of its own measure. Copies are brought back to one distance, that of R^{Nd}, and made orthogonal in their
 * order after every step (NEIGHBOURS.md (15.7)).
 *
 * Sums over the tokens do not depend on order (chorale/sum.h), and all else is done for each token alike. */
#include <chorale/rng.h>
#include <chorale/sum.h>
#include <math.h>

#include "base/traffic.h"
#include "study/sync/sync.h"

struct _p_Copies {
  PetscInt n;
  TokensLayout layout;
  PetscReal distance;
  uint64_t seed;
  PetscReal *growth; /* [n][TWINS_GROWTH] since the start */
  System *system;    /* [n] */
  Vec *e;            /* [n]: directions, of length 1 once they are orthogonal */
  Vec field, other;  /* P G at the tokens and at those of a copy */
};

PetscErrorCode CopiesCreate(MPI_Comm shards, const ModelOptions *options, PetscInt n, PetscReal distance,
                            Copies *handle) {
  Copies copies;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&copies));
  copies->n = n;
  copies->distance = distance;
  copies->seed = options->start.seed;
  PetscCall(PetscCalloc3(n, &copies->system, n, &copies->e, n * TWINS_GROWTH, &copies->growth));
  for (PetscInt k = 0; k < n; k++) {
    PetscCall(SystemCreate(shards, options->start.count, options, &copies->system[k]));
    PetscCall(TokensCreateVec(copies->system[k].tokens, &copies->e[k]));
  }
  PetscCall(TokensGetLayout(copies->system[0].tokens, &copies->layout));
  PetscCall(TokensCreateVec(copies->system[0].tokens, &copies->field));
  PetscCall(TokensCreateVec(copies->system[0].tokens, &copies->other));
  *handle = copies;
  PetscFunctionReturn(0);
}

PetscErrorCode CopiesDestroy(Copies *copies) {
  PetscFunctionBeginUser;
  if (!*copies) PetscFunctionReturn(0);
  for (PetscInt k = 0; k < (*copies)->n; k++) {
    PetscCall(SystemDestroy(&(*copies)->system[k]));
    PetscCall(VecDestroy(&(*copies)->e[k]));
  }
  PetscCall(VecDestroy(&(*copies)->field));
  PetscCall(VecDestroy(&(*copies)->other));
  PetscCall(PetscFree3((*copies)->system, (*copies)->e, (*copies)->growth));
  PetscCall(PetscFree(*copies));
  PetscFunctionReturn(0);
}

PetscReal *CopiesGrowth(Copies copies) {
  return copies->growth;
}

PetscErrorCode CopiesKeep(Copies copies, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointAddReals(checkpoint, "copies_growth", copies->n * TWINS_GROWTH, copies->growth));
  for (PetscInt k = 0; k < copies->n; k++) {
    char name[16];
    PetscCall(PetscSNPrintf(name, sizeof(name), "copy%d", (int)k));
    PetscCall(CheckpointAddTokens(checkpoint, name, copies->system[k].tokens));
  }
  PetscFunctionReturn(0);
}

/* *dot <- sum_i <a_i, b_i>; padding is 0 in one of them. */
static PetscErrorCode Dot(const TokensLayout *layout, Vec va, Vec vb, PetscReal *dot) {
  const PetscInt length = layout->dim * layout->block;
  PetscInt64 total = 0;
  PetscReal most[2] = {0, 0};
  const double *a, *b;

  PetscFunctionBeginUser;
  *dot = 0;
  PetscCall(VecGetArrayRead(va, &a));
  PetscCall(VecGetArrayRead(vb, &b));
  for (PetscInt i = 0; i < layout->owned * length; i++) {
    most[0] = PetscMax(most[0], fabs(a[i]));
    most[1] = PetscMax(most[1], fabs(b[i]));
  }
  TrafficSum(2);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 2, MPIU_REAL, MPIU_MAX, layout->comm));
  const PetscReal bound = most[0] * most[1] * (PetscReal)layout->count * (PetscReal)layout->dim;
  const PetscReal scale = bound > 0 ? SumScale(bound) : 0;
  for (PetscInt k = 0; k < layout->owned && bound > 0; k++) {
    PetscReal part = 0;
    for (PetscInt i = k * length; i < (k + 1) * length; i++) part += a[i] * b[i];
    total += SumRound(part, scale);
  }
  PetscCall(VecRestoreArrayRead(vb, &b));
  PetscCall(VecRestoreArrayRead(va, &a));
  if (!(bound > 0)) PetscFunctionReturn(0);
  PetscCall(SumAllreduce(layout->comm, 1, &total));
  *dot = (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* y <- a x + b y, element by element. */
static PetscErrorCode Combine(Vec vy, PetscReal b, PetscReal a, Vec vx) {
  const double *x;
  double *y;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(VecGetLocalSize(vy, &n));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArray(vy, &y));
  for (PetscInt i = 0; i < n; i++) y[i] = a * x[i] + b * y[i];
  PetscCall(VecRestoreArray(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  PetscFunctionReturn(0);
}

/* e_k <- its part across e_0 .. e_{k-1}, with length 1; *length <- the length before. Twice is enough (Kahan, in
 * Parlett: The Symmetric Eigenvalue Problem, 1980). */
static PetscErrorCode Orthogonalize(Copies copies, PetscInt k, PetscReal *length) {
  PetscReal along, square;

  PetscFunctionBeginUser;
  for (PetscInt twice = 0; twice < 2; twice++)
    for (PetscInt i = 0; i < k; i++) {
      PetscCall(Dot(&copies->layout, copies->e[i], copies->e[k], &along));
      PetscCall(Combine(copies->e[k], 1, -along, copies->e[i]));
    }
  PetscCall(Dot(&copies->layout, copies->e[k], copies->e[k], &square));
  *length = sqrt(square);
  PetscCheck(*length > 0, copies->layout.comm, PETSC_ERR_FP,
             "two of the sync_exponents fell together within one step: take more layers_depth, or fewer of them");
  PetscCall(Combine(copies->e[k], 1 / *length, 0, copies->e[k]));
  PetscFunctionReturn(0);
}

/* Copy k to its place. */
static PetscErrorCode Displace(Copies copies, PetscInt k, Tokens tokens) {
  PetscFunctionBeginUser;
  PetscCall(TokensCopy(tokens, copies->system[k].tokens));
  PetscCall(TokensMove(copies->system[k].tokens, copies->distance, copies->e[k]));
  PetscFunctionReturn(0);
}

/* Random tangent directions, 0 on the padding. */
static PetscErrorCode DrawDirection(Copies copies, PetscInt k, PetscInt r, Tokens tokens) {
  const RngStream stream = {copies->seed, (uint32_t)r, (uint32_t)(k + 1), RNG_TWIN};
  const PetscInt d = copies->layout.dim, B = copies->layout.block;
  double *e;

  PetscFunctionBeginUser;
  PetscCall(VecGetArray(copies->e[k], &e));
  for (PetscInt b = 0; b < copies->layout.owned; b++) {
    const PetscInt filled = TokensFilled(&copies->layout, b);
    RngNormal(stream, (uint64_t)(copies->layout.first + b) * (uint64_t)(d * B), (size_t)(d * B), e + b * d * B);
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt t = filled; t < B; t++) e[(b * d + c) * B + t] = 0;
  }
  PetscCall(VecRestoreArray(copies->e[k], &e));
  PetscCall(TokensTangent(tokens, 1, copies->e[k], 0, NULL, copies->e[k]));
  PetscFunctionReturn(0);
}

PetscErrorCode CopiesStart(Copies copies, Tokens tokens, PetscInt r) {
  PetscReal length;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(copies->growth, copies->n * TWINS_GROWTH));
  for (PetscInt k = 0; k < copies->n; k++) {
    PetscCall(DrawDirection(copies, k, r, tokens));
    PetscCall(Orthogonalize(copies, k, &length));
    PetscCall(Displace(copies, k, tokens));
  }
  PetscFunctionReturn(0);
}

/* e_k <- copy k less the tokens. */
static PetscErrorCode Difference(Copies copies, PetscInt k, Tokens tokens) {
  Vec x, y;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetVec(copies->system[k].tokens, &y));
  PetscCall(VecCopy(y, copies->e[k]));
  PetscCall(Combine(copies->e[k], 1, -1, x));
  PetscFunctionReturn(0);
}

/* v <- P G at the tokens. */
static PetscErrorCode Tangent(Field field, Tokens tokens, Vec v) {
  PetscFunctionBeginUser;
  PetscCall(FieldEvaluate(field, tokens, v));
  PetscCall(TokensTangent(tokens, 1, v, 0, NULL, v));
  PetscFunctionReturn(0);
}

/* The share of the growth to come that is linear in the field: sqrt(dt) <e, P_y G(y) - P_x G(x)>/|e|^2. */
static PetscErrorCode Foresee(Copies copies, PetscInt k, Tokens tokens, Field field, PetscReal dt) {
  const PetscReal most = 2048;
  PetscReal along, square;

  PetscFunctionBeginUser;
  PetscCall(Difference(copies, k, tokens));
  PetscCall(Tangent(field, copies->system[k].tokens, copies->other));
  PetscCall(Combine(copies->other, 1, -1, copies->field));
  PetscCall(Dot(&copies->layout, copies->e[k], copies->other, &along));
  PetscCall(Dot(&copies->layout, copies->e[k], copies->e[k], &square));
  copies->growth[k * TWINS_GROWTH + TWINS_MARTINGALE] += PetscClipInterval(sqrt(dt) * along / square, -most, most);
  PetscFunctionReturn(0);
}

PetscErrorCode CopiesStep(Copies copies, Tokens tokens, PetscInt r, PetscInt l, Field field, PetscReal dt) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(FieldIsZero(field, &zero));
  if (!zero) PetscCall(Tangent(field, tokens, copies->field));
  for (PetscInt k = 0; k < copies->n; k++) {
    if (!zero) PetscCall(Foresee(copies, k, tokens, field, dt));
    PetscCall(SystemStep(&copies->system[k], r, l, field, dt));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CopiesRenormalize(Copies copies, Tokens tokens) {
  PetscReal length;

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < copies->n; k++) {
    PetscCall(Difference(copies, k, tokens));
    PetscCall(Orthogonalize(copies, k, &length));
    copies->growth[k * TWINS_GROWTH + TWINS_TOTAL] += log(length / copies->distance);
  }
  for (PetscInt k = 0; k < copies->n; k++) PetscCall(Displace(copies, k, tokens));
  PetscFunctionReturn(0);
}
