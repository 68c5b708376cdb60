/* The table of keys behind deck.h, and the checks of one key and one value. Private to base and its test. */
#ifndef CHORALE_IO_DECK_KEYS_H
#define CHORALE_IO_DECK_KEYS_H

#include <petscsys.h>

typedef enum { KEY_INT, KEY_REAL, KEY_CHOICE, KEY_STRING, KEY_FLAG } KeyType;

typedef struct {
  const char *name;    /* section_key; the section is what stands before the first '_' */
  KeyType type;        /* of the value, or of each element of a list */
  const char *preset;  /* default as text, "" when unset */
  const char *shown;   /* what -help prints for an unset default */
  const char *choices; /* words separated by '|'; for numbers, words allowed beside them */
  PetscInt64 least, most;
  PetscReal low, high; /* closed, except low when above is set */
  PetscBool above;     /* real > low */
  const char *unit;
  unsigned studies; /* bit of every study that reads the key */
  unsigned lists;   /* bit of every study for which it may be a list */
  unsigned words;   /* for numbers: bit of every study that knows the words of choices; 0 for all */
  const char *help;
} DeckKey;

/* The i-th key, NULL past the end. Keys of a section stand together. */
const DeckKey *DeckKeyGet(PetscInt i);
const DeckKey *DeckKeyFind(const char *name);
/* The key as this study knows it: without words that are for other studies. */
DeckKey DeckKeyOf(const DeckKey *key, unsigned study);
#define DECK_KEYS_MAX 96

/* The bit of a study, 0 for an unknown one. */
unsigned DeckStudyBit(const char *study);
/* Length of the section in a key's name. */
size_t DeckKeySection(const char *name);

/* NULL if the value (one, not a list) is right; else what is allowed, as text in buffer. */
const char *DeckKeyCheck(const DeckKey *key, const char *value, char *buffer, size_t size);
/* What is allowed: "an integer from 2 to 4096", "one of: a b c". */
void DeckKeyAllowed(const DeckKey *key, char *buffer, size_t size);
/* The key of the study whose name is nearest to a misspelt one; NULL if none is near. */
const DeckKey *DeckKeyNearest(const char *name, unsigned study);

/* Value as text, the user's (set) or the default. */
PetscErrorCode DeckKeyValue(const DeckKey *key, const char **value, PetscBool *set);

/* Full-text conversions; false when the text is not a number of that kind. */
PetscBool DeckTextToInt(const char *text, PetscInt64 *value);
PetscBool DeckTextToReal(const char *text, PetscReal *value);
PetscBool DeckTextToFlag(const char *text, PetscBool *value);

/* Refuses an unknown key, one of another study, or a wrong value (list: given as a YAML list or with commas) and puts
 * the value into the options database. where is " (deck.yaml, line 3)" or "". All ranks alike. */
PetscErrorCode DeckSet(const char *study, const char *key, const char *value, PetscBool list, const char *where);
/* One deck into the options database. */
PetscErrorCode DeckReadYaml(const char *study, const char *path);
/* A value for messages: shortened. */
const char *DeckQuote(const char *value, char *buffer, size_t size);

#endif
