/* What attention is at a few tokens: sums over all others one by one, which every rank makes of its own. */
#include "attention/mixture.h"

#include <chorale/sum.h>
#include <petscblaslapack.h>

#include "base/traffic.h"
#include "base/vmath.h"

VMATH(Exp, vexp(t))

/* |q| up to which e^{<q,y> - |q|} leaves a sum digits enough; beyond, the largest logit is looked for. */
#define SMALL 12
#define NEVER (-1e300)

typedef struct {
  double *bias;   /* [owned * B] log f, or NEVER where w f is 0 */
  double *logits; /* [B][block] */
  double *part;   /* [d + 1][block] weighted coordinates, and weights */
  PetscInt64 *fixed;
} Room;

/* Logits of the queries against own block x[d][B]. */
static PetscErrorCode Logits(PetscInt block, PetscInt B, PetscInt d, const double *q, const double *x,
                             const Room *room) {
  const double one = 1, zero = 0;
  PetscBLASInt S, b, n;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(block, &S));
  PetscCall(PetscBLASIntCast(B, &b));
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &S, &b, &n, &one, q, &S, x, &b, &zero, room->logits, &S));
  PetscFunctionReturn(0);
}

/* top[block], above or at the largest logit of a token of weight. */
static PetscErrorCode Tops(Attention attention, const double *x, PetscBool biased, PetscInt block, const double *q,
                           const Room *room, double *top) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  double most = 0;

  PetscFunctionBeginUser;
  for (PetscInt s = 0; s < block; s++) top[s] = 0;
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt s = 0; s < block; s++) top[s] += q[c * block + s] * q[c * block + s];
  }
  for (PetscInt s = 0; s < block; s++) {
    top[s] = sqrt(top[s]);
    most = PetscMax(most, top[s]);
  }
  if (most <= SMALL && !biased) PetscFunctionReturn(0);
  for (PetscInt s = 0; s < block; s++) top[s] = -PETSC_MAX_REAL;
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    PetscCall(Logits(block, B, d, q, x + b * d * B, room));
    for (PetscInt t = 0; t < B; t++) {
      const double bias = room->bias[b * B + t];
      for (PetscInt s = 0; s < block; s++) top[s] = PetscMax(top[s], room->logits[t * block + s] + bias);
    }
  }
  TrafficSum(block);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, top, block, MPI_DOUBLE, MPI_MAX, attention->layout.comm));
  PetscFunctionReturn(0);
}

/* Adds the sums over own block x[d][B]. */
static PetscErrorCode AddBlock(Attention attention, const double *x, const double *w, const double *bias,
                               PetscInt block, const double *q, const double *top, Room *room) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  const double one = 1, zero = 0;
  double *restrict all = room->part + d * block;
  PetscBLASInt S, b, n;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(block, &S));
  PetscCall(PetscBLASIntCast(B, &b));
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(Logits(block, B, d, q, x, room));
  for (PetscInt t = 0; t < B; t++) {
    double *restrict e = room->logits + t * block;
    const double more = bias[t];

    for (PetscInt s = 0; s < block; s++) e[s] += more - top[s];
  }
  Exp(block * B, room->logits, room->logits);
  for (PetscInt t = 0; t < B; t++) {
    double *restrict e = room->logits + t * block;

    for (PetscInt s = 0; s < block; s++) all[s] += e[s] *= w[t];
  }
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &S, &n, &b, &one, room->logits, &S, x, &b, &zero, room->part, &S));
  TileRound((size_t)block * (size_t)(d + 1), room->part, room->fixed);
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureDirect(Attention attention, Tokens tokens, const double *factors, PetscInt block, const double *q,
                             double *total, double *mean) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim, sums = block * (d + 1);
  const double *x, *weights;
  Vec positions;
  Room room;

  PetscFunctionBeginUser;
  PetscCall(PackAllocate((size_t)attention->layout.owned * (size_t)B, &room.bias));
  PetscCall(PackAllocate((size_t)block * (size_t)B, &room.logits));
  PetscCall(PackAllocate((size_t)sums, &room.part));
  PetscCall(PackAllocate((size_t)sums, &room.fixed));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt t = 0; t < attention->layout.owned * B; t++) {
    const double f = factors ? factors[t] : 1;
    room.bias[t] = weights[t] > 0 && f > 0 ? log(f) : NEVER;
  }
  PetscCall(Tops(attention, x, factors ? PETSC_TRUE : PETSC_FALSE, block, q, &room, total));
  for (PetscInt b = 0; b < attention->layout.owned; b++)
    PetscCall(AddBlock(attention, x + b * d * B, weights + b * B, room.bias + b * B, block, q, total, &room));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(AttentionReduce(attention, sums, room.fixed));
  for (PetscInt s = 0; s < block; s++) {
    const double all = (double)room.fixed[d * block + s];

    for (PetscInt c = 0; c < d; c++) mean[c * block + s] = (double)room.fixed[c * block + s] / all;
    total[s] += log(all / SumScale(1.0));
  }
  free(room.bias);
  free(room.logits);
  free(room.part);
  free(room.fixed);
  PetscFunctionReturn(0);
}
