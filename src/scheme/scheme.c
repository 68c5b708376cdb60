#include <string.h>

#include "base/log.h"
#include "base/plan.h"
#include "scheme/impl.h"

#define ADDRESS(name) &SCHEME_TYPE(name)
static const SchemeType *const types[] = {SCHEMES(ADDRESS)};
static PetscLogEvent step_event;

static const char *TypeName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(types) ? types[i]->name : NULL;
}

/* The first one is that of the paper. */
static const SchemeNorm norms[] = {
    {"post", NULL, PETSC_FALSE, PETSC_FALSE, PETSC_FALSE},
    {"pre", "z = r x, branches add to z and read x = LN(z)", PETSC_TRUE, PETSC_FALSE, PETSC_FALSE},
    {"peri", "z = r x, branches add their normalised outputs to z and read x = LN(z)", PETSC_TRUE, PETSC_TRUE,
     PETSC_FALSE},
    {"ngpt", "branches add their normalised outputs, attention's times alpha", PETSC_FALSE, PETSC_TRUE, PETSC_FALSE},
    {"depth", "branches add their outputs over sqrt(t + 1)", PETSC_FALSE, PETSC_FALSE, PETSC_TRUE},
};

/* The keys of a section stand together, so that of the noise comes first, behind NoiseKeys. */
const OptionKey SchemeKeys[] = {
    CHOICE_KEY(SchemeOptions, at, "noise_at", "tokens", .words = OPTION_WORDS("tokens", "barycentre"),
               .needs = {{"noise_type", "!none"}},
               .help = "Where noise mlp or values is asked for: at the tokens; or at barycentre, the output of softmax "
                       "attention with V = I, as a transformer does whose MLP reads attention's output."),
    CHOICE_KEY(SchemeOptions, type, "scheme_type", "layer", .choices = TypeName,
               .help = "One step of the tokens: layer, the transformer's attention, MLP and layer norm; for the limit "
                       "SDE euler (Ito), heun and flow (Stratonovich; flow is RK4 with the field frozen)."),
    CHOICE_KEY(
        SchemeOptions, norm, "scheme_norm", "post", .words = OPTION_WORDS("post", "pre", "peri", "ngpt", "depth"),
        .help = "Where the norm stands: post, after every branch, as in the paper; pre, before it, so that tokens "
                "have a length; peri, before and behind it; ngpt, after it and on the sum; depth, as post with "
                "branches over sqrt(t + 1)."),
    REAL_KEY(SchemeOptions, alpha, "scheme_alpha", "1", 0, 1e6, "-", .above = PETSC_TRUE,
             .needs = {{"scheme_norm", "ngpt"}, {"attention_type", "!none"}},
             .help = "Factor of attention's normalised output."),
    {.name = NULL}};

