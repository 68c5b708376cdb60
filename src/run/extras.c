#include "run/extras.h"

#include <string.h>

#include "base/log.h"

#define ADDRESS(name) &EXTRA_NAME(name)
static const Extra *const kinds[] = {EXTRAS(ADDRESS)};

struct _p_Extras {
  PetscInt count;
  const Extra *kind[PETSC_STATIC_ARRAY_LENGTH(kinds)];
  Quantity quantity[PETSC_STATIC_ARRAY_LENGTH(kinds)];
};

const OptionKey ExtrasKeys[] = {
    INT_KEY(ExtrasOptions, modes, "output_modes", "0", 0, 1024, "degrees", .whole = PETSC_TRUE,
            .help =
                "Adds modes: the amplitude sum_ij w_i w_j P_n(<x_i,x_j>) of each degree n from 1 to this one, which "
                "is 1 for a cluster and 0 for the uniform law."),
    FLAG_KEY(ExtrasOptions, radius, "output_radius", .needs = {{"scheme_norm", "pre|peri"}},
             .help = "Adds radius: the mean length of the tokens' vectors."),
    FLAG_KEY(ExtrasOptions, clusters, "output_clusters",
             .help = "Adds clusters_all: the connected components of the graph <x_i,x_j> > 0.99 on all tokens, where "
                     "clusters has the first 4096."),
    FLAG_KEY(ExtrasOptions, focus, "output_attention", .needs = {{"attention_weights", "!random"}},
             .help = "Adds attention_entropy and attention_largest, means over the tokens of the entropy (nats) of "
                     "their attention weights and of the largest one, for attention_type softmax or l2; visits all "
                     "pairs of tokens in every frame."),
    {.name = NULL}};

PetscErrorCode ExtrasOptionsRead(ExtrasOptions *options) {
  char mask[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckRead(ExtrasKeys, options));
  PetscCall(DeckReadText(AttentionKeys, "attention_mask", mask));
  PetscCall(DeckReadText(AttentionKeys, "attention_type", options->type));
  PetscCall(AttentionOptionsRead(&options->attention));
  options->causal = !strcmp(mask, "causal") ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasCreate(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Extras *handle) {
  Extras extras;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&extras));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(kinds); i++) {
    Quantity *quantity = &extras->quantity[extras->count];
    *quantity = (Quantity){.kind = QUANTITY_OBSERVABLE};
    PetscCall(kinds[i]->declare(count, dim, options, quantity));
    if (quantity->name) extras->kind[extras->count++] = kinds[i];
  }
  *handle = extras;
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasDestroy(Extras *extras) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(*extras));
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasDeclare(Extras extras, Results results) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < extras->count; i++) PetscCall(ResultsDeclare(results, &extras->quantity[i]));
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasView(Extras extras, Tokens tokens) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < extras->count; i++)
    if (extras->kind[i]->view) PetscCall(extras->kind[i]->view(tokens));
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasGetSize(Extras extras, PetscInt *size) {
  PetscFunctionBeginUser;
  *size = 0;
  for (PetscInt i = 0; i < extras->count; i++) *size += QuantitySize(&extras->quantity[i]);
  PetscFunctionReturn(0);
}

PetscErrorCode ExtrasEvaluate(Extras extras, Tokens tokens, Attention attention, PetscReal values[]) {
  static PetscLogEvent event = 0;

  PetscFunctionBeginUser;
  if (!extras->count) PetscFunctionReturn(0);
  PetscCall(LogEvent("Extras", &event));
  PetscCall(PetscLogEventBegin(event, 0, 0, 0, 0));
  for (PetscInt i = 0; i < extras->count; i++) {
    PetscCall(extras->kind[i]->evaluate(&extras->quantity[i], tokens, attention, values));
    values += QuantitySize(&extras->quantity[i]);
  }
  PetscCall(PetscLogEventEnd(event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}
