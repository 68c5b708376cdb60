/* Observables against plain loops over all pairs and a Jacobi eigenvalue solver, and in configurations whose values are
 * known. */
#include "keys.h"
#include "place.h"

#include <chorale/observables.h>
#include <math.h>
#include <string.h>

typedef void (*Rule)(PetscInt64 i, PetscInt64 N, PetscInt d, double *x);

/* A number in (-1,1) that depends on i and c alone. */
static double Random(PetscInt64 i, PetscInt c) {
  uint64_t z = (uint64_t)(i * 1031 + c + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return ((double)(z >> 11) + 0.5) * 0x1p-52 - 1;
}

static void Scattered(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  (void)N;
  for (PetscInt c = 0; c < d; c++) x[c] = Random(i, c);
}

/* Three groups of different sizes and widths. */
static void Grouped(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  const PetscInt64 g = i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2;
  (void)N;
  for (PetscInt c = 0; c < d; c++) x[c] = Random(-1 - g, c) + 0.05 * (double)(g + 1) * Random(i, c);
}

static void Coincident(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  (void)i, (void)N;
  for (PetscInt c = 0; c < d; c++) x[c] = Random(7, c);
}

static void Antipodal(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  (void)N;
  for (PetscInt c = 0; c < d; c++) x[c] = i % 2 ? -Random(7, c) : Random(7, c);
}

/* d + 1 points with equal cosines -1/d: the basis e_1 .. e_{d+1} of R^{d+1} less its mean, in coordinates of the mean's
 * complement. */
static void Simplex(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  (void)N;
  for (PetscInt c = 0; c < d; c++) {
    const double n = c + 1;
    x[c] = i <= c ? 1 / sqrt(n * (n + 1)) : i == c + 1 ? -sqrt(n / (n + 1)) : 0;
  }
}

/* Positions at 62 angles 0.1 apart less two, dealt out so that neighbours on the circle are always in different blocks
 * of 256: three chains, whose links (cos 0.1 > 0.99 > cos 0.2) all join different blocks. */
static void Chains(PetscInt64 i, PetscInt64 N, PetscInt d, double *x) {
  PetscInt64 place = i / 256 % 16 + 16 * (i % 4);
  (void)N;
  if (place == 20 || place == 41 || place > 61) place -= 16;
  memset(x, 0, (size_t)d * sizeof(*x));
  x[0] = cos(0.1 * (double)place);
  x[1] = sin(0.1 * (double)place);
}

static double Weight(PetscInt64 i) {
  return 1.5 + Random(i, 9999);
}

/* All positions as rows, normalised as TokensMove does, and weights. */
typedef struct {
  PetscInt64 N;
  PetscInt d;
  double *x, *w;
} Points;

static Points MakePoints(PetscInt64 N, PetscInt d, Rule rule, int weighted) {
  Points p = {N, d, malloc((size_t)(N * d) * sizeof(double)), malloc((size_t)N * sizeof(double))};
  double total = 0;

  for (PetscInt64 i = 0; i < N; i++) {
    double *x = p.x + i * d, norm = 0;
    rule(i, N, d, x);
    for (PetscInt c = 0; c < d; c++) norm += x[c] * x[c];
    for (PetscInt c = 0; c < d; c++) x[c] /= sqrt(norm);
    p.w[i] = weighted ? Weight(i) : 1;
    total += p.w[i];
  }
  for (PetscInt64 i = 0; i < N; i++) p.w[i] /= total;
  return p;
}

/* The same points as tokens of comm, and their observables. */
static void Observe(MPI_Comm comm, const Points *p, int weighted, double values[OBSERVE_VALUES]) {
  Tokens tokens = PlaceRows(comm, p->N, p->d, p->x, p->d, weighted ? p->w : NULL, 1);
  Attention attention;

  OK(AttentionFromKeys(tokens, &attention));
  OK(ObservablesEvaluate(tokens, attention, values));
  OK(AttentionDestroy(&attention));
  OK(TokensDestroy(&tokens));
}

static double Cosine(const Points *p, PetscInt64 i, PetscInt64 j) {
  double sum = 0;
  for (PetscInt c = 0; c < p->d; c++) sum += p->x[i * p->d + c] * p->x[j * p->d + c];
  return sum;
}

/* Largest eigenvalue by Jacobi rotations. */
static double JacobiTop(PetscInt n, double *a) {
  for (int sweep = 0; sweep < 30; sweep++)
    for (PetscInt p = 0; p < n; p++)
      for (PetscInt q = p + 1; q < n; q++) {
        if (fabs(a[p * n + q]) < 1e-17) continue; /* of a matrix of trace 1 */
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1),
                     s = t * c;
        for (PetscInt k = 0; k < n; k++) {
          const double kp = a[k * n + p], kq = a[k * n + q];
          a[k * n + p] = c * kp - s * kq;
          a[k * n + q] = s * kp + c * kq;
        }
        for (PetscInt k = 0; k < n; k++) {
          const double pk = a[p * n + k], qk = a[q * n + k];
          a[p * n + k] = c * pk - s * qk;
          a[q * n + k] = s * pk + c * qk;
        }
      }
  double top = a[0];
  for (PetscInt p = 1; p < n; p++) top = fmax(top, a[p * n + p]);
  return top;
}

