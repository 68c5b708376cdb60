/* Attention with the Sinkhorn kernel on both engines: against a dense scaling in long double. */
#include "attention_oracle.h"
#include "keys.h"

#include "expect.h"

#include "attention/impl.h"

static const char *const engines[] = {"direct", "moments"};

/* e^{beta (<x_i,x_j> - 1)}, [N][N]. */
static long double *Matrix(const Cloud *cloud, double beta) {
  long double *kernel = malloc(sizeof(*kernel) * cloud->N * cloud->N);

  for (PetscInt i = 0; i < cloud->N; i++)
    for (PetscInt j = 0; j < cloud->N; j++) kernel[i * cloud->N + j] = expl(beta * (CloudCosine(cloud, i, j) - 1));
  return kernel;
}

static long double Row(const Cloud *cloud, const long double *kernel, const long double *a, PetscInt i) {
  long double sum = 0;

  for (PetscInt j = 0; j < cloud->N; j++) sum += cloud->w[j] * kernel[i * cloud->N + j] * a[j];
  return sum;
}

/* a <- sqrt(a / K a), which halves the error at least, until it is long double's; v a_i sum_j w_j K_ij a_j x_j. */
static double *Oracle(const Cloud *cloud, double beta, double value) {
  const PetscInt N = cloud->N, d = cloud->d;
  long double *kernel = Matrix(cloud, beta), *a = malloc(sizeof(*a) * N), *next = malloc(sizeof(*next) * N);
  double *field = calloc((size_t)N * d, sizeof(double));

  for (PetscInt i = 0; i < N; i++) a[i] = 1;
  for (int iteration = 0; iteration < 80; iteration++) {
    for (PetscInt i = 0; i < N; i++) next[i] = sqrtl(a[i] / Row(cloud, kernel, a, i));
    memcpy(a, next, sizeof(*a) * N);
  }
  for (PetscInt i = 0; i < N; i++) {
    for (PetscInt c = 0; c < d; c++) {
      long double sum = 0;
      for (PetscInt j = 0; j < N; j++) sum += cloud->w[j] * kernel[i * N + j] * a[j] * cloud->x[j * d + c];
      field[i * d + c] = (double)(value * a[i] * sum);
    }
  }
  free(kernel);
  free(a);
  free(next);
  return field;
}

/* Largest difference between drift and field[N][d] over all tokens, on all ranks. */
static double Off(const Cloud *cloud, Tokens tokens, Vec drift, const double *field) {
  TokensLayout layout;
  const double *out;
  double worst = 0;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(drift, &out));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < layout.block; t++) {
      const PetscInt i = (layout.first + b) * layout.block + t;
      for (PetscInt c = 0; c < cloud->d; c++) {
        const double expected = i < cloud->N ? field[i * cloud->d + c] : 0;
        const double off = fabs(out[(b * cloud->d + c) * layout.block + t] - expected);
        if (!(off <= worst)) worst = off;
      }
    }
  }
  OK(VecRestoreArrayRead(drift, &out));
  if (isnan(worst)) worst = INFINITY;
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* Is the matrix w_j a_i K_ij a_j stochastic, and so, being symmetric in mu, bistochastic? Factors are a up to a
 * constant.
 */
static void CheckScaling(const Cloud *cloud, Attention attention, Tokens alone, double beta, double tol) {
  const PetscInt N = cloud->N;
  long double *kernel = Matrix(cloud, beta), *a = calloc(N, sizeof(*a)), least = INFINITY, most = 0;
  double *factors = calloc((size_t)N + 256, sizeof(*factors));

  OK(AttentionSinkhorn(attention, alone, factors));
  for (PetscInt i = 0; i < N; i++) a[i] = factors[i];
  for (PetscInt i = 0; i < N; i++) {
    const long double row = a[i] * Row(cloud, kernel, a, i);
    if (cloud->w[i] <= 0) continue;
    least = fminl(least, row);
    most = fmaxl(most, row);
  }
  CLOSE((double)(most / least), 1, 2 * tol);
  free(kernel);
  free(a);
  free(factors);
}

