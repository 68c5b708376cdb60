/* What the tests of noises share: a law by its deck keys, points, and the covariance of many draws against a kernel. */
#ifndef CHORALE_NOISE_CASE_H
#define CHORALE_NOISE_CASE_H

#include <string.h>

#include <chorale/noise.h>

#include "expect.h"
#include "keys.h"
#include "place.h"

/* The keys of a law; degree < 0 leaves it to noise_tol. */
static inline void SetLaw(const char *type, const char *activation, double bias_u, double bias_w, int degree) {
  SetKey("noise_type", type);
  SetKey("mlp_activation", activation);
  SetKey("mlp_width", "24");
  SetReal("mlp_bias_u", bias_u);
  SetReal("mlp_bias_w", bias_w);
  SetInt("noise_degree", degree);
  SetKey("noise_tol", "1e-3");
  SetKey("ensemble_seed", "17");
}

static inline Noise MakeNoise(PetscInt d, const char *type, const char *activation, double bias_u, double bias_w,
                              int degree) {
  Noise noise;
  SetLaw(type, activation, bias_u, bias_w, degree);
  OK(NoiseFromKeys(d, &noise));
  return noise;
}

/* g[n][d] at tokens of one rank, from field. */
static inline void ValuesAt(Field field, Tokens tokens, Vec work, double *g) {
  TokensLayout layout;
  const double *array;
  OK(TokensGetLayout(tokens, &layout));
  OK(FieldEvaluate(field, tokens, work));
  OK(VecGetArrayRead(work, &array));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++)
      for (PetscInt c = 0; c < layout.dim; c++)
        g[(b * layout.block + t) * layout.dim + c] = array[(b * layout.dim + c) * layout.block + t];
  OK(VecRestoreArrayRead(work, &array));
}

/* Largest |entry| of a - b over all ranks; NaN counts as infinite. */
static inline double Difference(Vec a, Vec b) {
  PetscReal norm;
  Vec difference;
  OK(VecDuplicate(a, &difference));
  OK(VecWAXPY(difference, -1, b, a));
  OK(VecNorm(difference, NORM_INFINITY, &norm));
  OK(VecDestroy(&difference));
  return isnan(norm) ? INFINITY : norm;
}

static inline double Size(Vec a) {
  PetscReal norm;
  OK(VecNorm(a, NORM_INFINITY, &norm));
  return norm;
}

enum { CASE_POINTS = 8, CASE_CLOSE = 3 };

/* Points 0 and 1 coincide, 2 is their antipode, CASE_CLOSE is 1e-3 away from them, the others are uniform. */
static inline void CasePoints(PetscInt d, double points[]) {
  RandomPoints(2, CASE_POINTS, d, points);
  for (PetscInt c = 0; c < d; c++) {
    points[d + c] = points[c];
    points[2 * d + c] = -points[c];
    points[CASE_CLOSE * d + c] = points[c] + 1e-3 * points[CASE_CLOSE * d + c];
  }
}

static inline double Cosine(PetscInt d, const double *x, const double *y) {
  double xx = 0, yy = 0, xy = 0;
  for (PetscInt c = 0; c < d; c++) {
    xx += x[c] * x[c];
    yy += y[c] * y[c];
    xy += x[c] * y[c];
  }
  return fmax(-1, fmin(1, xy / sqrt(xx * yy)));
}

/* Running mean and mean square of a product of field values. */
typedef struct {
  double mean, square;
} Moment;

static inline void AddMoment(Moment *moment, double value, double samples) {
  moment->mean += value / samples;
  moment->square += value * value / samples;
}

static inline double StandardError(Moment moment, double samples) {
  return sqrt((moment.square - moment.mean * moment.mean) / samples);
}

/* E[G_a(x_i) G_b(x_j)] = exact[i][j] delta_ab over `draws` draws (each the sum of `terms` draws, over sqrt(terms))
 * within 4 standard errors, which are small enough to see 2 percent; and E[(G(x_0) - G(x_close))^2] likewise. The first
 * `split` points are evaluated in one call, the others in a second one. */
