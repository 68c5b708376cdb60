/* Distances between measures: against brute force, closed forms, each other, and the same bits on one rank and on all.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <chorale/distance.h>

#include "expect.h"
#include "place.h"

/* Rows [N][d + 1] of components and weights, the same on every rank. */
typedef struct {
  PetscInt N, d;
  double *rows;
} Measure;

static double *Row(Measure m, PetscInt i) {
  return m.rows + (size_t)i * (m.d + 1);
}

static void Normalise(Measure m) {
  for (PetscInt i = 0; i < m.N; i++) {
    double square = 0;
    for (PetscInt c = 0; c < m.d; c++) square += Row(m, i)[c] * Row(m, i)[c];
    for (PetscInt c = 0; c < m.d; c++) Row(m, i)[c] /= sqrt(square);
  }
}

/* N tokens drawn towards e_1; weights all 1, or between 1 and 2. */
static Measure Draw(PetscInt N, PetscInt d, uint32_t which, double towards, PetscBool weighted) {
  Measure m = {N, d, malloc(sizeof(double) * N * (d + 1))};

  RngNormal((RngStream){.seed = 5, .step = which, .purpose = RNG_TEST}, 0, (size_t)N * (d + 1), m.rows);
  for (PetscInt i = 0; i < N; i++) {
    Row(m, i)[0] += towards;
    Row(m, i)[d] = weighted ? 1 + 1 / (1 + fabs(Row(m, i)[d])) : 1;
  }
  Normalise(m);
  return m;
}

/* A measure moved by steps of about `size`, in another order: token i is moved to the place of (7 i + 3) mod N. */
static Measure Moved(Measure m, double size) {
  Measure moved = Draw(m.N, m.d, 77, 0, PETSC_FALSE);

  for (PetscInt i = 0; i < m.N; i++) {
    double *to = Row(moved, (7 * i + 3) % m.N);
    for (PetscInt c = 0; c < m.d; c++) to[c] = Row(m, i)[c] + size * to[c];
    to[m.d] = Row(m, i)[m.d];
  }
  if (size > 0) Normalise(moved);
  return moved;
}

/* Tokens at the given angles. */
static Measure Angles(PetscInt N, const double *angles) {
  Measure m = Draw(N, 2, 0, 0, PETSC_FALSE);

  for (PetscInt i = 0; i < N; i++) {
    Row(m, i)[0] = cos(angles[i]);
    Row(m, i)[1] = sin(angles[i]);
  }
  return m;
}

static Tokens ToTokens(MPI_Comm comm, Measure m) {
  return PlaceRows(comm, m.N, m.d, m.rows, m.d + 1, m.rows + m.d, m.d + 1);
}

typedef enum { GEODESIC, CHORDAL, CIRCLE, AUCTION, SLICED, MMD, KINDS } Kind;
static const double tol = 1e-12 /* of the auction */, beta = 2;

static double DistanceOn(MPI_Comm comm, Kind kind, Measure a, Measure b) {
  Tokens mu = ToTokens(comm, a), nu = ToTokens(comm, b);
  double values[2] = {NAN, NAN};

  switch (kind) {
  case GEODESIC:
  case CHORDAL:
    OK(DistanceCircle(mu, nu, &values[0], &values[1]));
    break;
  case CIRCLE:
    OK(DistanceCircleTransport(mu, nu, &values[1], &values[0]));
    break;
  case AUCTION: {
    double low;
    OK(DistanceAuction(mu, nu, tol, &low, values));
    assert_true(0 <= low && low <= values[0] && values[0] - low <= tol * values[0] + 1e-14);
    break;
  }
  case SLICED:
    OK(DistanceSliced(mu, nu, 2 * a.d, values));
    break;
  default:
    OK(DistanceMMD(mu, nu, beta, values));
  }
  OK(TokensDestroy(&mu));
  OK(TokensDestroy(&nu));
  return values[kind == CHORDAL];
}

static double Distance(Kind kind, Measure a, Measure b) {
  return DistanceOn(PETSC_COMM_WORLD, kind, a, b);
}

/* On the circle, N equal weights: the best plan joins the sorted tokens up to a cyclic shift. */
static int Ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double *Sorted(Measure m, PetscInt copies) {
  double *angles = malloc(sizeof(double) * m.N * copies);

  for (PetscInt i = 0; i < m.N * copies; i++) angles[i] = atan2(Row(m, i / copies)[1], Row(m, i / copies)[0]);
  qsort(angles, (size_t)(m.N * copies), sizeof(double), Ascending);
  return angles;
}