static double PlainNematic(const Points *p) {
  const PetscInt d = p->d;
  double *a = calloc((size_t)(d * d), sizeof(double)), top;
  for (PetscInt64 i = 0; i < p->N; i++)
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt e = 0; e < d; e++) a[c * d + e] += p->w[i] * p->x[i * d + c] * p->x[i * d + e];
  top = JacobiTop(d, a);
  free(a);
  return top;
}

/* Components by a flood from every token not yet reached. */
static int PlainClusters(const Points *p) {
  const PetscInt64 n = PetscMin(p->N, 4096);
  PetscInt64 *stack = malloc((size_t)n * sizeof(*stack)), top;
  char *reached = calloc((size_t)n, 1);
  int clusters = 0;

  for (PetscInt64 s = 0; s < n; s++) {
    if (reached[s]) continue;
    clusters++;
    reached[s] = 1;
    for (stack[0] = s, top = 1; top;) {
      const PetscInt64 i = stack[--top];
      for (PetscInt64 j = 0; j < n; j++)
        if (!reached[j] && Cosine(p, i, j) > 0.99) {
          reached[j] = 1;
          stack[top++] = j;
        }
    }
  }
  free(stack);
  free(reached);
  return clusters;
}

/* Histogram of the pairs; doubtful[b] counts those whose bin rounding could decide. */
static void PlainHistogram(const Points *p, double share[64], double doubtful[64]) {
  const PetscInt64 n = PetscMin(p->N, 4096);
  for (int b = 0; b < 64; b++) share[b] = doubtful[b] = 0;
  for (PetscInt64 i = 0; i < n; i++)
    for (PetscInt64 j = i + 1; j < n; j++) {
      const double u = (Cosine(p, i, j) + 1) * 32, one = 2.0 / (double)(n * (n - 1));
      const int b = u < 0 ? 0 : u >= 64 ? 63 : (int)u;
      share[b] += one;
      if (u - b < 1e-12 && b > 0) doubtful[b] += one, doubtful[b - 1] += one;
      if (b + 1 - u < 1e-12 && b < 63) doubtful[b] += one, doubtful[b + 1] += one;
    }
}

static double At(const double *values, Observable o) {
  return values[ObservableFirst(o)];
}

/* What the observables should be, by plain loops of rank 0. */
typedef struct {
  double order, cosine, energy, nematic, clusters, share[64], doubtful[64];
} Plain;

static void PlainLoops(const Points *p, Plain *plain) {
  double mean = 0, same = 0, square = 0;

  memset(plain, 0, sizeof(*plain));
  for (PetscInt c = 0; c < p->d; c++) {
    double sum = 0;
    for (PetscInt64 i = 0; i < p->N; i++) sum += p->w[i] * p->x[i * p->d + c];
    square += sum * sum;
  }
  plain->order = sqrt(square);
  for (PetscInt64 i = 0; i < p->N; i++) {
    for (PetscInt64 j = 0; j < i; j++) {
      const double u = Cosine(p, i, j), w = 2 * p->w[i] * p->w[j];
      mean += w * u;
      plain->energy += 0.5 * w * (exp(1) - exp(u));
    }
    same += p->w[i] * p->w[i];
  }
  plain->cosine = p->N == 1 ? 1 : mean / (1 - same);
  plain->nematic = PlainNematic(p);
  plain->clusters = PlainClusters(p);
  PlainHistogram(p, plain->share, plain->doubtful);
}

static void Compare(PetscInt64 N, PetscInt d, Rule rule, int weighted) {
  Points p = MakePoints(N, d, rule, weighted);
  double values[OBSERVE_VALUES], alone[OBSERVE_VALUES], sum = 0;
  const double *histogram = values + ObservableFirst(OBSERVE_COSINE_HIST);
  PetscMPIInt rank;
  Plain plain;
  int equal, all;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  Observe(PETSC_COMM_WORLD, &p, weighted, values);
  if (!rank) {
    Observe(PETSC_COMM_SELF, &p, weighted, alone);
    PlainLoops(&p, &plain);
  }
  OK(MPI_Bcast(alone, OBSERVE_VALUES, MPI_DOUBLE, 0, PETSC_COMM_WORLD));
  OK(MPI_Bcast(&plain, sizeof(plain) / sizeof(double), MPI_DOUBLE, 0, PETSC_COMM_WORLD));
  equal = !memcmp(values, alone, sizeof(values));
  OK(MPI_Allreduce(&equal, &all, 1, MPI_INT, MPI_LAND, PETSC_COMM_WORLD));
  assert_true(all); /* the bits of one rank, on every rank */

  CLOSE(At(values, OBSERVE_ORDER), plain.order, 1e-12 + 1e-16 / sqrt(plain.order * plain.order + 1e-32));
  CLOSE(At(values, OBSERVE_COSINE_MEAN), plain.cosine, 1e-12);
  CLOSE(At(values, OBSERVE_ENERGY), plain.energy, 1e-12);
  CLOSE(At(values, OBSERVE_NEMATIC), plain.nematic, 1e-13);
  assert_int_equal((int)At(values, OBSERVE_CLUSTERS), (int)plain.clusters);
  for (int b = 0; b < 64; b++) {
    CLOSE(histogram[b], plain.share[b], plain.doubtful[b] + 1e-9);
    sum += histogram[b];
  }
  CLOSE(sum, N == 1 ? 0 : 1, 1e-14);
  free(p.x);
  free(p.w);
}

