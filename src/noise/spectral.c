/* The limit of infinite width as a Karhunen-Loeve sum of spherical harmonics, THEORY.md (3.3):
 *
 *     G_c(x) = sum_k sqrt(a_n(k)) xi_kc Y_k(x),   a_n = c_n |S^{d-1}| / dim(n),
 *
 * with independent normals xi for every harmonic and component. Its covariance is the truncated kernel sum_{n <=
 * degree} c_n P_n, by the addition theorem; nothing else is approximated. */
#include <math.h>

#include <chorale/harmonics.h>
#include <chorale/sphere.h>

#include "base/log.h"
#include "law/sphere/synthesis.h"
#include "noise/impl.h"
#include "noise/spectral.h"

/* Harmonics that a field may have: d K coefficients and about 2 d K flops per token and step. */
#define BUDGET 20000

typedef struct {
  Harmonics harmonics;
  Synthesis synthesis;    /* of the field that is evaluated */
  PetscInt degree, count; /* K */
  double *amplitude;      /* [K]: sqrt(a_n) */
  PetscInt *order;        /* [K]: place of a harmonic in the order (degree, member) of draws */
  double *normals;        /* [K][d], work */
  PetscReal lost;         /* variance left out by truncation */
} Spectral;

static PetscLogEvent draw_event, apply_event;

/* The largest degree within the budget. */
static PetscInt LargestDegree(PetscInt dim) {
  PetscInt degree = 0;
  while (HarmonicsCount(dim, degree + 1) <= BUDGET) degree++;
  return degree;
}

/* noise_degree, or else the smallest degree that noise_tol allows; refused beyond the budget. */
static PetscErrorCode ChooseDegree(Noise noise, const NoiseOptions *options, Kernel kernel, PetscInt *degree) {
  const PetscInt most = LargestDegree(noise->dim);
  const PetscInt64 wanted = options->degree;
  const PetscReal tol = options->tol;
  PetscReal tail, k1;

  PetscFunctionBeginUser;
  if (wanted >= 0) {
    PetscCheck(wanted <= most, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
               "noise_degree = %" PetscInt64_FMT ": K = %.0f harmonics for tokens_dim = %" PetscInt_FMT
               "; must be at most %" PetscInt_FMT " (K <= %d), or take noise_type mlp or gram",
               wanted, (double)HarmonicsCount(noise->dim, (PetscInt)wanted), noise->dim, most, BUDGET);
    *degree = (PetscInt)wanted;
    PetscFunctionReturn(0);
  }
  PetscCall(NoiseGetVariance(noise, &k1));
  PetscCall(KernelDegree(kernel, tol, most, degree, &tail));
  PetscCheck(tail <= tol * k1, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "noise_tol = %g: needs more than the K <= %d harmonics allowed: for tokens_dim = %" PetscInt_FMT
             " degree %" PetscInt_FMT
             " has K = %.0f and loses %.2g of the variance; raise noise_tol, set noise_degree, "
             "or take noise_type mlp or gram",
             (double)tol, BUDGET, noise->dim, most, (double)HarmonicsCount(noise->dim, most), (double)(tail / k1));
  PetscFunctionReturn(0);
}

/* sqrt(a_n) of each harmonic, and its place by (degree, member): a larger degree then extends the draws of a smaller
 * one. */
