/* Fits of measured errors: slopes and rates of the studies limits, chaos and sync.
 * Pure functions, no MPI: every rank computes the same numbers from the same samples. */
#ifndef CHORALE_FIT_H
#define CHORALE_FIT_H

#include <petscsys.h>

/* A number with its 95% interval over realizations (src/law/stats/interval.h). */
typedef struct {
  PetscReal value, low, high;
} FitValue;

/* Computes k numbers from the n means over realizations; context is the caller's. Must not fail on positive means. */
typedef PetscErrorCode (*FitStatistic)(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]);

/* Least-squares slope of log y against log x, n >= 2, x and y > 0. */
PetscReal FitSlope(PetscInt n, const PetscReal x[], const PetscReal y[]);
/* Least squares y ~ sum_j c_j a[i][j] with p <= n columns of full rank, each row weighted by weight[i] (NULL: all 1),
 * by QR. *r2 (may be NULL): 1 - residual/total sum of squares, weighted, about the weighted mean. */
PetscErrorCode FitLinear(PetscInt n, PetscInt p, const PetscReal a[], const PetscReal y[], const PetscReal weight[],
                         PetscReal c[], PetscReal *r2);

/* Over those of the R values, `stride` apart, that are not NaN, in their order: *mean (NaN for none) and the sum of
 * squares about it. Returns how many they are. */
PetscInt FitMoments(PetscInt R, size_t stride, const PetscReal values[], PetscReal *mean, PetscReal *squares);
/* Standard error of the mean of n values with this sum of squares; NaN for n = 1. */
PetscReal FitError(PetscInt n, PetscReal squares);
/* Mean over the R rows of samples[R][n], summed in row order, and its standard error (NaN for R = 1); NaN where a
 * value is; sem may be NULL. */
void FitMean(PetscInt R, PetscInt n, const PetscReal samples[], PetscReal mean[], PetscReal sem[]);

#endif
