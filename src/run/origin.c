#include "run/origin.h"

#include "io/provenance.h"
#include <chorale/deck.h>

typedef struct {
  Hdf hdf;
  MPI_Comm world;
} Attributes;

static PetscErrorCode WriteKey(const char *key, const char *value, void *context) {
  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString((Hdf)context, "/parameters", key, value));
  PetscFunctionReturn(0);
}

PetscErrorCode OriginWriteKeys(Hdf hdf) {
  PetscFunctionBeginUser;
  PetscCall(DeckVisit(WriteKey, hdf));
  PetscFunctionReturn(0);
}

/* Host and date differ between ranks, but HDF5 wants the same from all: rank 0 speaks. */
static PetscErrorCode WriteProvenance(const char *name, const char *value, void *context) {
  const Attributes *a = (const Attributes *)context;
  char text[PROVENANCE_TEXT];

  PetscFunctionBeginUser;
  PetscCall(PetscStrncpy(text, value, sizeof(text)));
  PetscCallMPI(MPI_Bcast(text, sizeof(text), MPI_CHAR, 0, a->world));
  PetscCall(HdfAttributeString(a->hdf, "/provenance", name, text));
  PetscFunctionReturn(0);
}

PetscErrorCode OriginWrite(MPI_Comm comm, PetscBool complete, Hdf hdf) {
  Attributes context = {hdf, comm};
  char *deck;

  PetscFunctionBeginUser;
  PetscCall(OriginWriteKeys(hdf));
  PetscCall(DeckText(&deck));
  PetscCall(HdfWriteString(hdf, "/parameters/deck", deck));
  PetscCall(PetscFree(deck));
  PetscCall(ProvenanceVisit(WriteProvenance, &context));
  PetscCall(HdfAttributeString(hdf, "/provenance", "complete", complete ? "true" : "false"));
  PetscFunctionReturn(0);
}
