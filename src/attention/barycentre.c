/* Barycentres m(x_i) = sum_j w_j e^{beta <x_i,x_j>} x_j / sum_j w_j e^{beta <x_i,x_j>}, where noise may be asked for:
 * NEIGHBOURS.md (12.2). They are softmax attention with V = I, which the drift makes anyway when it is softmax. */
#include "attention/impl.h"

static PetscBool OfDrift(Attention attention) {
  return attention->type->rate == 1 && attention->type->form == FORM_NORMALIZED && attention->value != 0 ? PETSC_TRUE
                                                                                                         : PETSC_FALSE;
}

PetscErrorCode AttentionBarycentreSetUp(Attention attention) {
  PetscBool none, softmax;

  PetscFunctionBeginUser;
  none = attention->type->rate == 0 ? PETSC_TRUE : PETSC_FALSE;
  softmax = attention->type->rate == 1 && attention->type->form == FORM_NORMALIZED ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(none || softmax, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "noise_at = barycentre: barycentres are those of softmax; attention_type must be softmax or none, not %s",
             attention->type->name);
  PetscCheck(!attention->heads, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "noise_at = barycentre: barycentres are those of Q = K = sqrt(beta) I; take no attention_weights");
  PetscCheck(
      !attention->causal || OfDrift(attention), attention->layout.comm, PETSC_ERR_USER_INPUT,
      "noise_at = barycentre: with attention_mask causal barycentres are made by the drift, whose attention_value "
      "must not be 0");
  if (!OfDrift(attention)) PetscCall(AttentionSoftmax(attention));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionBarycentre(Attention attention, Tokens tokens, Vec mean) {
  PetscFunctionBeginUser;
  PetscCall(AttentionBarycentreSetUp(attention));
  if (OfDrift(attention)) {
    PetscCall(AttentionEvaluate(attention, tokens, mean));
    PetscCall(VecScale(mean, 1 / attention->value));
  } else {
    PetscCall(AttentionEvaluate(attention->softmax, tokens, mean));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionBarycentreGetCost(Attention attention, PetscReal *flops, PetscReal *bytes) {
  PetscReal travel;

  PetscFunctionBeginUser;
  *bytes = 0;
  if (OfDrift(attention))
    PetscCall(AttentionGetCost(attention, flops, &travel, bytes));
  else
    PetscCall(AttentionGetCost(attention->softmax, flops, &travel, bytes));
  if (OfDrift(attention)) *bytes = 0; /* that of the drift */
  PetscFunctionReturn(0);
}
