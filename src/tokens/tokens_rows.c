/* Vectors of the tokens' layout as rows [N][d] on every rank, for work on all tokens at once (matrices of pairs). */
#include <chorale/tokens.h>

PetscErrorCode TokensGather(Tokens tokens, Vec v, double *rows) {
  PetscMPIInt size, *counts, *offsets, n = 0;
  TokensLayout layout;
  const double *x;
  double *own;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  const PetscInt d = layout.dim, B = layout.block;
  PetscCallMPI(MPI_Comm_size(layout.comm, &size));
  PetscCall(PetscMalloc3(size, &counts, size + 1, &offsets, (size_t)layout.owned * (size_t)(B * d), &own));
  for (PetscMPIInt rank = 0; rank <= size; rank++) {
    const PetscInt64 start = (PetscInt64)TokensFirstBlock(layout.blocks, rank, size) * B;
    PetscCall(PetscMPIIntCast((PetscInt)PetscMin(start, layout.count) * d, &offsets[rank]));
  }
  for (PetscMPIInt rank = 0; rank < size; rank++) counts[rank] = offsets[rank + 1] - offsets[rank];
  PetscCall(VecGetArrayRead(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++)
      for (PetscInt c = 0; c < d; c++) own[n++] = x[(b * d + c) * B + t];
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCallMPI(MPI_Allgatherv(own, n, MPI_DOUBLE, rows, counts, offsets, MPI_DOUBLE, layout.comm));
  PetscCall(PetscFree3(counts, offsets, own));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensScatter(Tokens tokens, const double *rows, Vec v) {
  TokensLayout layout;
  double *x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  const PetscInt d = layout.dim, B = layout.block;
  PetscCall(VecSet(v, 0)); /* the padding */
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++)
      for (PetscInt c = 0; c < d; c++) x[(b * d + c) * B + t] = rows[((layout.first + b) * B + t) * d + c];
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}
