/* Vectors of the tokens' layout as rows: of this rank's tokens [n][d], for files, or of all [N][d] on every rank, for
 * work on all tokens at once (matrices of pairs). */
#include <math.h>

#include <chorale/rng.h>
#include <chorale/tokens.h>

#include "base/plan.h"
#include "base/traffic.h"

void TokensOwnRows(const TokensLayout *layout, PetscInt64 *first, PetscInt64 *n) {
  *first = PetscMin(layout->count, (PetscInt64)layout->first * layout->block);
  *n = PetscMin(layout->count - *first, (PetscInt64)layout->owned * layout->block);
}

/* rows [n][d] of this rank from v, or v from them: its padding stays. */
static PetscErrorCode GetRows(const TokensLayout *l, Vec v, double *rows) {
  const double *x;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(v, &x));
  for (PetscInt b = 0; b < l->owned; b++)
    for (PetscInt t = 0; t < TokensFilled(l, b); t++)
      for (PetscInt c = 0; c < l->dim; c++) *rows++ = x[(b * l->dim + c) * l->block + t];
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscFunctionReturn(0);
}

static PetscErrorCode SetRows(const TokensLayout *l, const double *rows, Vec v) {
  double *x;

  PetscFunctionBeginUser;
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < l->owned; b++)
    for (PetscInt t = 0; t < TokensFilled(l, b); t++)
      for (PetscInt c = 0; c < l->dim; c++) x[(b * l->dim + c) * l->block + t] = *rows++;
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensGetRows(Tokens tokens, PetscInt64 *first, PetscInt64 *n, double *rows) {
  TokensLayout layout;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  TokensOwnRows(&layout, first, n);
  PetscCall(GetRows(&layout, x, rows));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensSetRows(Tokens tokens, const double *rows) {
  TokensLayout layout;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(SetRows(&layout, rows, x));
  PetscFunctionReturn(0);
}

/* All rows where other ranks are planned: theirs have random directions, since no two tokens are one, and the lengths
 * of those that are here. */
static void Pretend(const TokensLayout *l, const double *own, double *rows) {
  const PetscInt dim = l->dim;
  PetscInt64 first, n;

  TokensOwnRows(l, &first, &n);
  RngNormal((RngStream){.purpose = RNG_START}, 0, (size_t)l->count * (size_t)dim, rows);
  for (PetscInt64 i = 0; i < l->count; i++) {
    const double *like = own + i % n * dim;
    double *row = rows + i * dim, square = 0, drawn = 0;

    for (PetscInt c = 0; c < dim; c++) square += like[c] * like[c], drawn += row[c] * row[c];
    for (PetscInt c = 0; c < dim; c++) row[c] *= sqrt(square / drawn);
  }
  for (PetscInt64 i = 0; i < n * dim; i++) rows[first * dim + i] = own[i];
}

PetscErrorCode TokensGather(Tokens tokens, Vec v, double *rows) {
  PetscMPIInt rank, size, *counts, *offsets;
  TokensLayout l;
  PetscBool part;
  double *own;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  PetscCallMPI(MPI_Comm_rank(l.comm, &rank));
  PetscCallMPI(MPI_Comm_size(l.comm, &size));
  PetscCall(PetscMalloc3(size, &counts, size + 1, &offsets, (size_t)l.owned * (size_t)(l.block * l.dim), &own));
  for (PetscMPIInt r = 0; r <= size; r++) {
    const PetscInt64 start = (PetscInt64)TokensFirstBlock(l.blocks, r, size) * l.block;
    PetscCall(PetscMPIIntCast((PetscInt)PetscMin(start, l.count) * l.dim, &offsets[r]));
  }
  for (PetscMPIInt r = 0; r < size; r++) counts[r] = offsets[r + 1] - offsets[r];
  PetscCall(GetRows(&l, v, own));
  TrafficGather(l.count * l.dim);
  PetscCall(PlanIsPart(l.comm, &part));
  if (part)
    Pretend(&l, own, rows);
  else
    PetscCallMPI(MPI_Allgatherv(own, counts[rank], MPI_DOUBLE, rows, counts, offsets, MPI_DOUBLE, l.comm));
  PetscCall(PetscFree3(counts, offsets, own));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensScatter(Tokens tokens, const double *rows, Vec v) {
  TokensLayout layout;
  PetscInt64 first, n;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  TokensOwnRows(&layout, &first, &n);
  PetscCall(VecSet(v, 0)); /* the padding */
  PetscCall(SetRows(&layout, rows + first * layout.dim, v));
  PetscFunctionReturn(0);
}

/* How many of m evenly chosen tokens come before token t: of the i with i N/m < t. */
static PetscInt64 ChosenBefore(const TokensLayout *layout, PetscInt64 m, PetscInt64 t) {
  return (PetscMin(t, layout->count) * m + layout->count - 1) / layout->count;
}

PetscErrorCode TokensGatherSome(Tokens tokens, PetscInt64 m, PetscInt n, const double *values, double *rows) {
  PetscMPIInt rank, size, *counts, *offsets;
  PetscInt64 first, own, k = 0;
  TokensLayout l;
  double *chosen;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  PetscCallMPI(MPI_Comm_rank(l.comm, &rank));
  PetscCallMPI(MPI_Comm_size(l.comm, &size));
  PetscCall(PetscMalloc2(size, &counts, size + 1, &offsets));
  for (PetscMPIInt r = 0; r <= size; r++)
    offsets[r] = (PetscMPIInt)ChosenBefore(&l, m, (PetscInt64)TokensFirstBlock(l.blocks, r, size) * l.block) * n;
  for (PetscMPIInt r = 0; r < size; r++) counts[r] = offsets[r + 1] - offsets[r];
  TokensOwnRows(&l, &first, &own);
  PetscCall(PetscMalloc1(counts[rank], &chosen));
  for (PetscInt64 i = ChosenBefore(&l, m, first); i < ChosenBefore(&l, m, first + own); i++) {
    const PetscInt t = (PetscInt)(i * l.count / m - first);
    for (PetscInt c = 0; c < n; c++) chosen[k++] = values[(t / l.block * n + c) * l.block + t % l.block];
  }
  PetscCallMPI(MPI_Gatherv(chosen, counts[rank], MPI_DOUBLE, rows, counts, offsets, MPI_DOUBLE, 0, l.comm));
  PetscCall(PetscFree(chosen));
  PetscCall(PetscFree2(counts, offsets));
  PetscFunctionReturn(0);
}
