/* Where a file came from: version, git revision, compiler, flags, library versions, ranks, host, date, command line. */
#ifndef CHORALE_IO_PROVENANCE_H
#define CHORALE_IO_PROVENANCE_H

#include <petscsys.h>

#define PROVENANCE_TEXT 8192 /* room that a value takes at most */

/* Remembers the command line, as DeckParse was given it. Not collective. */
PetscErrorCode ProvenanceSetCommandLine(int argc, char **argv);
/* Reads the files that tokens_file and attention_weights name, where they are there, and remembers their CRC-32. Call
 * once after the deck is read. Collective. */
PetscErrorCode ProvenanceReadInputs(void);
/* The CRC-32 of the file that this key names as 8 hexadecimal digits, empty for none. Not collective. */
const char *ProvenanceInput(const char *key);
/* Of chorale. Not collective. */
const char *ProvenanceVersion(void);
/* Calls visit(name, value, context) for each attribute of /provenance. Values are text. Not collective. */
PetscErrorCode ProvenanceVisit(PetscErrorCode (*visit)(const char *name, const char *value, void *context),
                               void *context);
/* The lines of chorale --version. Not collective; prints to stdout. */
PetscErrorCode ProvenancePrintVersion(void);

#endif
