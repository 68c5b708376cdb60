#include "run/origin.h"

#include "io/provenance.h"
#include <chorale/deck.h>

#include <string.h>

typedef struct {
  Hdf hdf;
  MPI_Comm world;
} Attributes;

static PetscErrorCode WriteParameter(const char *key, const char *value, void *context) {
  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString(((Attributes *)context)->hdf, "/parameters", key, value));
  PetscFunctionReturn(0);
}

/* Host and date differ between ranks, but HDF5 wants the same from all: rank 0 speaks. */
static PetscErrorCode WriteProvenance(const char *name, const char *value, void *context) {
  const Attributes *a = (const Attributes *)context;
  int length = (int)strlen(value) + 1;
  PetscMPIInt rank;
  char *text;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(a->world, &rank));
  PetscCallMPI(MPI_Bcast(&length, 1, MPI_INT, 0, a->world));
  PetscCall(PetscMalloc1(length, &text));
  if (!rank) memcpy(text, value, (size_t)length);
  PetscCallMPI(MPI_Bcast(text, length, MPI_CHAR, 0, a->world));
  PetscCall(HdfAttributeString(a->hdf, "/provenance", name, text));
  PetscCall(PetscFree(text));
  PetscFunctionReturn(0);
}

PetscErrorCode OriginWrite(MPI_Comm comm, PetscBool complete, Hdf hdf) {
  Attributes context = {hdf, comm};
  char *deck;

  PetscFunctionBeginUser;
  PetscCall(DeckVisit(WriteParameter, &context));
  PetscCall(DeckText(&deck));
  PetscCall(HdfWriteString(hdf, "/parameters/deck", deck));
  PetscCall(PetscFree(deck));
  PetscCall(ProvenanceVisit(WriteProvenance, &context));
  PetscCall(HdfAttributeString(hdf, "/provenance", "complete", complete ? "true" : "false"));
  PetscFunctionReturn(0);
}
