/* The deck: every parameter of a run, from YAML files and command-line options.
 *
 *     chorale STUDY [DECK.yaml ...] [-option value ...]        later wins: decks in order, then options
 *
 * Nested YAML keys join with '_' into PETSc options (tokens: {count: 64} is -tokens_count 64). Whoever is configured by
 * keys declares them in a table beside the code that uses them, with a struct of options that DeckRead fills once:
 *
 *     const OptionKey SchemeKeys[] = {CHOICE_KEY(SchemeOptions, type, "scheme_type", "layer", ...), {.name = NULL}};
 *
 * A study lists the tables that it takes. -help, the checks, /parameters and the page of all keys follow from them. Bad
 * input is refused in one line on stderr and exit code 2, as PETSC_ERR_USER_INPUT, see ErrorHandlerPush.
 *
 * All functions are collective on PETSC_COMM_WORLD in the sense that every rank must call them alike and gets the same
 * answer. */
#ifndef CHORALE_DECK_H
#define CHORALE_DECK_H

#include <petscsys.h>
#include <stddef.h>

typedef enum {
  KEY_INT,    /* PetscInt64 */
  KEY_REAL,   /* PetscReal */
  KEY_CHOICE, /* const char *, one of the words */
  KEY_STRING, /* char[PETSC_MAX_PATH_LEN], empty when unset */
  KEY_FLAG    /* PetscBool */
} OptionType;

/* A condition: some key of these names has one of these values. Both are patterns as for names of files, separated by
 * '|'; '!' before them: none of them. Keys that a study does not read pose no condition. */
typedef struct {
  const char *key, *of;
} OptionNeed;
enum { OPTION_NEEDS = 3 };

typedef struct {
  const char *name;         /* section_key; the section is what stands before the first '_' */
  OptionType type;          /* of the value, or of each value of a list */
  size_t at;                /* offset of the value in the struct of options */
  const char *preset;       /* default as text, "" when unset */
  const char *shown;        /* what -help prints for an unset default */
  const char *const *words; /* the choices, ending with NULL; a number may be word i of them, read as -1 - i */
  const char *(*choices)(PetscInt i); /* the same from a registry, NULL past the end */
  /* Unless it is a list, a given number may be this and a number c > 0, which becomes settle(c, n), n the integer of
   * the key settle_by, when all decks and options are read. */
  const char *prefix, *settle_by;
  PetscReal (*settle)(PetscReal c, PetscReal n);
  PetscInt64 least, most;
  PetscReal low, high; /* closed, except low when above is set */
  PetscBool above;     /* real > low */
  const char *unit;
  PetscBool lists;                /* may be a list; read as a scalar it is the first value */
  PetscBool whole;                /* of the run as a whole: no sweep goes over it */
  PetscBool reads;                /* a file that is read, or a list of such files */
  PetscBool input;                /* one that results depend on: its checksum goes into /provenance */
  PetscBool question;             /* about a deck, not a part of it; has no section */
  OptionNeed needs[OPTION_NEEDS]; /* without which the key has no effect */
  /* The default where it depends on others; leaves value alone where it does not. */
  PetscErrorCode (*resolve)(MPI_Comm world, char *value, size_t size);
  const char *help, *note; /* note: what a study adds */
} OptionKey;

#define OPTION_WORDS(...)                                                                                              \
  (const char *const[]) {                                                                                              \
    __VA_ARGS__, NULL                                                                                                  \
  }
/* Rows of a table, which ends with {.name = NULL}. What follows the named fields are further ones, .help the least. */
#define INT_KEY(options, field, key, default_, min, max, unit_, ...)                                                   \
  {                                                                                                                    \
    .name = key, .type = KEY_INT, .at = offsetof(options, field), .preset = default_, .least = min, .most = max,       \
    .unit = unit_, __VA_ARGS__                                                                                         \
  }
#define REAL_KEY(options, field, key, default_, min, max, unit_, ...)                                                  \
  {                                                                                                                    \
    .name = key, .type = KEY_REAL, .at = offsetof(options, field), .preset = default_, .low = min, .high = max,        \
    .unit = unit_, __VA_ARGS__                                                                                         \
  }
#define CHOICE_KEY(options, field, key, default_, ...)                                                                 \
  { .name = key, .type = KEY_CHOICE, .at = offsetof(options, field), .preset = default_, .unit = "-", __VA_ARGS__ }
#define STRING_KEY(options, field, key, default_, ...)                                                                 \
  { .name = key, .type = KEY_STRING, .at = offsetof(options, field), .preset = default_, .unit = "-", __VA_ARGS__ }
#define FLAG_KEY(options, field, key, ...)                                                                             \
  { .name = key, .type = KEY_FLAG, .at = offsetof(options, field), .preset = "false", .unit = "-", __VA_ARGS__ }

/* Keys of a table that a study reads: names as in OptionNeed, NULL for all. */
typedef struct {
  const OptionKey *keys;
  const char *names;
} OptionGroup;

