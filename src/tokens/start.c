#include "tokens/start_impl.h"

/* iid uniform on the sphere: d normals per token, token by token, then normalised by TokensStart. */
static PetscErrorCode PlaceUniform(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const RngStream stream = {.seed = start->options.seed, .realization = (uint32_t)r, .purpose = RNG_START};
  const PetscInt filled = TokensFilled(layout, b), dim = layout->dim, block = layout->block;
  const uint64_t first = (uint64_t)(layout->first + b) * (uint64_t)block * (uint64_t)dim;
  double *normals;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(filled * dim, &normals));
  RngNormal(stream, first, (size_t)filled * (size_t)dim, normals);
  for (PetscInt t = 0; t < filled; t++)
    for (PetscInt c = 0; c < dim; c++) x[c * block + t] = normals[t * dim + c];
  PetscCall(PetscFree(normals));
  PetscFunctionReturn(0);
}

/* Token i of realization r by rejection, to x[d]. The attempt stands in the step of the key: every token has its own
 * sequence of attempts. */
static PetscErrorCode Sample(Start start, PetscInt r, PetscInt64 i, PetscInt dim, double *x) {
  const uint32_t attempts = 10000; /* at worst half are turned down */

  PetscFunctionBeginUser;
  for (uint32_t attempt = 0; attempt < attempts; attempt++) {
    const RngStream normals = {start->options.seed, (uint32_t)r, attempt, RNG_START};
    const RngStream radial = {start->options.seed, (uint32_t)r, attempt, RNG_START_RADIAL};
    double uniform;

    RngNormal(normals, (uint64_t)i * (uint64_t)dim, (size_t)dim, x);
    RngUniform(radial, (uint64_t)i, 1, &uniform);
    if (start->law->attempt(&start->options, dim, uniform, x)) PetscFunctionReturn(0);
  }
  SETERRQ(PETSC_COMM_SELF, PETSC_ERR_PLIB, "tokens_init = %s: no accepted sample for token %" PetscInt64_FMT,
          start->law->name, i);
}

PetscErrorCode StartPlace(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const PetscInt64 first = (PetscInt64)(layout->first + b) * layout->block;
  const StartLaw *law = start->law;
  double *token, *work;

  PetscFunctionBeginUser;
  if (law->place) {
    PetscCall(law->place(start, layout, r, b, x));
    PetscFunctionReturn(0);
  }
  PetscCall(PetscMalloc2(layout->dim, &token, layout->dim, &work));
  for (PetscInt t = 0; t < TokensFilled(layout, b); t++) {
    PetscCall(Sample(start, r, first + t, layout->dim, token));
    if (law->finish) law->finish(&start->options, r, first + t, layout->dim, token, work);
    for (PetscInt c = 0; c < layout->dim; c++) x[c * layout->block + t] = token[c];
  }
  PetscCall(PetscFree2(token, work));
  PetscFunctionReturn(0);
}

static const StartLaw uniform = {.name = "uniform", .place = PlaceUniform};
static const StartLaw *const registry[] = {&uniform,       &StartQuadrature,  &StartFisher, &StartClusters,
                                           &StartHarmonic, &StartEquiangular, &StartFile};

const char *StartLawName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(registry) ? registry[i]->name : NULL;
}

PetscErrorCode StartCreate(Tokens tokens, const StartOptions *options, Start *handle) {
  TokensLayout layout;
  Start start;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscNew(&start));
  start->options = *options;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(registry) && !start->law; i++) {
    PetscBool same;

    PetscCall(PetscStrcmp(options->init, registry[i]->name, &same));
    if (same) start->law = registry[i];
  }
  PetscCheck(start->law, layout.comm, PETSC_ERR_USER_INPUT, "tokens_init = %s: there is no such initial law",
             options->init);
  if (start->law->setup) PetscCall(start->law->setup(start, &layout));
  *handle = start;
  PetscFunctionReturn(0);
}

PetscErrorCode StartCreateRule(Tokens tokens, Start *start) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(StartCreateQuadrature(&layout, start));
  PetscFunctionReturn(0);
}

PetscErrorCode StartDestroy(Start *start) {
  PetscFunctionBeginUser;
  if (!*start) PetscFunctionReturn(0);
  if ((*start)->law->destroy) PetscCall((*start)->law->destroy(*start));
  PetscCall(PetscFree(*start));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensStart(Tokens tokens, Start start, PetscInt r) {
  TokensLayout layout;
  Vec v;
  double *x, *weights, *radius;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  if (start->law->begin) PetscCall(start->law->begin(start, &layout, r));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    PetscCall(StartPlace(start, &layout, r, b, x + b * layout.dim * layout.block));
  PetscCall(VecRestoreArray(v, &x));
  PetscCall(TokensGetRadius(tokens, &radius));
  if (radius) PetscCall(TokensKeepRadius(tokens)); /* that of the realization before is over */
  PetscCall(TokensMove(tokens, 0, NULL));
  if (radius) PetscCall(TokensKeepRadius(tokens)); /* all begin at 1, wherever their law put them */
  if (start->law->weigh) {
    PetscCall(PetscCalloc1(layout.owned * layout.block, &weights));
    for (PetscInt b = 0; b < layout.owned; b++) start->law->weigh(start, &layout, b, weights + b * layout.block);
    PetscCall(TokensSetWeights(tokens, weights));
    PetscCall(PetscFree(weights));
  }
  PetscFunctionReturn(0);
}