static inline void CheckCovariance(Noise noise, PetscInt d, const double *points, PetscInt split, PetscInt terms,
                                   PetscInt draws, double exact[CASE_POINTS][CASE_POINTS]) {
  enum { N = CASE_POINTS };
  Moment sum[2 * N * N + 1] = {{0, 0}}, total[2 * N * N + 1];
  Tokens first = TokensAt(PETSC_COMM_SELF, split, d, points), second = NULL;
  double g[N * 8];
  const double samples = (double)(draws * d);
  PetscMPIInt rank, size;
  Field field, part;
  Vec work[2];

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(NoiseCreateField(noise, &field));
  OK(NoiseCreateField(noise, &part));
  OK(TokensCreateVec(first, &work[0]));
  if (split < N) {
    second = TokensAt(PETSC_COMM_SELF, N - split, d, points + split * d);
    OK(TokensCreateVec(second, &work[1]));
  }
  for (PetscInt r = rank; r < draws; r += size) {
    OK(FieldZero(field));
    for (PetscInt l = 0; l < terms; l++) {
      OK(NoiseDraw(noise, r, l, part));
      OK(FieldAdd(field, 1 / sqrt((double)terms), part));
    }
    ValuesAt(field, first, work[0], g);
    if (second) ValuesAt(field, second, work[1], g + split * d);
    for (PetscInt c = 0; c < d; c++) {
      const double step = g[c] - g[CASE_CLOSE * d + c];
      for (PetscInt i = 0; i < N; i++)
        for (PetscInt j = 0; j < N; j++) {
          AddMoment(&sum[i * N + j], g[i * d + c] * g[j * d + c], samples);
          AddMoment(&sum[N * N + i * N + j], g[i * d + c] * g[j * d + (c + 1) % d], samples);
        }
      AddMoment(&sum[2 * N * N], step * step, samples);
    }
  }
  OK(MPI_Allreduce(sum, total, 2 * (2 * N * N + 1), MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  for (PetscInt i = 0; i < N; i++) {
    for (PetscInt j = 0; j < N; j++) {
      const Moment same = total[i * N + j], other = total[N * N + i * N + j];
      CLOSE(same.mean, exact[i][j], 4 * StandardError(same, samples));
      CLOSE(other.mean, 0, 4 * StandardError(other, samples));
    }
    assert_true(4 * StandardError(total[i * N + i], samples) < 0.02 * exact[i][i]);
  }
  {
    const double step = exact[0][0] + exact[CASE_CLOSE][CASE_CLOSE] - 2 * exact[0][CASE_CLOSE];
    CLOSE(total[2 * N * N].mean, step, 4 * StandardError(total[2 * N * N], samples));
    assert_true(4 * StandardError(total[2 * N * N], samples) < 0.03 * step);
  }
  for (int i = 0; i < (second ? 2 : 1); i++) OK(VecDestroy(&work[i]));
  OK(FieldDestroy(&part));
  OK(FieldDestroy(&field));
  if (second) OK(TokensDestroy(&second));
  OK(TokensDestroy(&first));
}

/* exact[i][j] = k(<x_i,x_j>) for the kernel of the noise's activation and biases, not of the noise. */
static inline void ExactKernel(const char *activation, PetscInt d, double bias_u, double bias_w, const double *points,
                               double exact[CASE_POINTS][CASE_POINTS]) {
  Kernel kernel;
  OK(KernelCreate(ActivationFind(activation), d, bias_u, bias_w, &kernel));
  for (PetscInt i = 0; i < CASE_POINTS; i++)
    for (PetscInt j = 0; j < CASE_POINTS; j++)
      OK(KernelEvaluate(kernel, i == j ? 1 : Cosine(d, points + i * d, points + j * d), &exact[i][j]));
  OK(KernelDestroy(&kernel));
}

#endif
