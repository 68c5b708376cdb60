/* The coupling of THEORY.md (3.5) in the basis of the limit's harmonics, where its cost does not grow with the
 * number of tokens. A unit sigma(d^{-1/2} <U,y> + b_U), cut off at the limit's degree, is sum_k s_k Y_k(y) with
 *
 *     s_k = |S^{d-1}| f_n(|U|, b_U) Y_k(U/|U|)                                       (Funk-Hecke, ridge.h)
 *
 * so that given the units the coefficients of G^m - b_W have covariance B_m = (1/m) sum_h s_h s_h^T, and those of the
 * limit E B_m = diag(a_n): coefficients = B_m^{1/2} diag(a_n)^{-1/2} (coefficients of the limit). Harmonics with a_n =
 * 0 have s_k = 0 in every unit and are left out. */
#include "noise/coupling_impl.h"

#include <math.h>
#include <petscblaslapack.h>

#include <chorale/ridge.h>
#include <chorale/sphere.h>

#include "noise/spectral.h"

/* a_n below this share of the largest is rounding. */
#define NEGLIGIBLE 1e-14
/* Harmonics in the eigenproblem of every layer. */
#define MOST 2048

struct _p_HarmonicCoupling {
  Harmonics harmonics; /* the limit's */
  PetscInt dim, degree, count;
  Ridge ridge;
  PetscReal area;
  PetscReal share;   /* of b_W in the variance of the constant harmonic */
  PetscInt constant; /* its place */
  PetscInt active;   /* harmonics with a_n > 0 */
  PetscInt *place;   /* [active]: which they are */
  PetscInt *degrees; /* [active] */
  double *amplitude; /* [active]: sqrt(a_n), without b_W */
};

PetscErrorCode HarmonicCouplingCreate(Noise coupled, Noise limit, HarmonicCoupling *coupling) {
  HarmonicCoupling h;
  const PetscInt *degrees;
  PetscReal *c, *a, largest = 0, lost;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&h));
  PetscCall(SpectralGetBasis(limit, &h->harmonics, &h->degree));
  PetscCall(HarmonicsGetSize(h->harmonics, &h->count, &degrees));
  h->dim = limit->dim;
  h->area = SphereArea(h->dim);
  PetscCall(RidgeCreate(limit->activation, h->dim, h->degree, &h->ridge));
  PetscCall(NoiseGetKernel(limit, &kernel));
  PetscCall(PetscMalloc2(h->degree + 1, &c, h->degree + 1, &a));
  PetscCall(PetscMalloc3(h->count, &h->place, h->count, &h->degrees, h->count, &h->amplitude));
  PetscCall(KernelCoefficients(kernel, h->degree, c));
  h->share = c[0] > 0 ? PetscMin(1, limit->bias_w * limit->bias_w / c[0]) : 0;
  c[0] *= 1 - h->share;
  for (PetscInt n = 0; n <= h->degree; n++) {
    a[n] = c[n] * h->area / SphereHarmonicCount(h->dim, n);
    largest = PetscMax(largest, a[n]);
  }
  for (PetscInt k = 0; k < h->count; k++) {
    if (degrees[k] == 0) h->constant = k;
    if (a[degrees[k]] <= NEGLIGIBLE * largest) continue;
    h->place[h->active] = k;
    h->degrees[h->active] = degrees[k];
    h->amplitude[h->active++] = sqrt(a[degrees[k]]);
  }
  PetscCall(PetscFree2(c, a));
  PetscCheck(h->active <= MOST, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "limits_coupling = harmonics: an eigenproblem of %" PetscInt_FMT " harmonics (degree %" PetscInt_FMT
             ") in every layer, at most %d are allowed; lower noise_degree",
             h->active, h->degree, MOST);
  /* The law that is drawn ends at the degree, too. */
  PetscCall(NoiseGetKernel(coupled, &kernel));
  PetscCall(KernelTruncate(kernel, h->degree, &lost));
  *coupling = h;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicCouplingDestroy(HarmonicCoupling *coupling) {
  PetscFunctionBeginUser;
  if (!*coupling) PetscFunctionReturn(0);
  PetscCall(RidgeDestroy(&(*coupling)->ridge));
  PetscCall(PetscFree3((*coupling)->place, (*coupling)->degrees, (*coupling)->amplitude));
  PetscCall(PetscFree(*coupling));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicCouplingGetSize(HarmonicCoupling h, PetscInt *size) {
  PetscFunctionBeginUser;
  *size = h->active;
  PetscFunctionReturn(0);
}

/* S[active][COUPLING_CHUNK]: the coefficients of a chunk of units. */
static PetscErrorCode UnitCoefficients(HarmonicCoupling h, const CouplingKey *key, PetscInt first, PetscInt count,
                                       double *S) {
  const PetscInt B = COUPLING_CHUNK, d = h->dim;
  const double in = 1 / sqrt((double)d);
  double *U, *bias_u, *direction, *Y, *f;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc5(count * d, &U, B, &bias_u, d * B, &direction, h->count * B, &Y, B * (h->degree + 1), &f));
  CouplingDrawUnits(key, first, count, U, bias_u);
  PetscCall(PetscArrayzero(direction, d * B));
  for (PetscInt u = 0; u < B; u++) {
    double square = 0;
    if (u >= count) {
      direction[u] = 1; /* padding: e_1 */
      continue;
    }
    for (PetscInt c = 0; c < d; c++) square += U[u * d + c] * U[u * d + c];
    for (PetscInt c = 0; c < d; c++) direction[c * B + u] = U[u * d + c] / sqrt(square);
    PetscCall(RidgeProject(h->ridge, in * sqrt(square), bias_u[u], f + u * (h->degree + 1)));
  }
  PetscCall(HarmonicsEvaluate(h->harmonics, B, direction, Y));
  for (PetscInt k = 0; k < h->active; k++)
    for (PetscInt u = 0; u < count; u++)
      S[k * B + u] = h->area * f[u * (h->degree + 1) + h->degrees[k]] * Y[h->place[k] * B + u];
  PetscCall(PetscFree5(U, bias_u, direction, Y, f));
  PetscFunctionReturn(0);
}

