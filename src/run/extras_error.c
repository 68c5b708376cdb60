/* How far attention is from the sums over all pairs, where a mixture of Gaussians makes it: NUMERICS.md 9.12. */
#include "run/extras.h"

#include <string.h>

/* Random heads are not drawn before the first step. */
static PetscBool Asked(const ExtrasOptions *options, PetscInt dim) {
  return AttentionMayMix(&options->attention, dim) && strcmp(options->attention.weights, ATTENTION_RANDOM)
             ? PETSC_TRUE
             : PETSC_FALSE;
}

/* An entry of AttentionError as an observable. */
#define ERROR(kind_, field_, name_, unit_, column_, description_)                                                      \
  static PetscErrorCode Declare##kind_(PetscInt64 count, PetscInt dim, const ExtrasOptions *options,                   \
                                       Quantity *quantity) {                                                           \
    PetscFunctionBeginUser;                                                                                            \
    (void)count;                                                                                                       \
    if (!Asked(options, dim)) PetscFunctionReturn(0);                                                                  \
    quantity->name = name_;                                                                                            \
    quantity->unit = unit_;                                                                                            \
    quantity->description = description_;                                                                              \
    quantity->column = column_;                                                                                        \
    PetscFunctionReturn(0);                                                                                            \
  }                                                                                                                    \
  static PetscErrorCode Evaluate##kind_(const Quantity *quantity, Tokens tokens, Attention attention,                  \
                                        PetscReal values[]) {                                                          \
    AttentionError error;                                                                                              \
                                                                                                                       \
    PetscFunctionBeginUser;                                                                                            \
    (void)quantity;                                                                                                    \
    PetscCall(AttentionGetError(attention, tokens, &error));                                                           \
    values[0] = error.field_;                                                                                          \
    PetscFunctionReturn(0);                                                                                            \
  }                                                                                                                    \
  const Extra Extra##kind_ = {.declare = Declare##kind_, .evaluate = Evaluate##kind_}

ERROR(Error, rms, "attention_error", "1/time", "attention_error",
      "rms error of Att at 256 tokens, against the sums over all; 0 where all pairs were visited");
ERROR(ErrorLargest, largest, "attention_error_largest", "1/time", NULL, "the largest of these errors of Att");
ERROR(Size, size, "attention_size", "1/time", NULL, "rms of Att at the same tokens, 0 where all pairs were visited");
ERROR(ErrorEnergy, energy, "energy_error", "1", NULL,
      "error of the energy, as those tokens tell; in the unit of the energy, without sign");
