#include "law/stats/misfit.h"

#include <math.h>
#include <petscblaslapack.h>

#include "law/stats/interval.h"

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), x < (a + 1)/(a + b + 2), by Lentz' rule. */
static PetscReal BetaFraction(PetscReal x, PetscReal a, PetscReal b) {
  PetscReal c = 1, d = 1 / (1 - (a + b) * x / (a + 1)), value = d;

  for (PetscReal j = 1; j < 10000; j++) {
    const PetscReal even = j * (b - j) * x / ((a + 2 * j - 1) * (a + 2 * j));
    const PetscReal odd = -(a + j) * (a + b + j) * x / ((a + 2 * j) * (a + 2 * j + 1));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    value *= c * d;
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    value *= c * d;
    if (fabs(c * d - 1) < PETSC_MACHINE_EPSILON) break;
  }
  return value;
}

/* I_x(a, b), 0 < x < 1. */
static PetscReal Beta(PetscReal x, PetscReal a, PetscReal b) {
  const PetscReal power = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b));

  if (x < (a + 1) / (a + b + 2)) return power * BetaFraction(x, a, b) / a;
  return 1 - power * BetaFraction(1 - x, b, a) / b;
}

PetscReal MisfitChance(PetscReal f, PetscInt m, PetscInt n) {
  const PetscReal over = (PetscReal)m * f / (PetscReal)n;

  return over > 0 ? Beta(1 / (1 + over), 0.5 * (PetscReal)n, 0.5 * (PetscReal)m) : 1;
}

/* basis[n][n], column-major: its last n - p columns are orthonormal, and orthogonal to the columns of a[n][p]. */
static PetscErrorCode Complement(PetscInt n, PetscInt p, const PetscReal a[], PetscReal basis[]) {
  PetscBLASInt rows, columns, room, info;
  PetscReal *factors, *work;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(n, &rows));
  PetscCall(PetscBLASIntCast(p, &columns));
  PetscCall(PetscBLASIntCast(64 * n, &room));
  PetscCall(PetscMalloc2(p, &factors, 64 * n, &work));
  PetscCall(PetscArrayzero(basis, n * n));
  for (PetscInt i = 0; i < n; i++)
    for (PetscInt j = 0; j < p; j++) basis[j * n + i] = a[i * p + j];
  PetscCallBLAS("LAPACKgeqrf", LAPACKgeqrf_(&rows, &columns, basis, &rows, factors, work, &room, &info));
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK dgeqrf failed with info = %d", (int)info);
  PetscCallBLAS("LAPACKorgqr", LAPACKorgqr_(&rows, &rows, &columns, basis, &rows, factors, work, &room, &info));
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK dorgqr failed with info = %d", (int)info);
  PetscCall(PetscFree2(factors, work));
  PetscFunctionReturn(0);
}

/* R m^T C^{-1} m of the mean m and the covariance C of values[R][q]; NaN when C is singular. */
static PetscErrorCode Hotelling(PetscInt R, PetscInt q, PetscReal values[], PetscReal *square) {
  const PetscScalar scale = 1 / (PetscReal)(R - 1), zero = 0;
  const PetscBLASInt one = 1;
  PetscReal *mean, *solved, *covariance;
  PetscBLASInt order, rows, info;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(q, &order));
  PetscCall(PetscBLASIntCast(R, &rows));
  PetscCall(PetscMalloc3(q, &mean, q, &solved, q * q, &covariance));
  FitMean(R, q, values, mean, NULL);
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt i = 0; i < q; i++) values[r * q + i] -= mean[i];
  PetscCallBLAS("BLASsyrk", BLASsyrk_("L", "N", &order, &rows, &scale, values, &order, &zero, covariance, &order));
  PetscCall(PetscArraycpy(solved, mean, q));
  PetscCallBLAS("LAPACKpotrf", LAPACKpotrf_("L", &order, covariance, &order, &info));
  *square = info ? NAN : 0;
  if (!info) PetscCallBLAS("LAPACKpotrs", LAPACKpotrs_("L", &order, &one, covariance, &order, solved, &order, &info));
  for (PetscInt i = 0; i < q; i++) *square += (PetscReal)R * mean[i] * solved[i];
  PetscCall(PetscFree3(mean, solved, covariance));
  PetscFunctionReturn(0);
}

PetscErrorCode MisfitMeasure(PetscInt R, PetscInt n, const PetscReal samples[], PetscInt p, const PetscReal a[],
                             Misfit *misfit) {
  const PetscInt q = n - p;
  PetscReal *mean, *law, *basis, *values, square = NAN;

  PetscFunctionBeginUser;
  *misfit = (Misfit){NAN, NAN};
  if (q < 1 || R < q + INTERVAL_LEAST) PetscFunctionReturn(0);
  PetscCall(PetscMalloc4(n, &mean, n * p, &law, n * n, &basis, R * q, &values));
  FitMean(R, n, samples, mean, NULL);
  for (PetscInt i = 0; i < n; i++) /* relative to the means, which may range over decades */
    for (PetscInt j = 0; j < p; j++) law[i * p + j] = a[i * p + j] / mean[i];
  PetscCall(Complement(n, p, law, basis));
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt k = 0; k < q; k++) {
      values[r * q + k] = 0;
      for (PetscInt i = 0; i < n; i++) values[r * q + k] += basis[(p + k) * n + i] * samples[r * n + i] / mean[i];
    }
  PetscCall(Hotelling(R, q, values, &square));
  misfit->misfit = square * (PetscReal)(R - q) / ((PetscReal)q * (PetscReal)(R - 1));
  if (!isnan(square)) misfit->chance = MisfitChance(misfit->misfit, q, R - q);
  PetscCall(PetscFree4(mean, law, basis, values));
  PetscFunctionReturn(0);
}

PetscBool MisfitRefused(Misfit misfit) {
  return misfit.chance < MISFIT_CHANCE ? PETSC_TRUE : PETSC_FALSE;
}