/* B_m[active][active], lower triangle. */
static PetscErrorCode UnitCovariance(HarmonicCoupling h, const CouplingKey *key, double *covariance) {
  const PetscScalar scale = 1 / (double)key->width, zero = 0, one = 1;
  const PetscBLASInt stride = COUPLING_CHUNK;
  PetscBLASInt active, count;
  double *S;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(h->active, &active));
  PetscCall(PetscMalloc1(h->active * COUPLING_CHUNK, &S));
  for (PetscInt first = 0; first < key->width; first += COUPLING_CHUNK) {
    PetscCall(PetscBLASIntCast(PetscMin(COUPLING_CHUNK, key->width - first), &count));
    PetscCall(UnitCoefficients(h, key, first, count, S));
    PetscCallBLAS("BLASsyrk",
                  BLASsyrk_("L", "T", &active, &count, &scale, S, &stride, first ? &one : &zero, covariance, &active));
  }
  PetscCall(PetscFree(S));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicCouplingDraw(HarmonicCoupling h, const CouplingKey *key, Field limit, Field out) {
  const PetscInt d = h->dim;
  double *from, *to, *values, *covariance, *bias_w;

  PetscFunctionBeginUser;
  PetscCall(SpectralGetCoefficients(limit, &from));
  PetscCall(FieldZero(out));
  PetscCall(SpectralGetCoefficients(out, &to));
  PetscCall(PetscMalloc3(h->active * d, &values, (size_t)h->active * (size_t)h->active, &covariance, d, &bias_w));
  /* The constant harmonic holds b_W, a known share of its variance: what is its own given the sum. */
  CouplingDrawBias(key, bias_w);
  for (PetscInt c = 0; c < d; c++) {
    const double sum = from[c * h->count + h->constant] / sqrt(h->area);
    bias_w[c] = h->share * sum + key->noise->bias_w * sqrt(1 - h->share) * bias_w[c];
  }
  for (PetscInt k = 0; k < h->active; k++)
    for (PetscInt c = 0; c < d; c++) {
      const double shared = h->place[k] == h->constant ? bias_w[c] * sqrt(h->area) : 0;
      values[k * d + c] = (from[c * h->count + h->place[k]] - shared) / h->amplitude[k];
    }
  PetscCall(UnitCovariance(h, key, covariance));
  PetscCall(CouplingApplyRoot(h->active, covariance, d, values));
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt k = 0; k < h->active; k++) to[c * h->count + h->place[k]] = values[k * d + c];
    to[c * h->count + h->constant] += bias_w[c] * sqrt(h->area);
  }
  PetscCall(PetscFree3(values, covariance, bias_w));
  PetscFunctionReturn(0);
}
