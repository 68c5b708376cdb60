/* Tokens at the nodes of a quadrature rule of the uniform measure: the push-forward of such a rule solves the SPDE
 * exactly (THEORY.md section 4). d = 2: N equispaced angles, the first at half a step. d = 3: N = 2 n^2, n
 * Gauss-Legendre nodes in z times 2n equispaced longitudes, the first at half a step; exact for polynomials of degree
 * 2n-1. */
#include <math.h>

#include "law/sphere/quadrature.h"
#include "tokens/start_impl.h"

typedef struct {
  PetscInt n;       /* nodes in z */
  PetscReal *z, *w; /* Gauss-Legendre rule on [-1,1] */
} Rule;

/* Largest n with 2 n^2 <= count. */
static PetscInt64 RuleOrder(PetscInt64 count) {
  PetscInt64 n = (PetscInt64)sqrt((double)count / 2);

  while (2 * n * n > count) n--;
  while (2 * (n + 1) * (n + 1) <= count) n++;
  return n;
}

static PetscErrorCode SetUp(Start start, const TokensLayout *layout) {
  Rule *rule;

  PetscFunctionBeginUser;
  PetscCheck(layout->dim <= 3, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_init = quadrature: needs tokens_dim 2 or 3, not %" PetscInt_FMT, layout->dim);
  if (layout->dim == 2) PetscFunctionReturn(0);
  const PetscInt64 n = RuleOrder(layout->count), next = 2 * (n + 1) * (n + 1);
  PetscCheck(2 * n * n == layout->count, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT
             ": with tokens_init quadrature and tokens_dim 3 it must be 2 n^2; the nearest are %" PetscInt64_FMT
             " and %" PetscInt64_FMT,
             layout->count, PetscMax(2, 2 * n * n), n == 0 ? 8 : next);
  PetscCall(PetscNew(&rule));
  start->data = rule;
  rule->n = (PetscInt)n;
  PetscCall(PetscMalloc2(n, &rule->z, n, &rule->w));
  PetscCall(QuadratureLegendre(rule->n, -1, 1, rule->z, rule->w));
  PetscFunctionReturn(0);
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const Rule *rule = start->data;
  const PetscInt block = layout->block;
  const PetscInt64 first = (PetscInt64)(layout->first + b) * block, angles = rule ? 2 * rule->n : layout->count;

  PetscFunctionBeginUser;
  (void)r; /* every realization starts from the same rule */
  for (PetscInt t = 0; t < TokensFilled(layout, b); t++) {
    const PetscInt64 i = first + t;
    const PetscReal angle = PETSC_PI * (2.0 * (double)(i % angles) + 1) / (double)angles;
    const PetscReal z = rule ? rule->z[i / angles] : 0, radius = sqrt((1 - z) * (1 + z));

    x[t] = radius * cos(angle);
    x[block + t] = radius * sin(angle);
    if (rule) x[2 * block + t] = z;
  }
  PetscFunctionReturn(0);
}

static void Weigh(Start start, const TokensLayout *layout, PetscInt b, double *weights) {
  const Rule *rule = start->data;
  const PetscInt64 first = (PetscInt64)(layout->first + b) * layout->block;

  for (PetscInt t = 0; t < TokensFilled(layout, b); t++) weights[t] = rule ? rule->w[(first + t) / (2 * rule->n)] : 1;
}

static PetscErrorCode Destroy(Start start) {
  Rule *rule = start->data;

  PetscFunctionBeginUser;
  if (rule) PetscCall(PetscFree2(rule->z, rule->w));
  PetscCall(PetscFree(start->data));
  PetscFunctionReturn(0);
}

const StartLaw StartQuadrature = {
    .name = "quadrature", .setup = SetUp, .place = Place, .weigh = Weigh, .destroy = Destroy};

PetscErrorCode StartCreateQuadrature(const TokensLayout *layout, Start *start) {
  PetscFunctionBeginUser;
  PetscCall(PetscNew(start));
  (*start)->law = &StartQuadrature;
  PetscCall(SetUp(*start, layout));
  PetscFunctionReturn(0);
}
