/* The activation sigma of the MLP, one row of a registry per function: relu leaky_relu(0.01) gelu(exact) silu sigmoid
 * tanh erf softplus sin identity. Pure functions, no MPI. */
#ifndef CHORALE_ACTIVATION_H
#define CHORALE_ACTIVATION_H

#include <petscsys.h>

typedef struct {
  const char *name;
  PetscReal (*value)(PetscReal x);      /* sigma(x), accurate to rounding: used by the theory */
  PetscReal (*derivative)(PetscReal x); /* sigma'(x); at a kink the right limit */
  /* y[i] = sigma(x[i]) for i < n, vectorised, in place allowed: used by the MLP. */
  void (*apply)(PetscInt n, const double *x, double *y);
  PetscBool kink; /* sigma' jumps at 0 */
  PetscBool odd;  /* sigma(-x) = -sigma(x): without biases G is odd and the attractor is two points */
} Activation;

/* NULL when there is no such name. The result is static. */
const Activation *ActivationFind(const char *name);
/* The i-th of the registry, NULL past the end. */
const Activation *ActivationGet(PetscInt i);
/* Polynomials are outside the theorem on width. */
PetscBool ActivationIsPolynomial(const Activation *activation);

#endif
