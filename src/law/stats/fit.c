#include <chorale/fit.h>

#include <math.h>
#include <petscblaslapack.h>

PetscInt FitMoments(PetscInt R, size_t stride, const PetscReal values[], PetscReal *mean, PetscReal *squares) {
  PetscReal sum = 0, square = 0;
  PetscInt n = 0;

  for (size_t r = 0; r < (size_t)R; r++) {
    if (PetscIsNanReal(values[r * stride])) continue;
    sum += values[r * stride];
    n++;
  }
  sum /= (PetscReal)n;
  for (size_t r = 0; r < (size_t)R; r++)
    if (!PetscIsNanReal(values[r * stride])) square += PetscSqr(values[r * stride] - sum);
  *mean = sum;
  *squares = square;
  return n;
}

PetscReal FitError(PetscInt n, PetscReal squares) {
  return n > 1 ? PetscSqrtReal(squares / ((PetscReal)(n - 1) * (PetscReal)n)) : NAN;
}

/* Not by FitMoments: these loops are compiled to other roundings, which files keep. */
void FitMean(PetscInt R, PetscInt n, const PetscReal samples[], PetscReal mean[], PetscReal sem[]) {
  for (PetscInt i = 0; i < n; i++) {
    PetscReal sum = 0, squares = 0;
    for (PetscInt r = 0; r < R; r++) sum += samples[(size_t)r * (size_t)n + (size_t)i];
    sum /= (PetscReal)R;
    for (PetscInt r = 0; r < R; r++) squares += PetscSqr(samples[(size_t)r * (size_t)n + (size_t)i] - sum);
    mean[i] = sum;
    if (sem) sem[i] = FitError(R, squares);
  }
}

PetscReal FitSlope(PetscInt n, const PetscReal x[], const PetscReal y[]) {
  PetscReal mean_x = 0, mean_y = 0, xx = 0, xy = 0;

  for (PetscInt i = 0; i < n; i++) {
    mean_x += PetscLogReal(x[i]) / (PetscReal)n;
    mean_y += PetscLogReal(y[i]) / (PetscReal)n;
  }
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal dx = PetscLogReal(x[i]) - mean_x;
    xx += dx * dx;
    xy += dx * (PetscLogReal(y[i]) - mean_y);
  }
  return xy / xx;
}

/* 1 - residual / total sum of squares about the weighted mean. */
static PetscReal Explained(PetscInt n, PetscInt p, const PetscReal a[], const PetscReal y[], const PetscReal weight[],
                           const PetscReal c[]) {
  PetscReal mean = 0, weights = 0, residual = 0, total = 0;

  for (PetscInt i = 0; i < n; i++) {
    const PetscReal w = weight ? weight[i] : 1;
    mean += w * y[i];
    weights += w;
  }
  mean /= weights;
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal w = weight ? weight[i] : 1;
    PetscReal fitted = 0;
    for (PetscInt j = 0; j < p; j++) fitted += c[j] * a[i * p + j];
    residual += w * PetscSqr(y[i] - fitted);
    total += w * PetscSqr(y[i] - mean);
  }
  return 1 - residual / total;
}

PetscErrorCode FitLinear(PetscInt n, PetscInt p, const PetscReal a[], const PetscReal y[], const PetscReal weight[],
                         PetscReal c[], PetscReal *r2) {
  PetscBLASInt rows, columns, one = 1, room, info;
  PetscReal *matrix, *right, *work;

  PetscFunctionBeginUser;
  PetscCheck(1 <= p && p <= n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "a fit of %" PetscInt_FMT " numbers to %" PetscInt_FMT " values", p, n);
  PetscCall(PetscBLASIntCast(n, &rows));
  PetscCall(PetscBLASIntCast(p, &columns));
  PetscCall(PetscBLASIntCast(64 * (n + p), &room));
  PetscCall(PetscMalloc3(n * p, &matrix, n, &right, room, &work));
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal root = weight ? PetscSqrtReal(weight[i]) : 1;
    for (PetscInt j = 0; j < p; j++) matrix[j * n + i] = root * a[i * p + j];
    right[i] = root * y[i];
  }
  LAPACKgels_("N", &rows, &columns, &one, matrix, &rows, right, &rows, work, &room, &info);
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "the columns of a fit are not independent (dgels: %d)", (int)info);
  PetscCall(PetscArraycpy(c, right, p));
  PetscCall(PetscFree3(matrix, right, work));
  if (r2) *r2 = Explained(n, p, a, y, weight, c);
  PetscFunctionReturn(0);
}