/* All that a study reads. */
typedef struct {
  const char *study;
  const OptionGroup *groups; /* ending with NULL */
  const OptionKey *changes;  /* what is different here: fields that are set replace those of the key; NULL or ending
                                with NULL */
  const char *idle;          /* names of keys that have no effect without `need`, or NULL */
  OptionNeed need;
  PetscBool single; /* it has no sweeps */
} OptionTable;

/* The keys in use become those of this study, or of none (NULL). tables(i) are those of all studies, NULL past the end.
 * Nothing of what was given before is forgotten but defaults that were resolved. */
PetscErrorCode DeckUse(const OptionTable *(*tables)(PetscInt i), const char *study);
/* Reads decks and options into the PETSc options database and checks all of them for the study in use: unknown keys
 * (with a did-you-mean), wrong types, ranges, choices, lists where a scalar is due, keys without effect, missing or
 * malformed files. */
PetscErrorCode DeckParse(int argc, char **argv);

/* The options among argv[1..] that are PETSc's own (-log_view, -malloc_debug, ...; with their values) into chosen,
 * which has room for argc words; returns how many. They must be passed to PetscInitialize and to nothing else. May be
 * called before PetscInitialize. */
int DeckPetscArguments(int argc, char **argv, char **chosen);

/* Is the word -help, --help or -h? Does it stand in argv[2..] where an option may stand, not as the value of a key? */
PetscBool DeckIsHelp(const char *word);
PetscBool DeckAsksHelp(int argc, char **argv);

/* Fills the struct of options that the keys of a table belong to; those that are lists in the table itself are left
 * out. With or without a study in use: programs that have no deck get the defaults. */
PetscErrorCode DeckRead(const OptionKey keys[], void *options);
/* The same for one key of a table, as text; value has room for PETSC_MAX_PATH_LEN characters. */
PetscErrorCode DeckReadText(const OptionKey keys[], const char *key, char *value);
/* Does the key name a file, or files, that the study reads? */
PetscBool DeckReads(const char *key);
/* What a key is that the user leaves open: for reading, /parameters and the deck's text, until the next DeckUse. */
PetscErrorCode DeckResolve(const char *key, const char *value);

/* Was the key given by the user (in a deck or as an option)? A key that no study has is an error of the program. */
PetscErrorCode DeckHas(const char *key, PetscBool *set);
/* Lists: *n is the room on entry, the count on return. A scalar is a list of one. */
PetscErrorCode DeckGetIntList(const char *key, PetscInt *n, PetscInt64 values[]);
PetscErrorCode DeckGetRealList(const char *key, PetscInt *n, PetscReal values[]);
/* Strings point into *storage, which the caller frees with PetscFree. */
PetscErrorCode DeckGetStringList(const char *key, PetscInt *n, const char *values[], char **storage);

/* ---- sweeps ----
 *
 * A list, or log:a:b:n or lin:a:b:n, of a key that takes one number or one choice. The product of these lists, in the
 * order of tables and the last one fastest, are the cells of the run. A value is read when a cell is chosen. */
enum { DECK_AXES = 3, DECK_VALUES = 1000, DECK_CELLS = 4096, DECK_WHOLE = -1 };
/* How many cells: 1 without a sweep. */
PetscInt DeckCells(void);
/* How many keys are swept over. */
PetscInt DeckAxes(void);
/* The i-th key that is swept over and its values as text; NULL past the end. Are all of them numbers? */
const char *DeckAxis(PetscInt i, PetscInt *n, const char *const **values, PetscBool *numeric);
/* Which of its values a cell has. Pure. */
PetscInt DeckAxisIndex(PetscInt i, PetscInt cell);
/* Keys have the values of this cell, or what was given (DECK_WHOLE); as after DeckParse. Nothing without a sweep. */
PetscErrorCode DeckSelect(PetscInt cell);

/* The i-th key of all studies, NULL past the end. */
const char *DeckName(PetscInt i);

/* Calls visit(key, value, context) for every key in use, in the order of tables, with its resolved value as text. */
PetscErrorCode DeckVisit(PetscErrorCode (*visit)(const char *key, const char *value, void *context), void *context);
/* The resolved deck as YAML that runs as it stands. The caller frees *text with PetscFree. */
PetscErrorCode DeckText(char **text);
/* Words of a text on stdout, in lines of `width` columns; all lines but the first are indented. */
void DeckPrintWrapped(const char *text, int indent, int width);
/* -help: every key in use with default, unit, range and meaning, on stdout of rank 0. */
PetscErrorCode DeckHelp(void);
/* -dry_run: the resolved parameters on stdout of rank 0. */
PetscErrorCode DeckView(void);
/* --keys: the keys of all studies as a page in Markdown, on stdout of rank 0. */
PetscErrorCode DeckPrintKeys(void);

#endif
