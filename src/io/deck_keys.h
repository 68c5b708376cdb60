/* The keys behind deck.h: those in use, those of all studies, and the checks of one key and one value. Private to io
 * and to pages that are written from the keys. */
#ifndef CHORALE_IO_DECK_KEYS_H
#define CHORALE_IO_DECK_KEYS_H

#include <chorale/deck.h>

#define DECK_KEYS_MAX 160

/* The study in use, NULL for none; the i-th of all, NULL past the end. */
const char *DeckStudy(void);
const char *DeckStudyName(PetscInt i);
/* Has the study in use no sweeps? */
PetscBool DeckIsSingle(void);
/* The i-th key in use, as its study knows it, NULL past the end. Keys of a section stand together. */
const OptionKey *DeckKeyGet(PetscInt i);
/* The i-th key of all studies as its table has it, NULL past the end. */
const OptionKey *DeckKeyGetAny(PetscInt i);
/* By name: a key in use, else one of another study, else NULL; and one in use or NULL. */
const OptionKey *DeckKeyFind(const char *name);
const OptionKey *DeckKeyFindUsed(const char *name);
/* What the i-th study makes of a key of DeckKeyGetAny; false when it does not read it. */
PetscBool DeckKeyOf(PetscInt study, const OptionKey *key, OptionKey *known);

/* What DeckResolve said, NULL for nothing. */
const char *DeckKeyResolved(const char *name);
void DeckForgetResolved(void);

/* Length of the section in a key's name. */
size_t DeckKeySection(const OptionKey *key);
/* The i-th word that the key takes, NULL past the end; which word a value is, -1 when it is none. */
const char *DeckKeyWord(const OptionKey *key, PetscInt i);
PetscInt DeckKeyWordIndex(const OptionKey *key, const char *value);
/* What -help shows as its default. */
const char *DeckKeyShown(const OptionKey *key);

/* NULL if the value (one, not a list) is right; else what is allowed, as text in buffer. */
const char *DeckKeyCheck(const OptionKey *key, const char *value, char *buffer, size_t size);
/* Refuses (user input) a comma list with a wrong value; where as for DeckSet. All ranks alike. */
PetscErrorCode DeckKeyCheckList(const OptionKey *key, const char *list, const char *where);
/* What is allowed: "an integer from 2 to 4096", "one of: a b c". */
void DeckKeyAllowed(const OptionKey *key, char *buffer, size_t size);
/* What the key needs to have an effect: "tokens_init vmf or clusters", empty for nothing. */
void DeckKeyNeeds(const OptionKey *key, char *buffer, size_t size);
/* Meaning, range and conditions. */
void DeckKeyExplain(const OptionKey *key, char *buffer, size_t size);
/* The key in use whose name is nearest to a misspelt one; NULL if none is near. */
const OptionKey *DeckKeyNearest(const char *name);
/* Does the text match one of the patterns (OptionNeed)? */
PetscBool DeckMatches(const char *patterns, const char *text);

/* Into the options database, without a check. */
PetscErrorCode DeckKeyPut(const OptionKey *key, const char *value);
/* The user's value as text, if there is one (set); NULL for a flag without one. */
PetscErrorCode DeckKeyGiven(const OptionKey *key, const char **value, PetscBool *set);
/* Value as text, the user's (set), or resolved, or the default. */
PetscErrorCode DeckKeyValue(const OptionKey *key, const char **value, PetscBool *set);
/* Puts numbers in place of the values with a prefix (OptionKey). Refuses (user input) what is no number of the key. */
PetscErrorCode DeckSettle(void);
/* Is the text of this key, which takes one value, that of a sweep? */
PetscBool DeckIsSweep(const OptionKey *key, const char *text);
/* Refuses (user input) a sweep with a wrong value, or over this key; where as for DeckSet. All ranks alike. */
PetscErrorCode DeckListCheck(const OptionKey *key, const char *given, const char *where);
/* The values of such a list, checked; the caller frees them with PetscStrToArrayDestroy. */
PetscErrorCode DeckListExpand(const OptionKey *key, const char *given, const char *where, int *n, char ***values);
/* There is no sweep. Those that decks and options ask for, when all are read. No cell is chosen, when keys are
 * checked. */
PetscErrorCode DeckListReset(void);
PetscErrorCode DeckListBegin(void);
PetscErrorCode DeckListEnd(void);
/* In the chosen cell: is the key given and not at its default (*counts)? Then *other is a key that makes it idle, and
 * *is what that is; NULL: none does. And the error that says so. */
PetscErrorCode DeckFindUnmet(const OptionKey *key, PetscBool *counts, const OptionKey **other, const char **is);
PetscErrorCode DeckRefuseNeed(const OptionKey *key, const OptionKey *other, const char *is);
/* Refuses a key in use that is given, is not at its default, and has no effect; unless what it needs was given by a
 * later deck or option, so that decks can be changed from outside. In a sweep it has to have an effect in some cell. */
PetscErrorCode DeckCheckNeeds(void);

/* Full-text conversions; false when the text is not a number of that kind. */
PetscBool DeckTextToInt(const char *text, PetscInt64 *value);
PetscBool DeckTextToReal(const char *text, PetscReal *value);
PetscBool DeckTextToFlag(const char *text, PetscBool *value);
/* Is it the key's prefix and a number > 0? */
PetscBool DeckTextToPrefixed(const OptionKey *key, const char *text, PetscReal *value);

/* Refuses an unknown key, one of another study, or a wrong value (list: given as a YAML list or with commas) and puts
 * the value into the options database. where is " (deck.yaml, line 3)" or "". All ranks alike. */
PetscErrorCode DeckSet(const char *key, const char *value, PetscBool list, const char *where);
/* What DeckSet is given from now on comes from the first, or from the next, deck or from the options. */
void DeckNextSource(PetscBool first);
PetscErrorCode DeckRefuse(const char *name, const char *value, const char *where);
/* One deck into the options database. */
PetscErrorCode DeckReadYaml(const char *path);
/* A value for messages: shortened. */
const char *DeckQuote(const char *value, char *buffer, size_t size);

#endif
