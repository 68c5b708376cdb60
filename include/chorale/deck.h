/* The deck: every parameter of a run, from YAML files and command-line options, checked against one table of keys.
 *
 *     chorale STUDY [DECK.yaml ...] [-option value ...]        later wins: decks in order, then options
 *
 * Nested YAML keys join with '_' into PETSc options (tokens: {count: 64} is -tokens_count 64). The table
 * (src/io/deck_keys.c) gives each key its type, default, range, unit, help text and the studies that read it; -help,
 * the checks, /parameters and the values that objects read all come from it. Bad input is refused in one line on stderr
 * and exit code 2: DeckParse and every object report it as PETSC_ERR_USER_INPUT, see ErrorHandlerPush.
 *
 * All functions are collective on PETSC_COMM_WORLD in the sense that every rank must call them alike and gets the same
 * answer. */
#ifndef CHORALE_DECK_H
#define CHORALE_DECK_H

#include <petscsys.h>

/* Reads decks and options into the PETSc options database and checks all of them for the study named in argv[1]:
 * unknown keys (with a did-you-mean), wrong types, ranges, choices, lists where a scalar is due, missing or malformed
 * files. */
PetscErrorCode DeckParse(int argc, char **argv, const char *study);

/* The options among argv[1..] that are PETSc's own (-log_view, -malloc_debug, ...; with their values) into chosen,
 * which has room for argc words; returns how many. They must be passed to PetscInitialize and to nothing else. May be
 * called before PetscInitialize. */
int DeckPetscArguments(int argc, char **argv, char **chosen);

/* Is the word -help, --help or -h? Does it stand in argv[2..] where an option may stand, not as the value of a key? */
PetscBool DeckIsHelp(const char *word);
PetscBool DeckAsksHelp(int argc, char **argv);

/* Values of checked keys, or the default of the table. A key that the table does not have is a programming error. */
PetscErrorCode DeckGetInt(const char *key, PetscInt64 *value);
PetscErrorCode DeckGetReal(const char *key, PetscReal *value);
PetscErrorCode DeckGetFlag(const char *key, PetscBool *value);
/* Strings and choices; value has room for PETSC_MAX_PATH_LEN characters. An unset string is empty. */
PetscErrorCode DeckGetString(const char *key, char *value);
/* Was the key given by the user (in a deck or as an option)? */
PetscErrorCode DeckHas(const char *key, PetscBool *set);
/* Lists: *n is the room on entry, the count on return. A scalar is a list of one. */
PetscErrorCode DeckGetIntList(const char *key, PetscInt *n, PetscInt64 values[]);
PetscErrorCode DeckGetRealList(const char *key, PetscInt *n, PetscReal values[]);
/* Strings point into *storage, which the caller frees with PetscFree. */
PetscErrorCode DeckGetStringList(const char *key, PetscInt *n, const char *values[], char **storage);

/* The names that mlp_activation may take, each behind a '|'. The registry that has them defines it
 * (src/law/kernel/activation.c), a floor above the deck, which only refers to it. */
extern const char DeckChoicesOfActivation[];

/* Calls visit(key, value, context) for every key of the study in table order, with its resolved value as text. */
PetscErrorCode DeckVisit(const char *study, PetscErrorCode (*visit)(const char *key, const char *value, void *context),
                         void *context);
/* The resolved deck as YAML that runs as it stands. The caller frees *text with PetscFree. */
PetscErrorCode DeckText(const char *study, char **text);
/* -help: every key of the study with default, unit, range and meaning, on stdout of rank 0. */
PetscErrorCode DeckHelp(const char *study);
/* -dry_run: the resolved parameters on stdout of rank 0. */
PetscErrorCode DeckView(const char *study);

#endif
