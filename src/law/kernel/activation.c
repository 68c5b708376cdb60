/* The activations: value and derivative for the theory (THEORY.md section 2), a vectorised apply for the MLP
 * (section 1).
 *
 * The formulas never overflow and lose no digits at either end: exponentials are taken of -|x| only, tails of the
 * normal law come from erfc. */
#include <chorale/activation.h>

#include "base/vmath.h"

/* 1/(1 + e^-x), and 1 - Sigmoid(x) = Sigmoid(-x) without cancellation. */
static inline PetscReal Logistic(PetscReal x, PetscReal e) { /* e = exp(-|x|) */
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}
static PetscReal Sigmoid(PetscReal x) {
  return Logistic(x, exp(-fabs(x)));
}
static PetscReal SigmoidDerivative(PetscReal x) {
  return Sigmoid(x) * Sigmoid(-x);
}
VMATH(SigmoidApply, Logistic(t, vexp(-fabs(t))))

static PetscReal Relu(PetscReal x) {
  return x > 0 ? x : 0.0;
}
static PetscReal ReluDerivative(PetscReal x) {
  return x >= 0 ? 1.0 : 0.0;
}
VMATH(ReluApply, t > 0 ? t : 0.0)

#define LEAK 0.01
static PetscReal LeakyRelu(PetscReal x) {
  return x > 0 ? x : LEAK * x;
}
static PetscReal LeakyReluDerivative(PetscReal x) {
  return x >= 0 ? 1.0 : LEAK;
}
VMATH(LeakyReluApply, t > 0 ? t : LEAK * t)

/* x Phi(x) with the exact distribution function of the normal law, Phi(x) = erfc(-x/sqrt(2))/2. */
static PetscReal Gelu(PetscReal x) {
  return 0.5 * x * erfc(-M_SQRT1_2 * x);
}
static PetscReal GeluDerivative(PetscReal x) {
  return 0.5 * erfc(-M_SQRT1_2 * x) + x * exp(-0.5 * x * x) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
}
VMATH(GeluApply, 0.5 * t * verfc(-M_SQRT1_2 * t))

static PetscReal Silu(PetscReal x) {
  return x * Sigmoid(x);
}
static PetscReal SiluDerivative(PetscReal x) {
  return Sigmoid(x) * (1.0 + x * Sigmoid(-x));
}
VMATH(SiluApply, t *Logistic(t, vexp(-fabs(t))))

static PetscReal Tanh(PetscReal x) {
  return tanh(x);
}
/* 1 - tanh^2 = 4 e/(1 + e)^2 with e = exp(-2|x|). */
static PetscReal TanhDerivative(PetscReal x) {
  const PetscReal e = exp(-2.0 * fabs(x));
  return 4.0 * e / ((1.0 + e) * (1.0 + e));
}
VMATH(TanhApply, vtanh(t))

static PetscReal Erf(PetscReal x) {
  return erf(x);
}
static PetscReal ErfDerivative(PetscReal x) {
  return M_2_SQRTPI * exp(-x * x);
}
VMATH(ErfApply, verf(t))

static PetscReal Softplus(PetscReal x) {
  return (x > 0 ? x : 0.0) + log1p(exp(-fabs(x)));
}
VMATH(SoftplusApply, (t > 0 ? t : 0.0) + vlog1p(vexp(-fabs(t))))

static PetscReal Sin(PetscReal x) {
  return sin(x);
}
static PetscReal SinDerivative(PetscReal x) {
  return cos(x);
}
VMATH(SinApply, vsin(t))

static PetscReal Identity(PetscReal x) {
  return x;
}
static PetscReal IdentityDerivative(PetscReal x) {
  (void)x;
  return 1.0;
}
VMATH(IdentityApply, t)

/* The registry: a new activation is its functions above and a row here. */
static const Activation activations[] = {
    /* name        value      derivative           apply           kink         odd */
    {"relu", Relu, ReluDerivative, ReluApply, PETSC_TRUE, PETSC_FALSE},
    {"leaky_relu", LeakyRelu, LeakyReluDerivative, LeakyReluApply, PETSC_TRUE, PETSC_FALSE},
    {"gelu", Gelu, GeluDerivative, GeluApply, PETSC_FALSE, PETSC_FALSE},
    {"silu", Silu, SiluDerivative, SiluApply, PETSC_FALSE, PETSC_FALSE},
    {"sigmoid", Sigmoid, SigmoidDerivative, SigmoidApply, PETSC_FALSE, PETSC_FALSE},
    {"tanh", Tanh, TanhDerivative, TanhApply, PETSC_FALSE, PETSC_TRUE},
    {"erf", Erf, ErfDerivative, ErfApply, PETSC_FALSE, PETSC_TRUE},
    {"softplus", Softplus, Sigmoid, SoftplusApply, PETSC_FALSE, PETSC_FALSE},
    {"sin", Sin, SinDerivative, SinApply, PETSC_FALSE, PETSC_TRUE},
    {"identity", Identity, IdentityDerivative, IdentityApply, PETSC_FALSE, PETSC_TRUE},
};

const Activation *ActivationGet(PetscInt i) {
  const PetscInt count = (PetscInt)(sizeof(activations) / sizeof(activations[0]));
  return i >= 0 && i < count ? &activations[i] : NULL;
}

const Activation *ActivationFind(const char *name) {
  const Activation *activation;
  for (PetscInt i = 0; (activation = ActivationGet(i)); i++) {
    PetscBool same;
    if (PetscStrcmp(activation->name, name, &same) == 0 && same) return activation;
  }
  return NULL;
}

PetscBool ActivationIsPolynomial(const Activation *activation) {
  return activation->value == Identity ? PETSC_TRUE : PETSC_FALSE;
}