static void AgreesWithPlainLoops(void **state) {
  const PetscInt64 sizes[] = {1, 2, 9, 64, 300};
  const PetscInt dims[] = {2, 3, 7, 64};

  (void)state;
  for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++)
    for (size_t d = 0; d < sizeof(dims) / sizeof(dims[0]); d++)
      for (int weighted = 0; weighted <= 1; weighted++) {
        Compare(sizes[n], dims[d], Scattered, weighted);
        Compare(sizes[n], dims[d], Grouped, weighted);
      }
  Compare(300, 310, Scattered, 1); /* fewer tokens than dimensions, in two blocks */
}

static void AgreesBeyondTheSubset(void **state) {
  (void)state;
  Compare(5000, 3, Scattered, 1);
  Compare(5000, 2, Grouped, 0);
}

static void KnownConfigurations(void **state) {
  double values[OBSERVE_VALUES];
  Points p;

  (void)state;
  for (PetscInt64 N = 2; N <= 1000; N = N * 7 + 2) { /* 2, 16, 114, 800 */
    p = MakePoints(N, 5, Coincident, 0);
    Observe(PETSC_COMM_WORLD, &p, 0, values);
    CLOSE(At(values, OBSERVE_ORDER), 1, 1e-15);
    CLOSE(At(values, OBSERVE_COSINE_MEAN), 1, 1e-14);
    CLOSE(At(values, OBSERVE_NEMATIC), 1, 1e-15);
    CLOSE(At(values, OBSERVE_ENERGY), 0, 1e-14);
    assert_int_equal((int)At(values, OBSERVE_CLUSTERS), 1);
    CLOSE(values[ObservableFirst(OBSERVE_COSINE_HIST) + 63], 1, 0);
    free(p.x), free(p.w);

    p = MakePoints(N, 5, Antipodal, 0);
    Observe(PETSC_COMM_WORLD, &p, 0, values);
    CLOSE(At(values, OBSERVE_ORDER), 0, 1e-15);
    CLOSE(At(values, OBSERVE_COSINE_MEAN), -1.0 / (double)(N - 1), 1e-14);
    CLOSE(At(values, OBSERVE_NEMATIC), 1, 1e-15);
    assert_int_equal((int)At(values, OBSERVE_CLUSTERS), 2);
    CLOSE(values[ObservableFirst(OBSERVE_COSINE_HIST)], 0.5 * (double)N / (double)(N - 1), 1e-15);
    free(p.x), free(p.w);
  }
  for (PetscInt d = 3; d <= 300; d = 3 * d + 1) { /* 3, 10, 31, 94, 283: -1/d is inside a bin */
    p = MakePoints(d + 1, d, Simplex, 0);
    Observe(PETSC_COMM_WORLD, &p, 0, values);
    CLOSE(At(values, OBSERVE_ORDER), 0, 1e-15);
    CLOSE(At(values, OBSERVE_COSINE_MEAN), -1.0 / d, 1e-14);
    CLOSE(At(values, OBSERVE_NEMATIC), 1.0 / d, 1e-14);
    CLOSE(At(values, OBSERVE_ENERGY), 0.5 * d / (d + 1.0) * (exp(1) - exp(-1.0 / d)), 1e-13);
    assert_int_equal((int)At(values, OBSERVE_CLUSTERS), d + 1);
    CLOSE(values[ObservableFirst(OBSERVE_COSINE_HIST) + (int)((1 - 1.0 / d) * 32)], 1, 1e-15);
    free(p.x), free(p.w);
  }
}

static void ChainsAcrossBlocks(void **state) {
  double values[OBSERVE_VALUES];
  Points p = MakePoints(4500, 3, Chains, 0);

  (void)state;
  Observe(PETSC_COMM_WORLD, &p, 0, values);
  assert_int_equal((int)At(values, OBSERVE_CLUSTERS), 3);
  assert_int_equal(PlainClusters(&p), 3);
  free(p.x), free(p.w);
}

static void LayoutOfValues(void **state) {
  PetscInt end = 0;
  (void)state;
  for (int o = 0; o < OBSERVABLES; o++) {
    assert_int_equal(ObservableFirst((Observable)o), end);
    end += QuantitySize(ObservableGetQuantity((Observable)o));
  }
  assert_int_equal(end, OBSERVE_VALUES);
  assert_string_equal(ObservableGetQuantity(OBSERVE_NEMATIC)->name, "nematic");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(LayoutOfValues),        cmocka_unit_test(AgreesWithPlainLoops),
    cmocka_unit_test(AgreesBeyondTheSubset), cmocka_unit_test(KnownConfigurations),
    cmocka_unit_test(ChainsAcrossBlocks),
};
TEST_MAIN(tests)
