/* Gauss-Legendre in the angle to the unit's direction. An activation with a kink is split where its argument changes
 * sign: on either side the integrand sigma(r cos t + b) P_n(cos t) sin^{d-2} t is analytic. */
#include <chorale/ridge.h>

#include <chorale/quadrature.h>

#include <math.h>

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

PetscErrorCode RidgeCreate(const Activation *activation, PetscInt dim, PetscInt degree, Ridge *ridge) {
  Ridge r;

  PetscFunctionBeginUser;
  PetscCheck(activation && dim >= 2 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "ridge: needs an activation, dim = %d >= 2, degree = %d >= 0", (int)dim, (int)degree);
  PetscCall(PetscNew(&r));
  r->activation = activation;
  r->dim = dim;
  r->degree = degree;
  /* A cosine of frequency degree + dim over a half turn takes 0.8 nodes per unit of frequency; the rest is for sigma.
   */
  r->nodes = (degree + dim + 40) / 8 * 8;
  r->split = -1;
  PetscCall(PetscMalloc2(r->nodes, &r->x, r->nodes, &r->w));
  PetscCall(PetscMalloc4(2 * r->nodes, &r->u, 2 * r->nodes, &r->mass, (degree + 1) * 2 * r->nodes, &r->P, 2 * r->nodes,
                         &r->value));
  PetscCall(QuadratureLegendre(r->nodes, 0, 1, r->x, r->w));
  *ridge = r;
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
static void SetTables(Ridge r, PetscReal split) {
  const PetscReal d = (PetscReal)r->dim, norm = exp(lgamma(d / 2) - lgamma((d - 1) / 2)) / sqrt(PETSC_PI);
  const PetscInt all = 2 * r->nodes;

  for (PetscInt q = 0; q < all; q++) {
    const PetscBool second = (PetscBool)(q >= r->nodes);
    const PetscReal length = second ? PETSC_PI - split : split, x = r->x[second ? q - r->nodes : q];
    const PetscReal angle = second ? split + length * x : length * x;
    r->u[q] = cos(angle);
    r->mass[q] = norm * length * r->w[second ? q - r->nodes : q] * PetscPowRealInt(sin(angle), r->dim - 2);
  }
  /* (n + d - 2) P_{n+1} = (2n + d - 2) u P_n - n P_{n-1} */
  for (PetscInt q = 0; q < all; q++) {
    PetscReal P = 1, before = 0;
    r->P[q] = r->mass[q];
    for (PetscInt n = 0; n < r->degree; n++) {
      const PetscReal down = (PetscReal)n, up = down + d - 2;
      const PetscReal next = n == 0 ? r->u[q] : ((down + up) * r->u[q] * P - down * before) / up;
      before = P;
      P = next;
      r->P[(n + 1) * all + q] = r->mass[q] * P;
    }
  }
  r->split = split;
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