/* N against a multiple of it. */
static double Shifts(Measure a, Measure b) {
  double *x = Sorted(a, b.N / a.N), *y = Sorted(b, 1), best = INFINITY;

  for (PetscInt shift = 0; shift < b.N; shift++) {
    double sum = 0;
    for (PetscInt i = 0; i < b.N; i++) {
      const double gap = fabs(x[i] - y[(i + shift) % b.N]), way = fmin(gap, 2 * PETSC_PI - gap);
      sum += way * way;
    }
    best = fmin(best, sum / b.N);
  }
  free(x);
  free(y);
  return best;
}

static void test_circle_shifts(void **state) {
  static const struct {
    PetscInt N, M;
    double towards[2];
  } cases[] = {{1, 1, {0, 0}},    {2, 2, {0, 0}},     {1, 9, {0, 0}},     {50, 50, {0, 0}},
               {37, 111, {1, 0}}, {300, 300, {0, 5}}, {500, 1000, {0, 0}}};

  (void)state;
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
    Measure a = Draw(cases[k].N, 2, 1, cases[k].towards[0], PETSC_FALSE);
    Measure b = Draw(cases[k].M, 2, 2, cases[k].towards[1], PETSC_FALSE);
    const double geodesic = Distance(GEODESIC, a, b);

    CLOSE(geodesic, Shifts(a, b), 1e-14);
    CLOSE(Distance(GEODESIC, b, a), geodesic, 1e-15);
    assert_true(Distance(CHORDAL, a, b) <= geodesic);
    free(a.rows);
    free(b.rows);
  }
}

/* A regular polygon and the same turned; single tokens; the cut of atan2. */
static void test_circle_exact(void **state) {
  enum { N = 600 };
  double angles[2][N];
  const double turn = 3e-3; /* less than half of the way between tokens */
  Measure a, b;

  (void)state;
  for (PetscInt i = 0; i < N; i++) {
    angles[0][i] = 2 * PETSC_PI * ((i * 7) % N) / N;
    angles[1][i] = 2 * PETSC_PI * ((i * 11) % N) / N + turn;
  }
  a = Angles(N, angles[0]);
  b = Angles(N, angles[1]);
  CLOSE(Distance(GEODESIC, a, b), turn * turn, 2e-15 * turn);
  CLOSE(Distance(CHORDAL, a, b), 4 * sin(turn / 2) * sin(turn / 2), 2e-15 * turn);
  free(a.rows);
  free(b.rows);
  a = Angles(1, &(double){3.1});
  b = Angles(1, &(double){-3.1});
  CLOSE(Distance(GEODESIC, a, b), pow(2 * PETSC_PI - 6.2, 2), 1e-15);
  Row(a, 0)[0] = Row(b, 0)[0] = -1;
  Row(a, 0)[1] = 0.0;
  Row(b, 0)[1] = -0.0;
  assert_true(Distance(GEODESIC, a, b) == 0);
  Row(b, 0)[0] = 1;
  CLOSE(Distance(GEODESIC, a, b), PETSC_PI * PETSC_PI, 1e-14);
  CLOSE(Distance(CHORDAL, a, b), 4, 1e-15);
  free(a.rows);
  free(b.rows);
}

/* Many tokens at few places, as after synchronization: masses 1/4, 3/4 at 0 and 1 against 1/2, 1/2. Half of the tokens
 * have no weight and are elsewhere. */
static void test_circle_ties(void **state) {
  enum { N = 4096 };
  double angles[2][N];
  Measure a, b;

  (void)state;
  for (PetscInt i = 0; i < N; i++) {
    angles[0][i] = i % 2 ? 2 : i % 8 >= 2;
    angles[1][i] = i >= N / 2;
  }
  a = Angles(N, angles[0]);
  b = Angles(N, angles[1]);
  for (PetscInt i = 1; i < N; i += 2) Row(a, i)[2] = 0;
  CLOSE(Distance(GEODESIC, a, b), 0.25, 1e-15);
  CLOSE(Distance(CHORDAL, a, b), 0.25 * 4 * sin(0.5) * sin(0.5), 1e-15);
  free(a.rows);
  free(b.rows);
}

static double Chord(Measure a, PetscInt i, Measure b, PetscInt j) {
  double square = 0;
  for (PetscInt c = 0; c < a.d; c++) square += (Row(a, i)[c] - Row(b, j)[c]) * (Row(a, i)[c] - Row(b, j)[c]);
  return square;
}

/* The least cost of all ways to give the tokens of b that are not in `used` to the tokens i, i + 1, .. of a. */
static double Permutations(Measure a, Measure b, PetscInt i, unsigned used) {
  double best = i == b.N ? 0 : INFINITY;

  for (PetscInt j = 0; j < b.N; j++) {
    if (used & 1u << j) continue;
    const double cost = Chord(a, i / (b.N / a.N), b, j) / b.N;
    if (cost < best) best = fmin(best, cost + Permutations(a, b, i + 1, used | 1u << j));
  }
  return best;
}

