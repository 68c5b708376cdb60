/* Gauss-Legendre in the angle to the unit's direction. An activation with a kink is split where its argument changes
 * sign: on either side the integrand sigma(r cos t + b) P_n(cos t) sin^{d-2} t is analytic. */
#include "law/kernel/ridge.h"

#include <math.h>

#include "law/sphere/quadrature.h"

struct _p_Ridge {
  const Activation *activation;
  PetscInt dim, degree;
  PetscInt nodes;      /* of one side, a multiple of 8 */
  PetscReal *x, *w;    /* [nodes]: the rule on [0,1] */
  PetscReal split;     /* angle at which the tables below are split; negative before the first call */
  PetscReal *u, *mass; /* [2 nodes]: cosines and weights */
  PetscReal *P;        /* [degree + 1][2 nodes]: mass P_n(u) */
  PetscReal *value;    /* [2 nodes], work */
};

PetscErrorCode RidgeCreate(const Activation *activation, PetscInt dim, PetscInt degree, Ridge *handle) {
  Ridge ridge;

  PetscFunctionBeginUser;
  PetscCheck(activation && dim >= 2 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "ridge: needs an activation, dim = %d >= 2, degree = %d >= 0", (int)dim, (int)degree);
  PetscCall(PetscNew(&ridge));
  ridge->activation = activation;
  ridge->dim = dim;
  ridge->degree = degree;
  /* A cosine of frequency degree + dim over a half turn takes 0.8 nodes per unit of frequency; the rest is for sigma.
   */
  ridge->nodes = (degree + dim + 40) / 8 * 8;
  ridge->split = -1;
  PetscCall(PetscMalloc2(ridge->nodes, &ridge->x, ridge->nodes, &ridge->w));
  PetscCall(PetscMalloc4(2 * ridge->nodes, &ridge->u, 2 * ridge->nodes, &ridge->mass, (degree + 1) * 2 * ridge->nodes,
                         &ridge->P, 2 * ridge->nodes, &ridge->value));
  PetscCall(QuadratureLegendre(ridge->nodes, 0, 1, ridge->x, ridge->w));
  *handle = ridge;
  PetscFunctionReturn(0);
}

PetscErrorCode RidgeDestroy(Ridge *ridge) {
  PetscFunctionBeginUser;
  if (!*ridge) PetscFunctionReturn(0);
  PetscCall(PetscFree2((*ridge)->x, (*ridge)->w));
  PetscCall(PetscFree4((*ridge)->u, (*ridge)->mass, (*ridge)->P, (*ridge)->value));
  PetscCall(PetscFree(*ridge));
  PetscFunctionReturn(0);
}

/* Nodes on both sides of the angle `split`, with the density of the angle, and the polynomials there. */
static void SetTables(Ridge ridge, PetscReal split) {
  const PetscReal d = (PetscReal)ridge->dim, norm = exp(lgamma(d / 2) - lgamma((d - 1) / 2)) / sqrt(PETSC_PI);
  const PetscInt all = 2 * ridge->nodes;

  for (PetscInt q = 0; q < all; q++) {
    const PetscBool second = q >= ridge->nodes ? PETSC_TRUE : PETSC_FALSE;
    const PetscReal length = second ? PETSC_PI - split : split, x = ridge->x[second ? q - ridge->nodes : q];
    const PetscReal angle = second ? split + length * x : length * x;
    ridge->u[q] = cos(angle);
    ridge->mass[q] =
        norm * length * ridge->w[second ? q - ridge->nodes : q] * PetscPowRealInt(sin(angle), ridge->dim - 2);
  }
  /* (n + d - 2) P_{n+1} = (2n + d - 2) u P_n - n P_{n-1} */
  for (PetscInt q = 0; q < all; q++) {
    PetscReal P = 1, before = 0;
    ridge->P[q] = ridge->mass[q];
    for (PetscInt n = 0; n < ridge->degree; n++) {
      const PetscReal down = (PetscReal)n, up = down + d - 2;
      const PetscReal next = n == 0 ? ridge->u[q] : ((down + up) * ridge->u[q] * P - down * before) / up;
      before = P;
      P = next;
      ridge->P[(n + 1) * all + q] = ridge->mass[q] * P;
    }
  }
  ridge->split = split;
}

PetscErrorCode RidgeProject(Ridge ridge, PetscReal r, PetscReal b, PetscReal f[]) {
  const PetscInt all = 2 * ridge->nodes;
  const PetscReal split = ridge->activation->kink ? acos(PetscMax(-1, PetscMin(1, -b / r))) : PETSC_PI / 2;
  PetscReal *value = ridge->value;

  PetscFunctionBeginUser;
  PetscCheck(r > 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "ridge: r = %.6g must be positive", (double)r);
  if (split != ridge->split) SetTables(ridge, split);
#pragma omp simd
  for (PetscInt q = 0; q < all; q++) value[q] = r * ridge->u[q] + b;
  ridge->activation->apply(all, value, value);
  for (PetscInt n = 0; n <= ridge->degree; n++) {
    const PetscReal *P = ridge->P + n * all;
    PetscReal sum = 0;
#pragma omp simd reduction(+ : sum)
    for (PetscInt q = 0; q < all; q++) sum += value[q] * P[q];
    f[n] = sum;
  }
  PetscFunctionReturn(0);
}