static void CheckSinkhorn(PetscInt N, PetscInt d, Shape shape, PetscBool weighted, double beta, double value) {
  Cloud cloud = CloudCreate(N, d, shape, weighted);
  Tokens alone = Place(PETSC_COMM_SELF, &cloud), tokens = Place(PETSC_COMM_WORLD, &cloud);
  double *field = Oracle(&cloud, beta, value);
  Vec drift, drift_alone;

  OK(TokensCreateVec(tokens, &drift));
  OK(TokensCreateVec(alone, &drift_alone));
  for (int e = 0; e < 2; e++) {
    Attention attention;
    double energy;

    SetKeys("sinkhorn", beta, value);
    SetKey("attention_engine", engines[e]);
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEvaluate(attention, tokens, drift));
    CLOSE(Off(&cloud, tokens, drift, field), 0, e ? 1e-10 : 1e-11);
    OK(AttentionEnergy(attention, tokens, &energy)); /* of the plain kernel */
    CLOSE(energy / exp(beta), Energy(&cloud, beta), 1e-12);
    OK(AttentionEvaluate(attention, tokens, drift)); /* not disturbed by the energy */
    OK(AttentionDestroy(&attention));

    OK(AttentionFromKeys(alone, &attention));
    OK(AttentionEvaluate(attention, alone, drift_alone));
    CheckSameBits(tokens, drift, drift_alone);
    CheckScaling(&cloud, attention, alone, beta, e ? 1e-10 : 2e-12);
    OK(AttentionDestroy(&attention));
  }
  OK(VecDestroy(&drift));
  OK(VecDestroy(&drift_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
  CloudDestroy(&cloud);
  free(field);
}

static void Scalings(void **state) {
  (void)state;
  CheckSinkhorn(1, 2, UNIFORM, PETSC_FALSE, 1, 1);
  CheckSinkhorn(257, 3, UNIFORM, PETSC_FALSE, 0.01, 1);
  for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) {
    CheckSinkhorn(270, 2, shape, PETSC_FALSE, 1, 1);
    CheckSinkhorn(270, 3, shape, PETSC_TRUE, 3, -0.7);
    CheckSinkhorn(40, 3, shape, PETSC_FALSE, 30, 1);
    CheckSinkhorn(30, 4, shape, PETSC_TRUE, 5, 2);
  }
}

/* Tokens far apart at the resolution of the kernel: the slowest convergence. */
static void LargeBeta(void **state) {
  (void)state;
  CheckSinkhorn(60, 2, UNIFORM, PETSC_FALSE, 300, 1);
  CheckSinkhorn(60, 3, UNIFORM, PETSC_FALSE, 150, 1);
}

/* For the uniform law a is constant and there is no tangential drift. */
static void Equidistribution(void **state) {
  Cloud cloud = Polygon(320);
  (void)state;

  for (int e = 0; e < 2; e++) {
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    double *radial = malloc(sizeof(double) * 2 * cloud.N), mean = 0, total = 0;
    Attention attention;
    Vec drift;

    /* By symmetry the field is x times the kernel's mean cosine. */
    for (PetscInt j = 0; j < cloud.N; j++) {
      const double u = cos(2 * M_PI * j / cloud.N);
      mean += u * exp(4 * (u - 1));
      total += exp(4 * (u - 1));
    }
    for (PetscInt i = 0; i < 2 * cloud.N; i++) radial[i] = mean / total * cloud.x[i];
    SetKeys("sinkhorn", 4, 1);
    SetKey("attention_engine", engines[e]);
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEvaluate(attention, tokens, drift));
    CLOSE(Off(&cloud, tokens, drift, radial), 0, 1e-11);
    OK(AttentionDestroy(&attention));
    OK(VecDestroy(&drift));
    OK(TokensDestroy(&tokens));
    free(radial);
  }
  CloudDestroy(&cloud);
}

static void Failures(void **state) {
  Cloud cloud = CloudCreate(100, 3, UNIFORM, PETSC_FALSE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  Attention attention;
  Vec drift;
  (void)state;

  OK(TokensCreateVec(tokens, &drift));
  SetKeys("sinkhorn", 5, 1);
  SetKey("attention_sinkhorn_iterations", "3");
  OK(AttentionFromKeys(tokens, &attention));
  FAILS(AttentionEvaluate(attention, tokens, drift), PETSC_ERR_NOT_CONVERGED, "attention_sinkhorn_iterations = 3");
  OK(AttentionDestroy(&attention));
  SetKey("attention_sinkhorn_tol", "0.1"); /* which three iterations reach */
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionDestroy(&attention));
  SetKey("attention_sinkhorn_iterations", NULL);
  SetKey("attention_sinkhorn_tol", NULL);
  SetKey("attention_mask", "causal");
  REFUSED(AttentionFromKeys(tokens, &attention), "attention_mask = causal");
  SetKey("attention_mask", NULL);
  OK(VecDestroy(&drift));
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Scalings),
    cmocka_unit_test(LargeBeta),
    cmocka_unit_test(Equidistribution),
    cmocka_unit_test(Failures),
};
TEST_MAIN(tests)