static void test_auction_permutations(void **state) {
  static const PetscInt counts[][2] = {{1, 1}, {2, 2}, {1, 6}, {3, 6}, {2, 6}, {6, 6}, {7, 7}};

  (void)state;
  for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
    for (uint32_t draw = 0; draw < 10; draw++) {
      const PetscInt d = 2 + (PetscInt)draw % 4;
      Measure a = Draw(counts[k][0], d, 10 + draw, 0, PETSC_FALSE),
              b = Draw(counts[k][1], d, 30 + draw, 1, PETSC_FALSE);

      CLOSE(Distance(AUCTION, a, b), Permutations(a, b, 0, 0), 1e-14);
      CLOSE(Distance(AUCTION, b, a), Permutations(a, b, 0, 0), 1e-14);
      free(a.rows);
      free(b.rows);
    }
  }
}

/* Tokens on a lattice of few values: all kinds of ties, several best plans. Near measures: token to token. */
static void test_auction_ties(void **state) {
  enum { N = 240 };
  Measure a = Draw(N, 3, 3, 0, PETSC_FALSE), b, c;
  double expected = 0;

  (void)state;
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt k = 0; k < 3; k++) Row(a, i)[k] = k == i % 3 ? (i % 2 ? 1 : -1) : 0;
  b = Moved(a, 0);
  assert_true(Distance(AUCTION, a, b) == 0);
  for (PetscInt i = 0; i < N; i++) Row(b, i)[0] = fabs(Row(b, i)[0]); /* half of those at +-e_1 go all the way */
  for (PetscInt i = 0; i < N; i++) expected += Row(a, i)[0] < 0 ? 4.0 / N : 0;
  CLOSE(Distance(AUCTION, a, b), expected, 1e-14);
  free(b.rows);
  free(a.rows);
  a = Draw(N, 5, 4, 0, PETSC_FALSE);
  c = Moved(a, 1e-5);
  expected = 0;
  for (PetscInt i = 0; i < N; i++) expected += Chord(a, i, c, (7 * i + 3) % N) / N;
  CLOSE(Distance(AUCTION, a, c), expected, 1e-12 * expected);
  free(a.rows);
  free(c.rows);
}

static void test_circle_refuses(void **state) {
  Measure a = Draw(6, 3, 1, 0, PETSC_FALSE);
  Tokens mu = ToTokens(PETSC_COMM_WORLD, a);
  double value;

  (void)state;
  REFUSED(DistanceCircle(mu, mu, &value, &value), "tokens_dim = 3: transport on the circle needs 2");
  OK(TokensDestroy(&mu));
  free(a.rows);
}

/* Single tokens, in closed form: |x - y|^2, and 2 (e^beta - e^{beta <x,y>}), which near tokens keep to all digits when
 * it comes from moments (d = 2, 3) and to 1e-15 e^beta from pairs. */
static void test_single(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 40; d += d < 5 ? 1 : 35) {
    for (int near = 0; near < 2; near++) {
      Measure a = Draw(1, d, 1, 0, PETSC_FALSE), b = near ? Moved(a, 1e-5) : Draw(1, d, 2, 0, PETSC_FALSE);
      const double square = Chord(a, 0, b, 0), mmd = -2 * exp(beta) * expm1(-beta * square / 2);

      CLOSE(Distance(AUCTION, a, b), square, 1e-15 * square + 1e-17 * sqrt(square)); /* means are rounded to 2^-60 */
      CLOSE(Distance(SLICED, a, b), square, 1e-14 * square + (near ? 1e-20 : 0));
      CLOSE(Distance(MMD, a, b), mmd, 1e-13 * exp(beta));
      if (d == 2) CLOSE(Distance(CHORDAL, a, b), square, 1e-15 * sqrt(square));
      free(a.rows);
      free(b.rows);
    }
  }
}

