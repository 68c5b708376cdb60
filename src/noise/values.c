/* Random values: the linear field G(x) = V x, V a fresh d x d matrix of N(0,1/d) entries in every step. Its kernel is
 * <x,y>/d, that of the activation identity without biases; asked for at barycentres it is the model of random values,
 * NEIGHBOURS.md (12.1). */
#include <petscsys.h>

#include <petscblaslapack.h>

#include "noise/impl.h"

/* From here on all theory is that of the kernel which is really drawn. */
static PetscErrorCode Create(Noise noise, const NoiseOptions *options) {
  PetscFunctionBeginUser;
  (void)options;
  noise->activation = ActivationFind("identity");
  noise->bias_u = noise->bias_w = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  const double d = (double)noise->dim;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(comm, "noise      values, G(x) = V x, variance %.6g\n", 1 / d));
  PetscCall(PetscPrintf(comm, "           %.6g flops per token and layer, %.6g normals per layer and rank\n", 2 * d * d,
                        d * d));
  PetscFunctionReturn(0);
}

static PetscErrorCode Cost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes) {
  const PetscReal square = (PetscReal)noise->dim * noise->dim;

  PetscFunctionBeginUser;
  (void)count;
  *flops = 2 * square * mine;
  *bytes = sizeof(double) * square;
  PetscFunctionReturn(0);
}

/* field->data is V[d][d], row-major. */
static PetscErrorCode CreateMatrix(Field field) {
  double *matrix;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(field->noise->dim * field->noise->dim, &matrix));
  field->data = matrix;
  PetscFunctionReturn(0);
}

static PetscErrorCode DestroyMatrix(Field field) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(field->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Draw(Field field, PetscInt realization, PetscInt step) {
  const Noise noise = field->noise;
  const PetscInt n = noise->dim * noise->dim;
  const PetscReal size = 1 / PetscSqrtReal((PetscReal)noise->dim);
  double *matrix = field->data;

  PetscFunctionBeginUser;
  RngNormal(NoiseStream(noise, realization, step, RNG_VALUES), 0, (size_t)n, matrix);
  for (PetscInt i = 0; i < n; i++) matrix[i] *= size;
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(Noise noise, size_t room, char model[], char accuracy[]) {
  PetscFunctionBeginUser;
  (void)noise, (void)accuracy;
  PetscCall(PetscStrncpy(model, "noise of random values V x", room));
  PetscFunctionReturn(0);
}

static PetscErrorCode Clear(Field field) {
  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero((double *)field->data, field->noise->dim * field->noise->dim));
  PetscFunctionReturn(0);
}

static PetscErrorCode Add(Field y, PetscReal scale, Field x) {
  const double *from = x->data;
  double *to = y->data;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < y->noise->dim * y->noise->dim; i++) to[i] += scale * from[i];
  PetscFunctionReturn(0);
}

/* A block is a B x d matrix X in the order of BLAS: g = X V^T, block by block, so that the bits of a block are its own.
 */
static PetscErrorCode EvaluatePiece(Field field, PetscInt blocks, PetscInt B, const double *x, double *g) {
  const PetscInt dim = field->noise->dim;
  const double one = 1, zero = 0;
  PetscBLASInt d, rows;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(dim, &d));
  PetscCall(PetscBLASIntCast(B, &rows));
  for (PetscInt b = 0; b < blocks; b++)
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &rows, &d, &d, &one, x + b * dim * B, &rows, field->data, &d, &zero,
                                        g + b * dim * B, &rows));
  PetscCall(PetscLogFlops(2.0 * dim * dim * blocks * B));
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeValues = {
    .name = "values",
    .ball = PETSC_TRUE,
    .create = Create,
    .view = View,
    .brief = Brief,
    .cost = Cost,
    .draw = Draw,
    .field = {
        .create = CreateMatrix, .destroy = DestroyMatrix, .clear = Clear, .add = Add, .evaluate_piece = EvaluatePiece}};
