/* Do the sums in hand serve? And the errors of what they make. */
#include <petsc/private/petscimpl.h> /* PetscObjectStateGet */

#include "attention/impl.h"

PetscErrorCode AttentionCompare(Tokens tokens, const AttentionStamp *stamp, AttentionStamp *now, PetscBool *stale) {
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(PetscObjectGetId((PetscObject)x, &now->id));
  PetscCall(PetscObjectStateGet((PetscObject)x, &now->state)); /* new weights count, too, see tokens.h */
  *stale = stamp->id == now->id && stamp->state == now->state ? PETSC_FALSE : PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionUpdateSums(Attention attention, Tokens tokens) {
  PetscBool stale = PETSC_TRUE;
  AttentionStamp now;

  PetscFunctionBeginUser;
  PetscCall(AttentionCompare(tokens, &attention->stamp, &now, &stale));
  if (!stale) PetscFunctionReturn(0);
  PetscCall(AttentionFindBlind(attention, tokens));
  PetscCall(attention->engine->sum(attention, tokens, NULL, PETSC_FALSE));
  attention->stamp = now;
  PetscFunctionReturn(0);
}

/* The error of the sums of one attention, in the units of its field, and of sum_ij w_i w_j (1 - e^{..}). */
static PetscErrorCode Measure(Attention attention, Tokens tokens, AttentionError *error) {
  PetscFunctionBeginUser;
  *error = (AttentionError){0};
  if (attention->engine != &AttentionMixture) PetscFunctionReturn(0);
  PetscCall(AttentionUpdateSums(attention, tokens));
  PetscCall(AttentionMixtureError(attention, tokens, error));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetError(Attention attention, Tokens tokens, AttentionError *error) {
  const Attention energy = attention->gauge ? attention->gauge : attention;
  AttentionStamp now;
  PetscBool stale = PETSC_TRUE;
  AttentionError other;

  PetscFunctionBeginUser;
  PetscCall(AttentionCompare(tokens, &attention->error_stamp, &now, &stale));
  if (stale) {
    PetscCall(Measure(attention, tokens, &attention->error));
    if (attention->gauge) {
      PetscCall(Measure(attention->gauge, tokens, &other));
      attention->error.energy = other.energy;
    }
    attention->error.energy = fabs(0.5 * AttentionEnergyScale(energy->beta) * attention->error.energy);
    attention->error_stamp = now;
  }
  *error = attention->error;
  PetscFunctionReturn(0);
}
