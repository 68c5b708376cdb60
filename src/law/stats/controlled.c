#include "law/stats/controlled.h"

#define DEPENDENT 1e-7 /* a column is so if this share of its length is left beside the others */
#define ALONE     1e-7 /* 1 - leverage of a realization without which the fit has no answer */

static PetscReal Dot(PetscInt n, const PetscReal a[], const PetscReal b[]) {
  PetscReal sum = 0;

  for (PetscInt i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* x <- x less its projections on the orthonormal basis[count][R]; twice, so that rounding leaves none. */
static void Project(PetscInt R, PetscInt count, const PetscReal basis[], PetscReal x[]) {
  for (PetscInt k = 0; k < 2 * count; k++) {
    const PetscReal *const q = basis + k % count * R, along = Dot(R, q, x);
    for (PetscInt r = 0; r < R; r++) x[r] -= along * q[r];
  }
}

/* The column behind basis[count][R] joins it, *length long beside the others, unless it depends on them. */
static void Join(PetscInt R, PetscInt *count, PetscReal basis[], PetscReal *length) {
  PetscReal *const column = basis + *count * R, whole = PetscSqrtReal(Dot(R, column, column));

  Project(R, *count, basis, column);
  *length = PetscSqrtReal(Dot(R, column, column));
  if (!(*length > DEPENDENT * whole)) {
    *length = 0;
    return;
  }
  for (PetscInt r = 0; r < R; r++) column[r] /= *length;
  ++*count;
}

/* With a basis whose last column, `length` long, is what the constant has beside the controls: the constant of the fit
 * is a = sum_r g_r x_r, g = last/length; without r it is a - g_r e_r/(1 - h_r) with the residual e and the leverage h.
 */
static void LeaveOneOut(PetscInt R, PetscInt count, const PetscReal basis[], PetscReal length, PetscReal x[],
                        PetscReal rest[]) {
  const PetscReal *const last = basis + (count - 1) * R, constant = Dot(R, last, x) / length;

  for (PetscInt r = 0; r < R; r++) {
    rest[r] = 1;
    for (PetscInt k = 0; k < count; k++) rest[r] -= PetscSqr(basis[k * R + r]);
    if (!(rest[r] > ALONE)) return;
  }
  Project(R, count, basis, x);
  for (PetscInt r = 0; r < R; r++) x[r] = constant + (1 - last[r] / length) * x[r] / rest[r];
}

PetscErrorCode ControlledNumbers(PetscInt R, PetscInt K, const PetscReal controls[], PetscReal x[]) {
  PetscReal *basis, *rest, length;
  PetscInt count = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2((size_t)(K + 1) * (size_t)R, &basis, R, &rest));
  for (PetscInt k = 0; k < K; k++) {
    for (PetscInt r = 0; r < R; r++) basis[count * R + r] = controls[r * K + k];
    Join(R, &count, basis, &length);
  }
  for (PetscInt r = 0; r < R; r++) basis[count * R + r] = 1;
  Join(R, &count, basis, &length);
  if (length > 0) LeaveOneOut(R, count, basis, length, x, rest);
  PetscCall(PetscFree2(basis, rest));
  PetscFunctionReturn(0);
}
