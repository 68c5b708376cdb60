/* Where a file came from: version, git revision, compiler, flags, library versions, ranks, host, date, command line. */
#ifndef CHORALE_PROVENANCE_H
#define CHORALE_PROVENANCE_H

#include <petscsys.h>

/* Remembers the command line; call once at start. Not collective. */
PetscErrorCode ProvenanceSetCommandLine(int argc, char **argv);
/* Calls visit(name, value, context) for each attribute of /provenance. Values are text. Not collective. */
PetscErrorCode ProvenanceVisit(PetscErrorCode (*visit)(const char *name, const char *value, void *context),
                               void *context);
/* The lines of chorale --version. Not collective; prints to stdout. */
PetscErrorCode ProvenancePrintVersion(void);

#endif
