/* The plane wave in zonal functions (Gegenbauer's addition theorem), nu = d/2 - 1:
 *
 *     e^{beta (u-1)} = sum_n e_n P_n(u),   e_n = dim(n) Gamma(nu+1) (2/beta)^nu I_{n+nu}(beta) e^{-beta}.
 *
 * Only ratios are computed: those of the Bessel functions by their backward recurrence, a continued fraction of
 * positive terms, and the scale from sum_n e_n = 1. The ratios e_n/e_{n-1} decrease with n, so the sequence has one
 * peak and what is beyond a term is bounded by a geometric series. Products start at the peak: nothing overflows for
 * any beta and d, and what underflows is below 1e-300. */
#include "law/sphere/zonal.h"
#include <math.h>

#define ZONAL_NEGLIGIBLE 1e-22L /* what may be left out of the sum, of its peak */

/* dim(n) / dim(n-1), n >= 1. */
static long double CountRatio(PetscInt dim, PetscInt n) {
  const long double d = (long double)dim, k = (long double)n;

  if (n == 1) return d;
  return (2.0L * k + d - 2.0L) * (k + d - 3.0L) / ((2.0L * k + d - 4.0L) * k);
}

/* ratio[n] = e_n / e_{n-1} for n = 1 .. size-1. With r_n = I_{n+nu+1}/I_{n+nu}, r_{n-1} = 1/(2 (n+nu)/beta + r_n). An
 * error in r shrinks by r^2 < exp(-2 asinh((n+nu)/beta)) at each step down, so 8 sqrt(beta) + 60 steps forget the
 * start.
 */
static void Ratios(PetscInt dim, long double beta, PetscInt size, long double ratio[]) {
  const long double nu = 0.5L * (long double)dim - 1.0L;
  const PetscInt start = size + 60 + (PetscInt)(8.0L * sqrtl(beta));
  const long double order = (long double)start + nu + 0.5L;
  long double r = beta / (order + sqrtl(beta * beta + order * order)); /* within Amos' (1974) bounds */

  for (PetscInt n = start; n >= 1; n--) {
    r = beta / (2.0L * ((long double)n + nu) + beta * r);
    if (n < size) ratio[n] = CountRatio(dim, n) * r;
  }
}

/* e[n] from the ratios, with e = 1 at the peak; returns the sum, small terms first. */
static long double Products(PetscInt size, const long double ratio[], long double e[]) {
  PetscInt peak = 0;
  long double below = 0.0L, above = 0.0L;

  while (peak + 1 < size && ratio[peak + 1] >= 1.0L) peak++;
  e[peak] = 1.0L;
  for (PetscInt n = peak; n > 0; n--) e[n - 1] = e[n] / ratio[n];
  for (PetscInt n = peak + 1; n < size; n++) e[n] = e[n - 1] * ratio[n];
  for (PetscInt n = 0; n < peak; n++) below += e[n];
  for (PetscInt n = size - 1; n >= peak; n--) above += e[n];
  return below + above;
}

/* All coefficients that matter, at least up to degree: e[0..size-1] adds up to 1 with *rest, a bound of what is beyond.
 */
static PetscErrorCode Expand(PetscInt dim, PetscReal beta, PetscInt degree, PetscInt *size, long double **e,
                             long double *rest) {
  long double *ratio, sum;

  PetscFunctionBeginUser;
  PetscCheck(dim >= 2 && beta >= 0.0 && beta <= 1e9 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "zonal expansion: needs dim = %d >= 2, beta = %.6g in [0, 1e9], degree = %d >= 0", (int)dim, (double)beta,
             (int)degree);
  for (*size = degree + 64;; *size *= 2) {
    PetscCall(PetscMalloc1(*size, e));
    PetscCall(PetscMalloc1(*size, &ratio));
    Ratios(dim, (long double)beta, *size, ratio);
    sum = Products(*size, ratio, *e);
    const long double last = ratio[*size - 1];
    *rest = last < 1.0L ? (*e)[*size - 1] * last / (1.0L - last) : sum;
    PetscCall(PetscFree(ratio));
    if (*rest <= ZONAL_NEGLIGIBLE) break;
    PetscCall(PetscFree(*e));
  }
  for (PetscInt n = 0; n < *size; n++) (*e)[n] /= sum;
  *rest /= sum;
  PetscFunctionReturn(0);
}

