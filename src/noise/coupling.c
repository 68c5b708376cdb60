/* Fields of finite width coupled to a limit field (THEORY.md (3.5)). */
#include "noise/coupling_impl.h"

#include <string.h>

static const CouplingType *const types[] = {&CouplingTypeTokens, &CouplingTypeHarmonics, &CouplingTypeNone};

static const char *TypeName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(types) ? types[i]->name : NULL;
}

const OptionKey CouplingKeys[] = {
    CHOICE_KEY(CouplingOptions, type, "limits_coupling", "tokens", .choices = TypeName,
               .needs = {{"mlp_width", "!inf"}},
               .help = "How finite widths share the random numbers of the limit: tokens, by square roots of Gram "
                       "matrices at the tokens; harmonics, by those of the coefficients' covariance, with the "
                       "activation cut off at noise_degree; none, by nothing."),
    {.name = NULL}};

PetscErrorCode CouplingOptionsRead(CouplingOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(CouplingKeys, options));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingCreate(Noise limit, const CouplingOptions *options, Coupling *handle) {
  const PetscBool spectral = limit->type == &NoiseTypeSpectral ? PETSC_TRUE : PETSC_FALSE;
  const char *name = options->type;
  Coupling coupling;

  PetscFunctionBeginUser;
  PetscCheck(spectral || limit->type == &NoiseTypeGram, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "noise_type = %s: the limit of infinite width must be spectral or gram here", limit->type->name);
  PetscCall(PetscNew(&coupling));
  coupling->limit = limit;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(name, types[i]->name)) coupling->type = types[i];
  PetscCheck(coupling->type, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "limits_coupling = %s: there is no such coupling",
             name);
  PetscCheck(spectral || !coupling->type->spectral, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "limits_coupling = %s: needs noise_type spectral, noise_type %s couples at the tokens", name,
             limit->type->name);
  PetscCheck(
      limit->weights == RNG_GAUSSIAN || coupling->type->any, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
      "mlp_weights = %s: limits_coupling %s needs gaussian weights W, whose normals are those of the limit; none "
      "takes any",
      NoiseWeightsName(limit->weights), name);
  PetscCall(coupling->type->create(coupling));
  *handle = coupling;
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingDestroy(Coupling *coupling) {
  PetscFunctionBeginUser;
  if (!*coupling) PetscFunctionReturn(0);
  PetscCall(FieldDestroy(&(*coupling)->made));
  if ((*coupling)->type->destroy) PetscCall((*coupling)->type->destroy(*coupling));
  PetscCall(PetscFree(*coupling));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingView(Coupling coupling, MPI_Comm comm) {
  PetscFunctionBeginUser;
  PetscCall(coupling->type->view(coupling, comm));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingCheckCount(Coupling coupling, PetscInt64 count) {
  PetscFunctionBeginUser;
  PetscCheck(coupling->type->most == 0 || count <= coupling->type->most, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": must be at most %" PetscInt_FMT " for limits_coupling %s", count,
             coupling->type->most, coupling->type->name);
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingDraw(Coupling coupling, PetscInt realization, PetscInt step, PetscInt width, Field limit,
                            Field *field) {
  const CouplingKey key = {.noise = coupling->limit, .realization = realization, .step = step, .width = width};

  PetscFunctionBeginUser;
  PetscCheck(limit->noise == coupling->limit, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "CouplingDraw for the field of another limit");
  PetscCheck(width >= 1 && realization >= 0 && step >= 0 && limit->drawn, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "CouplingDraw needs a width, a key and a limit field that is drawn");
  PetscCall(coupling->type->draw(coupling, &key, limit));
  coupling->made->drawn = PETSC_TRUE;
  *field = coupling->made;
  PetscFunctionReturn(0);
}
