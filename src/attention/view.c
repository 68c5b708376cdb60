/* What attention is, how exact and at what cost, in words. */
#include "attention/impl.h"

#include <string.h>

/* What is not as usual of the energy. */
static PetscErrorCode ViewEnergy(Attention attention) {
  const Attention gauge = attention->gauge;

  PetscFunctionBeginUser;
  if (gauge)
    PetscCall(PetscPrintf(attention->layout.comm, "           energy at beta %.6g, engine %s\n", (double)gauge->beta,
                          gauge->engine->name));
  if (strcmp(AttentionEnergyUnit((gauge ? gauge : attention)->beta), "1"))
    PetscCall(PetscPrintf(attention->layout.comm,
                          "           energy as E_beta e^{-beta}: e^beta is beyond double precision\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionBrief(Attention attention, size_t room, char model[], char accuracy[]) {
  char value[32] = "", heads[32] = "";
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  PetscCall(PetscStrncpy(accuracy, "", room));
  PetscCall(PetscStrncpy(model, "no attention", room));
  if (zero) PetscFunctionReturn(0);
  if (attention->value != 1) PetscCall(PetscSNPrintf(value, sizeof(value), ", value %.6g", (double)attention->value));
  if (attention->heads > 1)
    PetscCall(PetscSNPrintf(heads, sizeof(heads), ", %" PetscInt_FMT " heads", attention->heads));
  PetscCall(PetscSNPrintf(model, room, "%s%s attention%s, beta %.6g%s%s", attention->causal ? "causal " : "",
                          attention->type->name, attention->file[0] ? " with weights" : "", (double)attention->beta,
                          value, heads));
  PetscCall(AttentionEngineBrief(attention, room, accuracy));
  if (strcmp(AttentionEnergyUnit((attention->gauge ? attention->gauge : attention)->beta), "1"))
    PetscCall(PetscStrlcat(accuracy, "; energy as E_beta e^{-beta}", room));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionView(Attention attention) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  if (zero)
    PetscCall(PetscPrintf(attention->layout.comm, "attention  none; energy at beta %.6g, engine %s\n",
                          (double)attention->beta, attention->engine->name));
  else
    PetscCall(PetscPrintf(attention->layout.comm, "attention  %s, engine %s, beta %.6g, value %.6g\n",
                          attention->type->name, attention->engine->name, attention->beta, attention->value));
  if (!zero) PetscCall(PetscPrintf(attention->layout.comm, "           Att(x) = %s\n", attention->type->formula));
  if (!zero && attention->heads && attention->type->form == FORM_SINKHORN)
    PetscCall(PetscPrintf(attention->layout.comm,
                          "           of each head, with e^{f(x)} and e^{g(x_j)} in place of a(x) and a(x_j)\n"));
  if (attention->causal)
    PetscCall(PetscPrintf(attention->layout.comm, "           mask causal: at token i the sums are over j <= i\n"));
  if (attention->random.normals)
    PetscCall(PetscPrintf(
        attention->layout.comm,
        "           %" PetscInt_FMT " heads drawn in every step: Q, K%s, %" PetscInt_FMT " x %" PetscInt_FMT "\n",
        attention->heads, attention->random.value ? ", V" : "", attention->random.dim, attention->layout.dim));
  else if (attention->file[0])
    PetscCall(AttentionWeightsView(attention));
  PetscCall(ViewEnergy(attention));
  PetscCall(AttentionEngineView(attention, zero));
  PetscFunctionReturn(0);
}
