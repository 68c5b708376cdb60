/* The mean-field limit of an initial law, as a weighted quadrature rule (its push-forward solves the SPDE exactly,
 * THEORY.md section 4), and independent copies of it: tokens of the law with weight 0. */
#include <math.h>

#include "tokens/start_impl.h"

typedef struct {
  PetscInt64 nodes;
  Start law, rule; /* of the copies and of the nodes */
  PetscReal kappa; /* density of the law with respect to the uniform one: e^{kappa (x_1 - 1)} up to a constant */
  double *x;       /* [d][B] */
} Limit;

/* The layout that the nodes alone would have, seen from the same rank: it owns the same blocks of it. */
static TokensLayout NodesLayout(const TokensLayout *layout, PetscInt64 nodes) {
  TokensLayout part = *layout;

  part.count = nodes;
  return part;
}

static PetscBool IsNodes(const Limit *limit, const TokensLayout *layout, PetscInt b) {
  return (PetscInt64)(layout->first + b) * layout->block < limit->nodes ? PETSC_TRUE : PETSC_FALSE;
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const Limit *limit = start->data;
  TokensLayout part = NodesLayout(layout, limit->nodes);

  PetscFunctionBeginUser;
  if (IsNodes(limit, layout, b)) {
    PetscCall(StartPlace(limit->rule, &part, r, b, x));
    PetscFunctionReturn(0);
  }
  part = *layout;
  part.first -= (PetscInt)(limit->nodes / layout->block); /* copies are counted from 0 */
  part.count -= limit->nodes;
  PetscCall(StartPlace(limit->law, &part, r, b, x));
  PetscFunctionReturn(0);
}

static void Weigh(Start start, const TokensLayout *layout, PetscInt b, double *weights) {
  const Limit *limit = start->data;
  const TokensLayout part = NodesLayout(layout, limit->nodes);

  if (!IsNodes(limit, layout, b)) {
    for (PetscInt t = 0; t < layout->block; t++) weights[t] = 0;
    return;
  }
  limit->rule->law->weigh(limit->rule, &part, b, weights);
  if (limit->kappa == 0) return;
  (void)StartPlace(limit->rule, &part, 0, b, limit->x); /* cannot fail */
  for (PetscInt t = 0; t < TokensFilled(&part, b); t++) weights[t] *= exp(limit->kappa * (limit->x[t] - 1));
}

static PetscErrorCode Destroy(Start start) {
  Limit *limit = start->data;

  PetscFunctionBeginUser;
  PetscCall(StartDestroy(&limit->law));
  PetscCall(StartDestroy(&limit->rule));
  PetscCall(PetscFree(limit->x));
  PetscCall(PetscFree(start->data));
  PetscFunctionReturn(0);
}

PetscErrorCode StartCreateLimit(Tokens tokens, const StartOptions *options, PetscInt64 nodes, Start *start) {
  static const StartLaw law = {.name = "limit", .place = Place, .weigh = Weigh, .destroy = Destroy};
  TokensLayout layout;
  PetscBool uniform, vmf;
  Limit *limit;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(nodes >= 1 && nodes <= layout.count && (nodes == layout.count || nodes % layout.block == 0), layout.comm,
             PETSC_ERR_ARG_OUTOFRANGE,
             "%" PetscInt64_FMT " nodes of %" PetscInt64_FMT " tokens: not whole blocks of %" PetscInt_FMT, nodes,
             layout.count, layout.block);
  const TokensLayout part = NodesLayout(&layout, nodes);

  PetscCall(PetscNew(&limit));
  limit->nodes = nodes;
  PetscCall(StartCreate(tokens, options, &limit->law));
  PetscCall(PetscStrcmp(limit->law->law->name, "uniform", &uniform));
  PetscCall(PetscStrcmp(limit->law->law->name, "vmf", &vmf));
  PetscCheck(uniform || vmf, layout.comm, PETSC_ERR_USER_INPUT,
             "tokens_init = %s: a quadrature of its law needs uniform or vmf", limit->law->law->name);
  limit->kappa = vmf ? limit->law->options.kappa : 0;
  PetscCall(StartCreateQuadrature(&part, &limit->rule));
  PetscCall(PetscMalloc1(layout.dim * layout.block, &limit->x));
  PetscCall(PetscNew(start));
  (*start)->law = &law;
  (*start)->data = limit;
  PetscFunctionReturn(0);
}
