/* Gauss rules of even weights from their orthonormal polynomials
 *
 *     b_{k+1} p_{k+1}(x) = x p_k(x) - b_k p_{k-1}(x):
 *
 * nodes are the eigenvalues of the Jacobi matrix (Golub and Welsch 1969) after Newton steps on p_n, weights are
 * Christoffel's 1 / sum_{k<n} p_k(x)^2. Only positive nodes are computed; symmetry then holds exactly. */
#include "law/sphere/quadrature.h"
#include <math.h>
#include <petscblaslapack.h>

typedef struct {
  PetscReal newton; /* p_n / p_n' */
  PetscReal weight; /* 1 / sum_{k<n} p_k^2, 0 when it underflows */
} GaussPoint;

/* p_k grows like the inverse root of the weight: beyond the range of doubles for Hermite and for large d, hence the
 * rescaling. */
static GaussPoint EvaluatePoint(PetscInt n, const PetscReal b[], PetscReal x) {
  const PetscReal huge = 0x1p+200, tiny = 0x1p-200;
  PetscReal p = 1.0, before = 0.0, slope = 0.0, slope_before = 0.0, sum = 0.0;
  int scalings = 0;

  for (PetscInt k = 0; k < n; k++) {
    sum += p * p;
    const PetscReal next = (x * p - b[k] * before) / b[k + 1];
    const PetscReal slope_next = (p + x * slope - b[k] * slope_before) / b[k + 1];
    before = p, p = next, slope_before = slope, slope = slope_next;
    if (fabs(p) > huge || fabs(slope) > huge) {
      before *= tiny, p *= tiny, slope_before *= tiny, slope *= tiny;
      sum *= tiny * tiny;
      scalings++;
    }
  }
  return (GaussPoint){.newton = p / slope, .weight = ldexp(1.0 / sum, -400 * scalings)};
}

/* b[0..n] with b[0] = 0; weights add up to 1. */
static PetscErrorCode GaussRule(PetscInt n, const PetscReal b[], PetscReal x[], PetscReal w[]) {
  PetscBLASInt size, info, one = 1;
  PetscReal *off, *work, total = 0.0;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(n, &size));
  PetscCall(PetscMalloc2(n, &off, 2 * n, &work));
  for (PetscInt k = 0; k < n; k++) x[k] = 0.0;
  for (PetscInt k = 1; k < n; k++) off[k - 1] = b[k];
  PetscCallBLAS("LAPACKsteqr", LAPACKREALsteqr_("N", &size, x, off, NULL, &one, work, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "Gauss rule of %d nodes: dsteqr failed with %d", (int)n,
             (int)info);
  for (PetscInt i = n / 2; i < n; i++) {
    PetscReal node = 2 * i + 1 == n ? 0.0 : x[i];
    for (int step = 0; step < 2 && node != 0.0; step++) node -= EvaluatePoint(n, b, node).newton;
    x[i] = node;
    x[n - 1 - i] = -node;
    w[i] = w[n - 1 - i] = EvaluatePoint(n, b, node).weight;
  }
  for (PetscInt i = 0; i < n; i++) total += w[i];
  for (PetscInt i = 0; i < n; i++) w[i] /= total;
  PetscCall(PetscFree2(off, work));
  PetscFunctionReturn(0);
}

PetscErrorCode QuadratureNormal(PetscInt n, PetscReal x[], PetscReal w[]) {
  PetscReal *b;

  PetscFunctionBeginUser;
  PetscCheck(n >= 1, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "Gauss rule of %d nodes", (int)n);
  PetscCall(PetscMalloc1(n + 1, &b));
  for (PetscInt k = 0; k <= n; k++) b[k] = sqrt((PetscReal)k);
  PetscCall(GaussRule(n, b, x, w));
  PetscCall(PetscFree(b));
  PetscFunctionReturn(0);
}

PetscErrorCode QuadratureSphere(PetscInt d, PetscInt n, PetscReal u[], PetscReal w[]) {
  PetscReal *b;

  PetscFunctionBeginUser;
  PetscCheck(n >= 1 && d >= 2, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "Gauss rule of %d nodes, d = %d", (int)n,
             (int)d);
  if (d == 2) { /* Chebyshev; the sine of the distance to the middle keeps the rule symmetric. */
    for (PetscInt i = 0; i < n; i++) {
      u[i] = sin(PETSC_PI * (PetscReal)(2 * i + 1 - n) / (2.0 * (PetscReal)n));
      w[i] = 1.0 / (PetscReal)n;
    }
    PetscFunctionReturn(0);
  }
  PetscCall(PetscMalloc1(n + 1, &b));
  b[0] = 0.0;
  for (PetscInt i = 1; i <= n; i++) {
    const PetscReal k = (PetscReal)i, dim = (PetscReal)d;
    b[i] = sqrt(k * (k + dim - 3.0) / ((2.0 * k + dim - 2.0) * (2.0 * k + dim - 4.0)));
  }
  PetscCall(GaussRule(n, b, u, w));
  PetscCall(PetscFree(b));
  PetscFunctionReturn(0);
}

PetscErrorCode QuadratureLegendre(PetscInt n, PetscReal a, PetscReal b, PetscReal x[], PetscReal w[]) {
  PetscFunctionBeginUser;
  PetscCall(QuadratureSphere(3, n, x, w));
  for (PetscInt i = 0; i < n; i++) {
    x[i] = 0.5 * (a + b) + 0.5 * (b - a) * x[i];
    w[i] *= b - a;
  }
  PetscFunctionReturn(0);
}