static PetscErrorCode SetAmplitudes(Noise noise, Kernel kernel) {
  Spectral *spectral = noise->data;
  const PetscReal area = SphereArea(noise->dim);
  const PetscInt *degrees;
  PetscInt *next;
  PetscReal *c;

  PetscFunctionBeginUser;
  PetscCall(HarmonicsGetSize(spectral->harmonics, &spectral->count, &degrees));
  PetscCall(PetscMalloc3(spectral->count, &spectral->amplitude, spectral->count, &spectral->order,
                         spectral->count * noise->dim, &spectral->normals));
  PetscCall(PetscMalloc2(spectral->degree + 1, &c, spectral->degree + 1, &next));
  PetscCall(KernelCoefficients(kernel, spectral->degree, c));
  for (PetscInt n = 0; n <= spectral->degree; n++) next[n] = n ? (PetscInt)HarmonicsCount(noise->dim, n - 1) : 0;
  for (PetscInt k = 0; k < spectral->count; k++) {
    const PetscInt n = degrees[k];
    spectral->amplitude[k] = sqrt(PetscMax(c[n], 0) * area / SphereHarmonicCount(noise->dim, n));
    spectral->order[k] = next[n]++;
  }
  PetscCall(PetscFree2(c, next));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Noise noise, const NoiseOptions *options) {
  Spectral *spectral;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("SpectralDraw", &draw_event));
  PetscCall(LogEvent("SpectralApply", &apply_event));
  PetscCall(PetscNew(&spectral));
  noise->data = spectral;
  PetscCheck(noise->dim <= HARMONICS_DIM, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": must be at most %d for noise_type spectral; take noise_type mlp or gram",
             noise->dim, HARMONICS_DIM);
  PetscCall(NoiseGetKernel(noise, &kernel));
  PetscCall(ChooseDegree(noise, options, kernel, &spectral->degree));
  /* From here on all theory is that of the kernel which is really drawn. */
  PetscCall(KernelTruncate(kernel, spectral->degree, &spectral->lost));
  PetscCall(HarmonicsCreate(noise->dim, spectral->degree, &spectral->harmonics));
  PetscCall(SynthesisCreate(spectral->harmonics, noise->dim, &spectral->synthesis));
  PetscCall(SetAmplitudes(noise, kernel));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Noise noise) {
  Spectral *spectral = noise->data;

  PetscFunctionBeginUser;
  PetscCall(SynthesisDestroy(&spectral->synthesis));
  PetscCall(HarmonicsDestroy(&spectral->harmonics));
  PetscCall(PetscFree3(spectral->amplitude, spectral->order, spectral->normals));
  PetscCall(PetscFree(noise->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(Noise noise, size_t room, char model[], char accuracy[]) {
  const Spectral *spectral = noise->data;
  PetscReal k1;

  PetscFunctionBeginUser;
  (void)model;
  PetscCall(NoiseGetVariance(noise, &k1));
  PetscCall(PetscSNPrintf(accuracy, room, "noise to degree %" PetscInt_FMT ", without %.2g of its variance",
                          spectral->degree, (double)(spectral->lost / (k1 + spectral->lost))));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  const Spectral *spectral = noise->data;
  SynthesisCost cost;
  PetscReal k1;

  PetscFunctionBeginUser;
  PetscCall(NoiseGetVariance(noise, &k1));
  PetscCall(SynthesisGetCost(spectral->synthesis, &cost));
  PetscCall(PetscPrintf(comm,
                        "noise      spectral, activation %s, bias_u %.6g, bias_w %.6g, degree %" PetscInt_FMT
                        ", %" PetscInt_FMT " harmonics\n",
                        noise->activation->name, (double)noise->bias_u, (double)noise->bias_w, spectral->degree,
                        spectral->count));
  PetscCall(PetscPrintf(comm, "           variance %.6g, lost by truncation %.3g (%.3g of k(1))\n", (double)k1,
                        (double)spectral->lost, (double)(spectral->lost / (k1 + spectral->lost))));
  PetscCall(PetscPrintf(comm,
                        "           %.6g flops per token and evaluation, %" PetscInt_FMT
                        " normals per draw and rank, %.3g MB per field\n",
                        (double)cost.plain, spectral->count * noise->dim,
                        8e-6 * (double)spectral->count * (double)noise->dim));
  if (cost.from < INT64_MAX)
    PetscCall(PetscPrintf(comm,
                          "           from N = %" PetscInt64_FMT
                          " on by a table: %.6g flops per token, %.3g Mflop to make it, %.3g MB per rank\n",
                          cost.from, (double)cost.table, 1e-6 * (double)cost.set, 1e-6 * (double)cost.bytes));
  PetscFunctionReturn(0);
}

static PetscErrorCode Cost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes) {
  const Spectral *spectral = noise->data;
  SynthesisCost cost;

  PetscFunctionBeginUser;
  PetscCall(SynthesisGetCost(spectral->synthesis, &cost));
  const PetscBool table = count >= (PetscReal)cost.from ? PETSC_TRUE : PETSC_FALSE;
  *flops = table ? cost.set + cost.table * mine : cost.plain * mine;
  *bytes = sizeof(double) * 2 * (PetscReal)spectral->count * noise->dim + (table ? cost.bytes : 0);
  PetscFunctionReturn(0);
}

/* field->data is the array of coefficients [d][K], zeroed at first. */
static PetscErrorCode FieldCreateCoefficients(Field field) {
  const Spectral *spectral = field->noise->data;
  double *coefficients;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(field->noise->dim * spectral->count, &coefficients));
  field->data = coefficients;
  PetscFunctionReturn(0);
}

static PetscErrorCode FieldDestroyCoefficients(Field field) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(field->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Draw(Field field, PetscInt realization, PetscInt step) {
  const Noise noise = field->noise;
  const Spectral *spectral = noise->data;
  const PetscInt d = noise->dim;
  double *coefficients = field->data;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(draw_event, 0, 0, 0, 0));
  RngNormal(NoiseStream(noise, realization, step, RNG_SPECTRAL), 0, (size_t)(d * spectral->count), spectral->normals);
  for (PetscInt c = 0; c < d; c++)
    for (PetscInt k = 0; k < spectral->count; k++)
      coefficients[c * spectral->count + k] = spectral->amplitude[k] * spectral->normals[spectral->order[k] * d + c];
  PetscCall(PetscLogEventEnd(draw_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode Clear(Field field) {
  const Spectral *spectral = field->noise->data;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero((double *)field->data, field->noise->dim * spectral->count));
  PetscFunctionReturn(0);
}

static PetscErrorCode Add(Field y, PetscReal scale, Field x) {
  const Spectral *spectral = y->noise->data;
  const double *from = x->data;
  double *to = y->data;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < y->noise->dim * spectral->count; i++) to[i] += scale * from[i];
  PetscFunctionReturn(0);
}

static PetscErrorCode Prepare(Field field, Tokens tokens) {
  const Spectral *spectral = field->noise->data;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(SynthesisSet(spectral->synthesis, layout.count, field->data));
  PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode EvaluatePiece(Field field, PetscInt blocks, PetscInt B, const double *x, double *g) {
  const Spectral *spectral = field->noise->data;
  PetscReal flops;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
  PetscCall(SynthesisEvaluate(spectral->synthesis, blocks, B, x, g));
  PetscCall(SynthesisGetFlops(spectral->synthesis, &flops));
  PetscCall(PetscLogFlops(flops * blocks * B));
  PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode EvaluateAt(Field field, PetscInt blocks, PetscInt B, const double *x, double *g) {
  const Spectral *spectral = field->noise->data;
  const PetscInt d = field->noise->dim;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
  for (PetscInt b = 0; b < blocks; b++)
    PetscCall(HarmonicsSynthesize(spectral->harmonics, B, x + b * d * B, d, field->data, g + b * d * B));
  PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

PetscErrorCode SpectralGetBasis(Noise noise, Harmonics *harmonics, PetscInt *degree) {
  const Spectral *spectral = noise->data;

  PetscFunctionBeginUser;
  PetscCheck(noise->type == &NoiseTypeSpectral, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "noise of type %s has no harmonics", noise->type->name);
  *harmonics = spectral->harmonics;
  *degree = spectral->degree;
  PetscFunctionReturn(0);
}

PetscErrorCode SpectralGetCoefficients(Field field, double **coefficients) {
  PetscFunctionBeginUser;
  PetscCheck(field->type == &NoiseTypeSpectral.field, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "a field of noise %s has no coefficients", field->noise->type->name);
  *coefficients = field->data;
  PetscFunctionReturn(0);
}

static PetscErrorCode Degree(Noise noise, PetscInt *degree) {
  const Spectral *spectral = noise->data;

  PetscFunctionBeginUser;
  *degree = spectral->degree;
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeSpectral = {.name = "spectral",
                                     .create = Create,
                                     .destroy = Destroy,
                                     .view = View,
                                     .brief = Brief,
                                     .cost = Cost,
                                     .degree = Degree,
                                     .draw = Draw,
                                     .field = {.create = FieldCreateCoefficients,
                                               .destroy = FieldDestroyCoefficients,
                                               .clear = Clear,
                                               .add = Add,
                                               .prepare = Prepare,
                                               .evaluate_piece = EvaluatePiece,
                                               .evaluate_at = EvaluateAt}};