PetscErrorCode SchemeOptionsRead(SchemeOptions *options) {
  PetscFunctionBeginUser;
  *options = (SchemeOptions){.tol = 0};
  PetscCall(DeckRead(SchemeKeys, options));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeCreate(Tokens tokens, const SchemeOptions *options, Scheme *handle) {
  TokensLayout layout;
  PetscMPIInt size;
  Scheme scheme;
  PetscBool barycentre;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("SchemeStep", &step_event));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscNew(&scheme));
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(options->type, types[i]->name)) scheme->type = types[i];
  PetscCheck(scheme->type, layout.comm, PETSC_ERR_USER_INPUT, "scheme_type = %s: there is no such scheme",
             options->type);
  scheme->norm = &norms[0];
  for (size_t i = 0; options->norm && i < PETSC_STATIC_ARRAY_LENGTH(norms); i++)
    if (!strcmp(options->norm, norms[i].name)) scheme->norm = &norms[i]; /* the deck knows no other */
  scheme->alpha = !strcmp(scheme->norm->name, "ngpt") ? options->alpha : 1;
  scheme->tol = options->tol;
  if (scheme->norm->radius) PetscCall(TokensKeepRadius(tokens));
  barycentre = options->at && !strcmp(options->at, "barycentre") ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(
      !barycentre || scheme->type->barycentre, layout.comm, PETSC_ERR_USER_INPUT,
      "noise_at = barycentre: scheme_type must be layer or euler; %s has another limit than layers of noise there",
      options->type);
  scheme->comm = layout.comm;
  scheme->dim = layout.dim;
  if (scheme->type->pieces)
    PetscCall(PetscMalloc1((size_t)scheme->type->works * SCHEME_PIECE * layout.dim * layout.block, &scheme->piece));
  else
    PetscCall(SchemeWork(scheme, tokens));
  if (scheme->type->inner) PetscCall(TokensDuplicate(tokens, &scheme->inner));
  for (int i = 0; i < 2 && scheme->tol > 0; i++) PetscCall(TokensDuplicate(tokens, &scheme->trial[i]));
  if (barycentre) PetscCall(TokensDuplicate(tokens, &scheme->mean));
  PetscCall(PlanSize(scheme->comm, &size));
  const PetscReal most = (PetscReal)((layout.blocks + size - 1) / size) * layout.block; /* tokens of a rank */
  scheme->bytes = most *
                  (scheme->type->works * layout.dim + (scheme->inner || scheme->mean ? layout.dim + 1 : 0) +
                   (scheme->norm->radius ? 2 : 0) + (scheme->tol > 0 ? 2 * layout.dim + 2 : 0)) *
                  sizeof(double);
  scheme->least = (PetscReal)scheme->type->works * SCHEME_PIECE * layout.dim * layout.block * sizeof(double);
  *handle = scheme;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeDestroy(Scheme *scheme) {
  PetscFunctionBeginUser;
  if (!*scheme) PetscFunctionReturn(0);
  for (int i = 0; i < SCHEME_WORK_MAX; i++) PetscCall(VecDestroy(&(*scheme)->work[i]));
  PetscCall(PetscFree((*scheme)->piece));
  PetscCall(SchemeJointDestroy(*scheme));
  PetscCall(TokensDestroy(&(*scheme)->inner));
  for (int i = 0; i < 2; i++) PetscCall(TokensDestroy(&(*scheme)->trial[i]));
  PetscCall(TokensDestroy(&(*scheme)->mean));
  PetscCall(PetscFree(*scheme));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeBrief(Scheme scheme, size_t room, char text[]) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(text, room, "scheme %s%s%s%s", scheme->type->name, scheme->norm->description ? ", norm " : "",
                          scheme->norm->description ? scheme->norm->name : "",
                          scheme->mean ? ", noise at barycentres" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeView(Scheme scheme) {
  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(scheme->comm, "scheme     %s, %s\n           per rank: %.3g MB memory", scheme->type->name,
                        scheme->type->description, (double)scheme->bytes / 1e6));
  if (scheme->type->pieces && !scheme->mean && scheme->least < scheme->bytes && !scheme->norm->unit &&
      !scheme->norm->radius)
    PetscCall(PetscPrintf(scheme->comm, ", or %.3g MB with fields of harmonics alone", (double)scheme->least / 1e6));
  PetscCall(PetscPrintf(scheme->comm, "\n"));
  if (scheme->mean) PetscCall(PetscPrintf(scheme->comm, "           noise at barycentres: G(m(x)) in place of G(x)\n"));
  if (scheme->tol > 0)
    PetscCall(
        PetscPrintf(scheme->comm, "           substeps with an error of at most %.3g per time\n", (double)scheme->tol));
  if (scheme->norm->description)
    PetscCall(PetscPrintf(scheme->comm, "           norm %s: %s\n", scheme->norm->name, scheme->norm->description));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeSetTime(Scheme scheme, PetscReal time) {
  PetscFunctionBeginUser;
  scheme->time = time;
  if (time == 0) scheme->substep = 0;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeGetSubstep(Scheme scheme, PetscReal **substep) {
  PetscFunctionBeginUser;
  *substep = scheme->tol > 0 ? &scheme->substep : NULL;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeGetStages(Scheme scheme, PetscInt *stages) {
  PetscFunctionBeginUser;
  *stages = scheme->type->stages;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeGetBytes(Scheme scheme, PetscBool joint, PetscReal *bytes) {
  PetscFunctionBeginUser;
  *bytes = joint && scheme->type->pieces ? scheme->least : scheme->bytes;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeCheck(Scheme scheme, Noise noise, PetscReal dt) {
  PetscReal k1 = 0;

  PetscFunctionBeginUser;
  if (scheme->mean) PetscCall(NoiseCheckBall(noise));
  if (!scheme->type->check && scheme->tol == 0) PetscFunctionReturn(0);
  PetscCall(NoiseGetVariance(noise, &k1));
  PetscCheck(k1 == 0 || scheme->tol == 0, scheme->comm, PETSC_ERR_USER_INPUT,
             "layers_adaptive = %.6g: must be 0 with noise, whose steps are layers", (double)scheme->tol);
  if (scheme->type->check && !scheme->mean) PetscCall(scheme->type->check(scheme, k1, dt));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeSetWatcher(Scheme scheme, SchemeWatcher watcher, void *context) {
  PetscFunctionBeginUser;
  scheme->watcher = watcher;
  scheme->watching = context;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  PetscFunctionBeginUser;
  PetscCheck(dt > 0, scheme->comm, PETSC_ERR_ARG_OUTOFRANGE, "step of size %.6g: must be positive", (double)dt);
  PetscCall(PetscLogEventBegin(step_event, 0, 0, 0, 0));
  scheme->watched = PETSC_FALSE;
  PetscCall(scheme->type->step(scheme, attention, field, dt, tokens));
  PetscCall(PetscLogEventEnd(step_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}
