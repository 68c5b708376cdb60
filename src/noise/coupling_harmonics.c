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

#include <chorale/sphere.h>

#include "law/kernel/ridge.h"
#include "noise/spectral.h"

/* a_n below this share of the largest is rounding. */
#define NEGLIGIBLE 1e-14
/* Harmonics in the eigenproblem of every layer. */
#define MOST 2048

/* coupling->data */
typedef struct {
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
} InHarmonics;

static PetscErrorCode Create(Coupling coupling) {
  const Noise limit = coupling->limit;
  const PetscInt *degrees;
  PetscReal *c, *a, largest = 0;
  InHarmonics *basis;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&basis));
  coupling->data = basis;
  PetscCall(SpectralGetBasis(limit, &basis->harmonics, &basis->degree));
  PetscCall(HarmonicsGetSize(basis->harmonics, &basis->count, &degrees));
  basis->dim = limit->dim;
  basis->area = SphereArea(basis->dim);
  PetscCall(RidgeCreate(limit->activation, basis->dim, basis->degree, &basis->ridge));
  PetscCall(NoiseGetKernel(limit, &kernel));
  PetscCall(PetscMalloc2(basis->degree + 1, &c, basis->degree + 1, &a));
  PetscCall(PetscMalloc3(basis->count, &basis->place, basis->count, &basis->degrees, basis->count, &basis->amplitude));
  PetscCall(KernelCoefficients(kernel, basis->degree, c));
  basis->share = c[0] > 0 ? PetscMin(1, limit->bias_w * limit->bias_w / c[0]) : 0;
  c[0] *= 1 - basis->share;
  for (PetscInt n = 0; n <= basis->degree; n++) {
    a[n] = c[n] * basis->area / SphereHarmonicCount(basis->dim, n);
    largest = PetscMax(largest, a[n]);
  }
  for (PetscInt k = 0; k < basis->count; k++) {
    if (degrees[k] == 0) basis->constant = k;
    if (a[degrees[k]] <= NEGLIGIBLE * largest) continue;
    basis->place[basis->active] = k;
    basis->degrees[basis->active] = degrees[k];
    basis->amplitude[basis->active++] = sqrt(a[degrees[k]]);
  }
  PetscCall(PetscFree2(c, a));
  PetscCheck(basis->active <= MOST, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "limits_coupling = harmonics: an eigenproblem of %" PetscInt_FMT " harmonics (degree %" PetscInt_FMT
             ") in every layer, at most %d are allowed; lower noise_degree",
             basis->active, basis->degree, MOST);
  PetscCall(NoiseCreateField(limit, &coupling->made));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Coupling coupling) {
  InHarmonics *basis = coupling->data;

  PetscFunctionBeginUser;
  PetscCall(RidgeDestroy(&basis->ridge));
  PetscCall(PetscFree3(basis->place, basis->degrees, basis->amplitude));
  PetscCall(PetscFree(coupling->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Coupling coupling, MPI_Comm comm) {
  const InHarmonics *basis = coupling->data;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(comm,
                        "coupling   in harmonics: an eigenproblem of size %" PetscInt_FMT
                        " and %.6g m flops per layer, for any N; units are cut off at the limit's degree\n",
                        basis->active, (double)basis->active * (double)basis->active));
  PetscFunctionReturn(0);
}

/* S[active][COUPLING_CHUNK]: the coefficients of a chunk of units. */
static PetscErrorCode UnitCoefficients(const InHarmonics *basis, const CouplingKey *key, PetscInt first, PetscInt count,
                                       double *S) {
  const PetscInt B = COUPLING_CHUNK, d = basis->dim;
  const double in = 1 / sqrt((double)d);
  double *U, *bias_u, *direction, *Y, *f;

  PetscFunctionBeginUser;
  PetscCall(
      PetscMalloc5(count * d, &U, B, &bias_u, d * B, &direction, basis->count * B, &Y, B * (basis->degree + 1), &f));
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
    PetscCall(RidgeProject(basis->ridge, in * sqrt(square), bias_u[u], f + u * (basis->degree + 1)));
  }
  PetscCall(HarmonicsEvaluate(basis->harmonics, B, direction, Y));
  for (PetscInt k = 0; k < basis->active; k++)
    for (PetscInt u = 0; u < count; u++)
      S[k * B + u] = basis->area * f[u * (basis->degree + 1) + basis->degrees[k]] * Y[basis->place[k] * B + u];
  PetscCall(PetscFree5(U, bias_u, direction, Y, f));
  PetscFunctionReturn(0);
}

/* B_m[active][active], lower triangle. */
static PetscErrorCode UnitCovariance(const InHarmonics *basis, const CouplingKey *key, double *covariance) {
  const PetscScalar scale = 1 / (double)key->width, zero = 0, one = 1;
  const PetscBLASInt stride = COUPLING_CHUNK;
  PetscBLASInt active, count;
  double *S;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(basis->active, &active));
  PetscCall(PetscMalloc1(basis->active * COUPLING_CHUNK, &S));
  for (PetscInt first = 0; first < key->width; first += COUPLING_CHUNK) {
    PetscCall(PetscBLASIntCast(PetscMin(COUPLING_CHUNK, key->width - first), &count));
    PetscCall(UnitCoefficients(basis, key, first, count, S));
    PetscCallBLAS("BLASsyrk",
                  BLASsyrk_("L", "T", &active, &count, &scale, S, &stride, first ? &one : &zero, covariance, &active));
  }
  PetscCall(PetscFree(S));
  PetscFunctionReturn(0);
}

static PetscErrorCode Draw(Coupling coupling, const CouplingKey *key, Field limit) {
  const InHarmonics *basis = coupling->data;
  const Field out = coupling->made;
  const PetscInt d = basis->dim;
  double *from, *to, *values, *covariance, *bias_w;

  PetscFunctionBeginUser;
  PetscCall(SpectralGetCoefficients(limit, &from));
  PetscCall(FieldZero(out));
  PetscCall(SpectralGetCoefficients(out, &to));
  PetscCall(
      PetscMalloc3(basis->active * d, &values, (size_t)basis->active * (size_t)basis->active, &covariance, d, &bias_w));
  /* The constant harmonic holds b_W, a known share of its variance: what is its own given the sum. */
  CouplingDrawBias(key, bias_w);
  for (PetscInt c = 0; c < d; c++) {
    const double sum = from[c * basis->count + basis->constant] / sqrt(basis->area);
    bias_w[c] = basis->share * sum + key->noise->bias_w * sqrt(1 - basis->share) * bias_w[c];
  }
  for (PetscInt k = 0; k < basis->active; k++)
    for (PetscInt c = 0; c < d; c++) {
      const double shared = basis->place[k] == basis->constant ? bias_w[c] * sqrt(basis->area) : 0;
      values[k * d + c] = (from[c * basis->count + basis->place[k]] - shared) / basis->amplitude[k];
    }
  PetscCall(UnitCovariance(basis, key, covariance));
  PetscCall(CouplingApplyRoot(basis->active, covariance, d, values));
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt k = 0; k < basis->active; k++) to[c * basis->count + basis->place[k]] = values[k * d + c];
    to[c * basis->count + basis->constant] += bias_w[c] * sqrt(basis->area);
  }
  PetscCall(PetscFree3(values, covariance, bias_w));
  PetscFunctionReturn(0);
}

const CouplingType CouplingTypeHarmonics = {
    .name = "harmonics", .spectral = PETSC_TRUE, .create = Create, .destroy = Destroy, .view = View, .draw = Draw};
