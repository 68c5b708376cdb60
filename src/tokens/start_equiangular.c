/* All pairs of tokens at one cosine u, in a random orientation: NEIGHBOURS.md (18.2). */
#include <petscsys.h>

#include <math.h>
#include <petscblaslapack.h>

#include "tokens/start_impl.h"

/* The tokens of one realization, [N][d]. */
typedef struct {
  PetscInt realization;
  double *rows;
} Equiangular;

static PetscErrorCode Setup(Start start, const TokensLayout *layout) {
  const PetscReal u = start->options.cosine, N = (PetscReal)layout->count;
  Equiangular *equiangular;

  PetscFunctionBeginUser;
  PetscCheck(layout->count <= layout->dim, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_init = equiangular: tokens_count = %" PetscInt64_FMT
             " must be at most tokens_dim = %" PetscInt_FMT,
             layout->count, layout->dim);
  PetscCheck(u < 1 && 1 + (N - 1) * u > 0, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_cosine = %.6g: must be above -1/(N-1) = %.6g and below 1 for %" PetscInt64_FMT " tokens",
             (double)u, (double)(-1 / (N - 1)), layout->count);
  PetscCall(PetscNew(&equiangular));
  equiangular->realization = -1;
  PetscCall(PetscMalloc1(layout->count * layout->dim, &equiangular->rows));
  start->data = equiangular;
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Start start) {
  Equiangular *equiangular = start->data;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(equiangular->rows));
  PetscCall(PetscFree(equiangular));
  PetscFunctionReturn(0);
}

/* frame[n][d] <- n orthonormal vectors, uniform: the QR factorization of normals in which R has a positive diagonal. */
static PetscErrorCode Frame(RngStream stream, PetscInt count, PetscInt dim, double *frame) {
  PetscBLASInt d, n, room, status;
  double *tau, *work, *sign;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(dim, &d));
  PetscCall(PetscBLASIntCast(count, &n));
  PetscCall(PetscBLASIntCast(64 * count, &room));
  PetscCall(PetscMalloc3(count, &tau, room, &work, count, &sign));
  RngNormal(stream, 0, (size_t)count * (size_t)dim, frame);
  PetscCallBLAS("LAPACKgeqrf", LAPACKgeqrf_(&d, &n, frame, &d, tau, work, &room, &status));
  PetscCheck(!status, PETSC_COMM_SELF, PETSC_ERR_LIB, "dgeqrf returned %d", (int)status);
  for (PetscInt k = 0; k < count; k++) sign[k] = frame[k * dim + k] < 0 ? -1 : 1;
  PetscCallBLAS("LAPACKorgqr", LAPACKorgqr_(&d, &n, &n, frame, &d, tau, work, &room, &status));
  PetscCheck(!status, PETSC_COMM_SELF, PETSC_ERR_LIB, "dorgqr returned %d", (int)status);
  for (PetscInt i = 0; i < count * dim; i++) frame[i] *= sign[i / dim];
  PetscCall(PetscFree3(tau, work, sign));
  PetscFunctionReturn(0);
}

/* x_i = sum_{k < i} c_k e_k + p_i e_i: the Cholesky factor of the Gram matrix has one number in each column below its
 * diagonal. In place: row i is e_i, and no later row needs it but through the sum. */
static PetscErrorCode Draw(Start start, const TokensLayout *layout, PetscInt r) {
  const RngStream stream = {.seed = start->options.seed, .realization = (uint32_t)r, .purpose = RNG_FRAME};
  const PetscReal u = start->options.cosine;
  Equiangular *equiangular = start->data;
  double *sum, squares = 0; /* of the c_k e_k, and of the c_k^2 */

  PetscFunctionBeginUser;
  PetscCall(Frame(stream, (PetscInt)layout->count, layout->dim, equiangular->rows));
  PetscCall(PetscCalloc1(layout->dim, &sum));
  for (PetscInt i = 0; i < layout->count; i++) {
    double *x = equiangular->rows + i * layout->dim;
    const double p = sqrt(1 - squares), c = (u - squares) / p;

    for (PetscInt k = 0; k < layout->dim; k++) {
      const double e = x[k];
      x[k] = sum[k] + p * e;
      sum[k] += c * e;
    }
    squares += c * c;
  }
  PetscCall(PetscFree(sum));
  equiangular->realization = r;
  PetscFunctionReturn(0);
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const PetscInt64 first = (PetscInt64)(layout->first + b) * layout->block;
  const Equiangular *equiangular = start->data;

  PetscFunctionBeginUser;
  if (equiangular->realization != r) PetscCall(Draw(start, layout, r));
  for (PetscInt t = 0; t < TokensFilled(layout, b); t++)
    for (PetscInt c = 0; c < layout->dim; c++)
      x[c * layout->block + t] = equiangular->rows[(first + t) * layout->dim + c];
  PetscFunctionReturn(0);
}

const StartLaw StartEquiangular = {.name = "equiangular", .setup = Setup, .place = Place, .destroy = Destroy};
