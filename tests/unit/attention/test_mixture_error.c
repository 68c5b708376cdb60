/* The error that a mixture of Gaussians reports from 256 tokens, against that at every tenth of 20000. */
#include "mixture_case.h"

#include <petscblaslapack.h>

#define TOKENS 20000
#define STRIDE 10 /* of the tokens at which the true error is measured */
#define PANEL  64 /* tokens whose pairs are made at once */

typedef struct {
  PetscInt d;
  Kind kind;
  double beta;
  PetscInt least; /* Gaussians that are asked for, by a tolerance */
  double tol;
} Case;

/* Att at n tokens by all pairs, in double: att[n][d]; pairs[n][TOKENS] is for work. */
static void Direct(const Cloud *cloud, double beta, PetscBLASInt n, const double *at, double *pairs, double *att) {
  const PetscBLASInt d = (PetscBLASInt)cloud->d, N = TOKENS;
  const double zero = 0, one = 1;

  BLASgemm_("T", "N", &N, &n, &d, &one, cloud->x, &d, at, &d, &zero, pairs, &N);
  for (PetscInt k = 0; k < n; k++) {
    double *row = pairs + (size_t)k * TOKENS, Z = 0;

    for (PetscInt j = 0; j < TOKENS; j++) Z += row[j] = exp(beta * (row[j] - 1));
    for (PetscInt j = 0; j < TOKENS; j++) row[j] /= Z;
  }
  BLASgemm_("N", "N", &d, &n, &N, &one, cloud->x, &d, pairs, &N, &zero, att, &d);
}

/* The rms of |Att - direct| at every STRIDE-th token, each on the rank that owns it. */
static double TrueError(const Cloud *cloud, Tokens tokens, Vec drift, double beta) {
  const PetscInt d = cloud->d;
  double *at = malloc(sizeof(double) * PANEL * d), *att = malloc(sizeof(double) * PANEL * d), total[2] = {0};
  double *pairs = malloc(sizeof(double) * PANEL * TOKENS);
  TokensLayout layout;
  const double *out;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(drift, &out));
  const PetscInt first = layout.first * layout.block, end = first + layout.owned * layout.block;
  for (PetscInt i = (first + STRIDE - 1) / STRIDE * STRIDE; i < PetscMin(end, TOKENS); i += PANEL * STRIDE) {
    const PetscInt n = PetscMin(PANEL, (PetscMin(end, TOKENS) - i + STRIDE - 1) / STRIDE);

    for (PetscInt k = 0; k < n; k++) memcpy(at + k * d, cloud->x + (i + k * STRIDE) * d, sizeof(double) * d);
    Direct(cloud, beta, (PetscBLASInt)n, at, pairs, att);
    for (PetscInt k = 0; k < n; k++) {
      const PetscInt own = i + k * STRIDE, b = own / layout.block - layout.first, t = own % layout.block;
      for (PetscInt c = 0; c < d; c++) total[0] += PetscSqr(out[(b * d + c) * layout.block + t] - att[k * d + c]);
    }
    total[1] += n;
  }
  OK(VecRestoreArrayRead(drift, &out));
  free(pairs), free(att), free(at);
  OK(MPI_Allreduce(MPI_IN_PLACE, total, 2, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  return sqrt(total[0] / total[1]);
}

/* Within 30% in every case; where tokens meet there is none but rounding. */
static void Reported(void **state) {
  static const Case cases[] = {
      {16, SPREAD, 0.5, 1, 1e9}, {16, SPREAD, 4, 1, 1e9},    {16, SPREAD, 20, 1, 1e9},    {16, CONE, 9, 1, 1e9},
      {16, FIVE, 4, 1, 1e9},     {16, FIVE, 4, 5, 1e-3},     {16, DUPLICATES, 4, 1, 1e9}, {16, OUTLIER, 2, 1, 1e9},
      {64, SPREAD, 1, 1, 1e9},   {64, SPREAD, 4, 1, 1e9},    {64, SPREAD, 9, 1, 1e9},     {64, CONE, 4, 1, 1e9},
      {64, CONE, 20, 1, 1e9},    {64, FIVE, 1, 1, 1e9},      {64, FIVE, 1, 5, 1e-5},      {64, FIVE, 4, 5, 1e-3},
      {32, FIVE, 9, 5, 1e-2},    {32, TWENTY, 9, 20, 1e-2},  {64, TWENTY, 4, 20, 1e-3},   {64, DUPLICATES, 1, 1, 1e9},
      {64, OPPOSITE, 1, 1, 1e9}, {64, OPPOSITE, 4, 2, 1e-3}, {64, OUTLIER, 4, 1, 1e9},    {64, EQUAL, 4, 1, 1e9},
      {256, SPREAD, 4, 1, 1e9},  {256, FIVE, 1, 5, 1e-5},    {256, OPPOSITE, 9, 2, 1e-3}, {256, DUPLICATES, 9, 1, 1e9},
      {512, CONE, 2, 1, 1e9},    {512, SPREAD, 20, 1, 1e9},  {32, OUTLIER, 9, 1, 1e9},    {128, CONE, 0.5, 1, 1e9}};
  (void)state;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(cases); i++) {
    Cloud cloud = CloudOf(cases[i].kind, TOKENS, cases[i].d);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    AttentionError error;
    Attention attention;
    double exact;
    Vec drift;

    SetKeys("softmax", cases[i].beta, 1);
    attention = Mixed(tokens, cases[i].tol);
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionEvaluate(attention, tokens, drift));
    OK(AttentionGetError(attention, tokens, &error));
    exact = TrueError(&cloud, tokens, drift, cases[i].beta);
    OK(PetscPrintf(PETSC_COMM_WORLD,
                   "d %3d, kind %d, beta %4g, k %2d: |Att| %.3g, error %.3g, reported %.3g, largest %.3g\n",
                   (int)cases[i].d, (int)cases[i].kind, cases[i].beta, (int)Clusters(attention), error.size, exact,
                   error.rms, error.largest));
    assert_true(Clusters(attention) >= cases[i].least && error.rms <= error.largest);
    if (cases[i].kind == EQUAL)
      CLOSE(error.largest, 0, 1e-13);
    else
      CLOSE(error.rms / exact, 1, 0.3);
    OK(VecDestroy(&drift));
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Reported)};
TEST_MAIN(tests)