PetscErrorCode ZonalExponential(PetscInt dim, PetscReal beta, PetscInt degree, PetscReal e[]) {
  PetscInt size;
  long double *all, rest;

  PetscFunctionBeginUser;
  PetscCall(Expand(dim, beta, degree, &size, &all, &rest));
  for (PetscInt n = 0; n <= degree; n++) e[n] = (PetscReal)all[n];
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

PetscErrorCode ZonalBesselRatios(PetscInt dim, PetscReal beta, PetscInt degree, PetscReal ratio[]) {
  long double *step, product = 1.0L;

  PetscFunctionBeginUser;
  PetscCheck(dim >= 2 && beta >= 0.0 && beta <= 1e9 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "Bessel ratios: need dim = %d >= 2, beta = %.6g in [0, 1e9], degree = %d >= 0", (int)dim, (double)beta,
             (int)degree);
  PetscCall(PetscMalloc1(degree + 1, &step));
  Ratios(dim, (long double)beta, degree + 1, step);
  ratio[0] = 1.0;
  for (PetscInt n = 1; n <= degree; n++) {
    product *= step[n] / CountRatio(dim, n);
    ratio[n] = (PetscReal)product;
  }
  PetscCall(PetscFree(step));
  PetscFunctionReturn(0);
}

PetscErrorCode ZonalExponentialDegree(PetscInt dim, PetscReal beta, PetscReal tol, PetscInt *degree, PetscReal *tail) {
  PetscInt size;
  long double *e, sum;

  PetscFunctionBeginUser;
  PetscCheck(tol >= 1e-15, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "zonal expansion: tol = %.6g is below 1e-15",
             (double)tol);
  PetscCall(Expand(dim, beta, 0, &size, &e, &sum));
  /* sum holds everything beyond *degree, from the small end. */
  *degree = size - 1;
  while (*degree > 0 && sum + e[*degree] <= (long double)tol) sum += e[(*degree)--];
  *tail =
      PetscMin(tol, nextafter((PetscReal)sum, 1.0)); /* rounding must not make the bound smaller than what it bounds */
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

/* P_{n+1} from P_n and delta = P_n - P_{n-1} at 1 - x, by the recurrence for differences,
 *     (n+d-2) (P_{n+1} - P_n) = n (P_n - P_{n-1}) - (2n+d-2) x P_n,
 * which does not lose n^2 units in the last place near the pole x = 0. */
static PetscReal NextPolynomial(PetscReal d, PetscReal n, PetscReal x, PetscReal p, PetscReal *delta) {
  *delta = n == 0.0 ? -x : (n * *delta - (2.0 * n + d - 2.0) * x * p) / (n + d - 2.0);
  return p + *delta;
}

static PetscReal Series(PetscReal d, PetscInt degree, const PetscReal f[], PetscReal u) {
  const PetscReal x = 1.0 - fabs(u), parity = u < 0.0 ? -1.0 : 1.0; /* P_n(-u) = (-1)^n P_n(u) */
  PetscReal p = 1.0, delta = 0.0, sum = f[0], sign = parity;

  for (PetscInt n = 0; n < degree; n++, sign *= parity) {
    p = NextPolynomial(d, (PetscReal)n, x, p, &delta);
    sum += sign * f[n + 1] * p;
  }
  return sum;
}

/* P_n' in dimension d is n (n+d-2)/(d-1) times P_{n-1} in dimension d+2: as stable as P itself, at u = +-1 too. */
static PetscReal SeriesDerivative(PetscReal d, PetscInt degree, const PetscReal f[], PetscReal u) {
  const PetscReal x = 1.0 - fabs(u), parity = u < 0.0 ? -1.0 : 1.0;
  PetscReal p = 1.0, delta = 0.0, sum = 0.0, sign = 1.0;

  for (PetscInt n = 1; n <= degree; n++, sign *= parity) {
    const PetscReal k = (PetscReal)n;
    sum += sign * f[n] * (k * (k + d - 2.0) / (d - 1.0)) * p;
    p = NextPolynomial(d + 2.0, k - 1.0, x, p, &delta);
  }
  return sum;
}

void ZonalEvaluate(PetscInt dim, PetscInt degree, const PetscReal f[], PetscReal u, PetscReal *value,
                   PetscReal *derivative) {
  if (value) *value = Series((PetscReal)dim, degree, f, u);
  if (derivative) *derivative = SeriesDerivative((PetscReal)dim, degree, f, u);
}
