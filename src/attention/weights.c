/* General weights from an HDF5 file: heads/<h>, the same in every layer. */

#include "attention/impl.h"

static PetscErrorCode ReadHeads(Attention attention, Hdf hdf, const char *group) {
  char path[PETSC_MAX_PATH_LEN], **names;

  PetscFunctionBeginUser;
  PetscCall(HdfList(hdf, group, &attention->heads, &names));
  PetscCheck(attention->heads > 0, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group '%s' must hold at least one head <h>/{Q,K,V}", attention->file, group);
  PetscCall(PetscCalloc1(attention->heads, &attention->head));
  for (PetscInt h = 0; h < attention->heads; h++) {
    PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, names[h]));
    PetscCall(AttentionHeadRead(attention, hdf, path, &attention->head[h]));
    PetscCall(PetscFree(names[h]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsRead(Attention attention) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(attention->layout.comm, attention->file, "r", "attention_weights", &hdf));
  code = ReadHeads(attention, hdf, "heads");
  PetscCall(HdfClose(&hdf)); /* HDF5 would close an open file after MPI_Finalize, and fail */
  PetscCall(code);
  PetscFunctionReturn(0);
}

/* "4", or "2 to 9" */
static PetscErrorCode Range(const PetscInt most[2], size_t room, char *text) {
  PetscFunctionBeginUser;
  if (most[0] == most[1])
    PetscCall(PetscSNPrintf(text, room, "%" PetscInt_FMT, most[0]));
  else
    PetscCall(PetscSNPrintf(text, room, "%" PetscInt_FMT " to %" PetscInt_FMT, most[0], most[1]));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsView(Attention attention) {
  PetscInt rows[2][2] = {{PETSC_MAX_INT, 0}, {PETSC_MAX_INT, 0}};
  PetscBool out = PETSC_FALSE, biased = PETSC_FALSE;
  char text[2][64];

  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < attention->heads; h++) {
    const AttentionHead *head = &attention->head[h];

    for (int i = 0; i < 2; i++) {
      rows[i][0] = PetscMin(rows[i][0], head->ranks[i]);
      rows[i][1] = PetscMax(rows[i][1], head->ranks[i]);
    }
    out = out || head->out ? PETSC_TRUE : PETSC_FALSE;
    biased = biased || head->biased ? PETSC_TRUE : PETSC_FALSE;
  }
  for (int i = 0; i < 2; i++) PetscCall(Range(rows[i], sizeof(text[i]), text[i]));
  PetscCall(PetscPrintf(attention->layout.comm,
                        "           %" PetscInt_FMT " heads from %s: Q, K %s x %" PetscInt_FMT ", V %s x %" PetscInt_FMT
                        "%s%s\n",
                        attention->heads, attention->file, text[0], attention->layout.dim, text[1],
                        attention->layout.dim, out ? " with O" : "", biased ? ", biases" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsDestroy(Attention attention) {
  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < attention->heads; h++) PetscCall(AttentionHeadDestroy(&attention->head[h]));
  PetscCall(PetscFree(attention->head));
  PetscCall(PetscFree(attention->random.normals));
  PetscFunctionReturn(0);
}