/* Near measures of many tokens: MMD^2 from moments has some 1e-14 of itself, as a sum over pairs in long double. */
static void test_mmd_near(void **state) {
  enum { N = 701 };
  Measure a = Draw(N, 3, 1, 1, PETSC_TRUE), b = Moved(a, 1e-3);
  long double sum = 0, total = 0;
  PetscMPIInt rank, size;

  (void)state;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (PetscInt i = 0; i < N; i++) total += Row(a, i)[3];
  for (PetscInt i = rank; i < N; i += size) { /* the ranks share the work */
    for (PetscInt j = 0; j < N; j++) {
      const double *x = Row(a, i), *y = Row(a, j), *moved = Row(b, (7 * i + 3) % N), *other = Row(b, (7 * j + 3) % N);
      long double u[4] = {0, 0, 0, 0};
      for (PetscInt c = 0; c < 3; c++) {
        u[0] += (long double)x[c] * y[c];
        u[1] += (long double)x[c] * other[c];
        u[2] += (long double)moved[c] * y[c];
        u[3] += (long double)moved[c] * other[c];
      }
      sum += x[3] * y[3] * (expl(beta * u[0]) - expl(beta * u[1]) - expl(beta * u[2]) + expl(beta * u[3]));
    }
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_LONG_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  sum /= total * total;
  CLOSE(Distance(MMD, a, b), (double)sum, 1e-8 * (double)sum);
  free(a.rows);
  free(b.rows);
}

/* A metric: 0 for equal measures, in another order up to the rounding of masses to 2^-60 and of sums; symmetric; the
 * triangle inequality for its root. */
static void test_metric(void **state) {
  static const double zero[KINDS] = {1e-17, 1e-17, 1e-17, 1e-15 /* 320 masses, rounded */, 1e-17, 1e-30};

  (void)state;
  for (Kind kind = GEODESIC; kind < KINDS; kind++) {
    const PetscInt d = kind <= CIRCLE ? 2 : 4, N = 320;
    Measure a = Draw(N, d, 1, 0, PETSC_TRUE), b = Draw(N, d, 2, 0.5, PETSC_TRUE), c = Draw(N, d, 3, 1, PETSC_TRUE);
    Measure same = Moved(a, 0);
    const double ab = Distance(kind, a, b), bc = Distance(kind, b, c), ac = Distance(kind, a, c);

    CLOSE(Distance(kind, a, a), 0, 0);
    CLOSE(Distance(kind, a, same), 0, zero[kind]);
    CLOSE(Distance(kind, b, a), ab, kind == AUCTION ? 2 * tol * ab : 1e-14);
    assert_true(ab > 1e-6 && bc > 1e-6 && ac > 1e-6);
    if (kind != CHORDAL) assert_true(sqrt(ac) <= sqrt(ab) + sqrt(bc)); /* that plan need not be the best */
    if (d == 4) assert_true(Distance(SLICED, a, b) <= Distance(AUCTION, a, b) * (1 + tol));
    free(a.rows);
    free(b.rows);
    free(c.rows);
    free(same.rows);
  }
}

/* One rank by itself against all ranks together. */
static void test_same_bits(void **state) {
  PetscMPIInt rank;

  (void)state;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (Kind kind = GEODESIC; kind < KINDS; kind++) {
    const PetscInt d = kind <= CIRCLE ? 2 : 3;
    Measure a = Draw(1300, d, 1, 0, PETSC_TRUE), b = Draw(300, d, 2, 1, PETSC_TRUE);
    double together = Distance(kind, a, b), alone = 0;
    int differ;

    if (!rank) alone = DistanceOn(PETSC_COMM_SELF, kind, a, b);
    OK(MPI_Bcast(&alone, 1, MPI_DOUBLE, 0, PETSC_COMM_WORLD));
    differ = memcmp(&together, &alone, sizeof(double)) != 0;
    OK(MPI_Allreduce(MPI_IN_PLACE, &differ, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
    if (differ) fail_msg("kind %d: %.17g on all ranks, %.17g on one", (int)kind, together, alone);
    free(a.rows);
    free(b.rows);
  }
}

static void test_transport_chooses(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 3; d++) {
    Measure a = Draw(30, d, 1, 0, PETSC_TRUE), b = Draw(20, d, 2, 0, PETSC_TRUE);
    Tokens mu = ToTokens(PETSC_COMM_WORLD, a), nu = ToTokens(PETSC_COMM_WORLD, b);
    double low, high;

    OK(DistanceTransport(mu, nu, tol, &low, &high));
    assert_string_equal(DistanceTransportMethod(d), d == 2 ? "circle" : "auction");
    CLOSE(high, Distance(d == 2 ? CIRCLE : AUCTION, a, b), 0);
    OK(TokensDestroy(&mu));
    OK(TokensDestroy(&nu));
    free(a.rows);
    free(b.rows);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_circle_shifts),
    cmocka_unit_test(test_circle_exact),
    cmocka_unit_test(test_circle_ties),
    cmocka_unit_test(test_circle_refuses),
    cmocka_unit_test(test_auction_permutations),
    cmocka_unit_test(test_auction_ties),
    cmocka_unit_test(test_single),
    cmocka_unit_test(test_mmd_near),
    cmocka_unit_test(test_metric),
    cmocka_unit_test(test_same_bits),
    cmocka_unit_test(test_transport_chooses),
};
TEST_MAIN(tests)
