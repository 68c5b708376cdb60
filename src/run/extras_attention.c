/* How spread out attention is, NEIGHBOURS.md (18.4): entropy and largest of the weights of a token. */
#include <string.h>

#include "run/extras.h"

static PetscErrorCode Declare(const ExtrasOptions *options, const char *name, const char *description,
                              Quantity *quantity) {
  PetscFunctionBeginUser;
  if (!options->focus) PetscFunctionReturn(0);
  PetscCheck(!strcmp(options->type, "softmax") || !strcmp(options->type, "l2"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "output_attention = true: needs attention_type softmax or l2, whose weights add up to 1, not %s",
             options->type);
  quantity->name = name;
  quantity->unit = "1";
  quantity->description = description;
  PetscFunctionReturn(0);
}

static PetscErrorCode DeclareEntropy(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  PetscCall(Declare(
      options, "attention_entropy",
      "mean over the tokens of the entropy of their attention weights, in nats; log N where all are alike", quantity));
  PetscFunctionReturn(0);
}

static PetscErrorCode DeclareLargest(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  PetscCall(Declare(options, "attention_largest", "mean over the tokens of their largest attention weight", quantity));
  PetscFunctionReturn(0);
}

static PetscErrorCode EvaluateEntropy(const Quantity *quantity, Tokens tokens, Attention attention,
                                      PetscReal values[]) {
  AttentionFocus focus;

  PetscFunctionBeginUser;
  (void)quantity;
  PetscCall(AttentionGetFocus(attention, tokens, &focus));
  values[0] = focus.entropy;
  PetscFunctionReturn(0);
}

static PetscErrorCode EvaluateLargest(const Quantity *quantity, Tokens tokens, Attention attention,
                                      PetscReal values[]) {
  AttentionFocus focus;

  PetscFunctionBeginUser;
  (void)quantity;
  PetscCall(AttentionGetFocus(attention, tokens, &focus));
  values[0] = focus.largest;
  PetscFunctionReturn(0);
}

const Extra ExtraEntropy = {.declare = DeclareEntropy, .evaluate = EvaluateEntropy};
const Extra ExtraLargest = {.declare = DeclareLargest, .evaluate = EvaluateLargest};
