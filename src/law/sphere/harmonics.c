#include "law/sphere/impl.h"

#include <petscblaslapack.h>

#include <chorale/sphere.h>

/* The recursion over dimension: each harmonic in R^d of degree at most n gives one in R^{d+1} of degree n. */
PetscReal HarmonicsCount(PetscInt dim, PetscInt degree) {
  return SphereHarmonicCount(dim + 1, degree);
}

PetscErrorCode HarmonicsCreate(PetscInt dim, PetscInt degree, Harmonics *harmonics) {
  const PetscReal count = HarmonicsCount(dim, degree);
  Harmonics h;

  PetscFunctionBeginUser;
  PetscCheck(dim >= 2 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "harmonics of degree %d at d = %d",
             (int)degree, (int)dim);
  PetscCheck(dim <= HARMONICS_DIM, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %d: must be at most %d for harmonics", (int)dim, HARMONICS_DIM);
  PetscCheck(count <= HARMONICS_BUDGET, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "harmonics up to degree %d at d = %d are %.6g functions, more than the budget of %d", (int)degree,
             (int)dim, (double)count, HARMONICS_BUDGET);
  PetscCall(PetscNew(&h));
  h->dim = dim;
  h->degree = degree;
  h->count = (PetscInt)count;
  PetscCall(PetscMalloc1(h->count, &h->degrees));
  PetscCall(HarmonicsTowerSetUp(h));
  PetscCall(HarmonicsTowerDegrees(h));
  if (dim == 2) PetscCall(HarmonicsCircleSetUp(h));
  if (dim == 3) PetscCall(HarmonicsSphereSetUp(h));
  *harmonics = h;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsDestroy(Harmonics *harmonics) {
  Harmonics h = *harmonics;

  PetscFunctionBeginUser;
  if (!h) PetscFunctionReturn(0);
  PetscCall(HarmonicsCircleDestroy(h));
  PetscCall(HarmonicsSphereDestroy(h));
  PetscCall(PetscFree3(h->steps, h->seeds, h->tails));
  PetscCall(PetscFree(h->degrees));
  PetscCall(PetscFree(h));
  *harmonics = NULL;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsGetSize(Harmonics h, PetscInt *count, const PetscInt **degrees) {
  PetscFunctionBeginUser;
  if (count) *count = h->count;
  if (degrees) *degrees = h->degrees;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsEvaluate(Harmonics h, PetscInt B, const double *x, double *Y) {
  PetscFunctionBeginUser;
  PetscCall(HarmonicsTower(h, B, x, h->count, Y, NULL, NULL));
  PetscFunctionReturn(0);
}

/* The functions f of an analysis or a synthesis, [n][B], and their coefficients, [n][K]. */
typedef struct {
  PetscInt n, count;
  const double *f_in, *c_in;
  double *f_out, *c_out;
} Functions;

static PetscErrorCode AnalyzeSlice(const HarmonicsSlice *slice, void *context) {
  const Functions *g = context;
  const double one = 1.0, zero = 0.0;
  PetscBLASInt B, rows, n, K;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(slice->B, &B));
  PetscCall(PetscBLASIntCast(slice->count, &rows));
  PetscCall(PetscBLASIntCast(g->n, &n));
  PetscCall(PetscBLASIntCast(g->count, &K));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &rows, &n, &B, &one, slice->Y, &B, g->f_in, &B, &zero,
                                      g->c_out + slice->first, &K));
  PetscFunctionReturn(0);
}

static PetscErrorCode SynthesizeSlice(const HarmonicsSlice *slice, void *context) {
  const Functions *g = context;
  const double one = 1.0, keep = slice->first ? 1.0 : 0.0;
  PetscBLASInt B, rows, n, K;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(slice->B, &B));
  PetscCall(PetscBLASIntCast(slice->count, &rows));
  PetscCall(PetscBLASIntCast(g->n, &n));
  PetscCall(PetscBLASIntCast(g->count, &K));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &B, &n, &rows, &one, slice->Y, &B, g->c_in + slice->first, &K, &keep,
                                      g->f_out, &B));
  PetscFunctionReturn(0);
}

/* Rows of a slice: half of a usual second-level cache at 256 tokens. */
#define SLICE 128

static PetscErrorCode Slices(Harmonics h, PetscInt B, const double *x, HarmonicsUse use, Functions *functions) {
  const PetscInt room = PetscMax(SLICE, h->degree + 1);
  double *Y;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)room * (size_t)B, &Y));
  PetscCall(HarmonicsTower(h, B, x, room, Y, use, functions));
  PetscCall(PetscFree(Y));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsAnalyze(Harmonics h, PetscInt B, const double *x, PetscInt n, const double *f,
                                double *moments) {
  Functions functions = {.n = n, .count = h->count, .f_in = f, .c_out = moments};

  PetscFunctionBeginUser;
  if (h->circle)
    PetscCall(HarmonicsCircleAnalyze(h, B, x, n, f, moments));
  else if (h->sphere)
    PetscCall(HarmonicsSphereAnalyze(h, B, x, n, f, moments));
  else
    PetscCall(Slices(h, B, x, AnalyzeSlice, &functions));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsSynthesize(Harmonics h, PetscInt B, const double *x, PetscInt n, const double *coefficients,
                                   double *out) {
  Functions functions = {.n = n, .count = h->count, .c_in = coefficients, .f_out = out};

  PetscFunctionBeginUser;
  if (h->circle)
    PetscCall(HarmonicsCircleSynthesize(h, B, x, n, coefficients, out));
  else if (h->sphere)
    PetscCall(HarmonicsSphereSynthesize(h, B, x, n, coefficients, out));
  else
    PetscCall(Slices(h, B, x, SynthesizeSlice, &functions));
  PetscFunctionReturn(0);
}

PetscReal HarmonicsFlops(Harmonics h, PetscInt n) {
  const PetscReal products = 2.0 * (PetscReal)n * (PetscReal)h->count;

  if (h->circle) return HarmonicsCircleFlops(h, n);
  if (h->sphere) return HarmonicsSphereFlops(h, n);
  return products + 5.0 * (PetscReal)h->count;
}
