/* Values of keys: the user's from PETSc's options database, or what the deck leaves open resolved, or the default. */
#include "io/deck_keys.h"

#include <string.h>

/* What the key is by others; cached while a study is in use, since files that it comes from may change during a run. */
static PetscErrorCode Resolve(const OptionKey *key, const char **value) {
  static char text[PETSC_MAX_PATH_LEN];
  PetscFunctionBeginUser;
  *value = DeckKeyResolved(key->name);
  if (*value) PetscFunctionReturn(0);
  *value = key->preset;
  if (!key->resolve) PetscFunctionReturn(0);
  PetscCall(PetscStrncpy(text, key->preset, sizeof(text)));
  PetscCall(key->resolve(PETSC_COMM_WORLD, text, sizeof(text)));
  if (!DeckStudy()) {
    *value = text;
    PetscFunctionReturn(0);
  }
  PetscCall(DeckResolve(key->name, text));
  *value = DeckKeyResolved(key->name);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckKeyPut(const OptionKey *key, const char *value) {
  char option[PETSC_MAX_OPTION_NAME];
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key->name));
  PetscCall(PetscOptionsSetValue(NULL, option, value));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckKeyGiven(const OptionKey *key, const char **value, PetscBool *set) {
  char option[PETSC_MAX_OPTION_NAME];
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key->name));
  PetscCall(PetscOptionsFindPair(NULL, NULL, option, value, set));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckKeyValue(const OptionKey *key, const char **value, PetscBool *set) {
  PetscFunctionBeginUser;
  PetscCall(DeckKeyGiven(key, value, set));
  if (!*set)
    PetscCall(Resolve(key, value));
  else if (!*value)
    *value = key->type == KEY_FLAG ? "true" : ""; /* a flag needs no value */
  PetscFunctionReturn(0);
}

/* A key that no study has is an error of the program. */
static PetscErrorCode Find(const char *name, const OptionKey **key) {
  PetscFunctionBeginUser;
  *key = DeckKeyFind(name);
  PetscCheck(*key, PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s is not a key of any study", name);
  PetscFunctionReturn(0);
}

/* One value of the key, the first of a list, as text. Programs that fill the options database themselves, as tests do,
 * are held to the table too. */
static PetscErrorCode Scalar(const OptionKey *key, char text[PETSC_MAX_PATH_LEN]) {
  char allowed[512], quote[64], *comma;
  const char *wrong, *value;
  PetscBool set;
  PetscFunctionBeginUser;
  PetscCall(DeckKeyValue(key, &value, &set));
  PetscCall(PetscStrncpy(text, value, PETSC_MAX_PATH_LEN));
  if (key->lists && (comma = strchr(text, ','))) *comma = '\0';
  wrong = set || *text ? DeckKeyCheck(key, text, allowed, sizeof(allowed)) : NULL;
  PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: must be %s", key->name,
             DeckQuote(value, quote, sizeof(quote)), wrong);
  PetscFunctionReturn(0);
}

/* The value of text where a struct of options has it; a choice is the word of the table. */
static PetscErrorCode Store(const OptionKey *key, const char *text, void *place) {
  const PetscInt word = DeckKeyWordIndex(key, text);
  PetscBool right = PETSC_TRUE;
  PetscFunctionBeginUser;
  switch (key->type) {
  case KEY_INT:
    *(PetscInt64 *)place = -1 - word;
    right = word >= 0 || DeckTextToInt(text, place) ? PETSC_TRUE : PETSC_FALSE;
    break;
  case KEY_REAL:
    *(PetscReal *)place = (PetscReal)(-1 - word);
    right = word >= 0 || DeckTextToReal(text, place) ? PETSC_TRUE : PETSC_FALSE;
    break;
  case KEY_CHOICE:
    *(const char **)place = DeckKeyWord(key, word);
    right = word >= 0 ? PETSC_TRUE : PETSC_FALSE;
    break;
  case KEY_STRING:
    PetscCall(PetscStrncpy(place, text, PETSC_MAX_PATH_LEN));
    break;
  case KEY_FLAG:
    right = DeckTextToFlag(text, place);
    break;
  }
  PetscCheck(right, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "%s = %s has no value", key->name, text);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckRead(const OptionKey keys[], void *options) {
  char text[PETSC_MAX_PATH_LEN];
  PetscFunctionBeginUser;
  for (const OptionKey *key = keys; key->name; key++) {
    const OptionKey *used = DeckKeyFindUsed(key->name);
    if (key->lists) continue;
    PetscCall(Scalar(used ? used : key, text));
    PetscCall(Store(used ? used : key, text, (char *)options + key->at));
  }
  PetscFunctionReturn(0);
}

PetscBool DeckReads(const char *name) {
  const OptionKey *key = DeckKeyFindUsed(name);
  return key ? key->reads : PETSC_FALSE;
}

PetscErrorCode DeckReadText(const OptionKey keys[], const char *name, char *value) {
  const OptionKey *used = DeckKeyFindUsed(name);
  PetscFunctionBeginUser;
  while (keys->name && strcmp(keys->name, name)) keys++;
  PetscCheck(keys->name, PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s is not in this table", name);
  PetscCall(Scalar(used ? used : keys, value));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckHas(const char *name, PetscBool *set) {
  const OptionKey *key;
  char option[PETSC_MAX_OPTION_NAME];
  PetscFunctionBeginUser;
  PetscCall(Find(name, &key));
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", name));
  PetscCall(PetscOptionsHasName(NULL, NULL, option, set));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetStringList(const char *name, PetscInt *n, const char *values[], char **storage) {
  const PetscInt room = *n;
  const OptionKey *key;
  const char *text;
  char quote[64];
  PetscBool set;
  PetscFunctionBeginUser;
  PetscCall(Find(name, &key));
  PetscCall(DeckKeyValue(key, &text, &set));
  if (*text) PetscCall(DeckKeyCheckList(key, text, ""));
  PetscCall(PetscStrallocpy(text, storage));
  *n = 0;
  for (char *item = *text ? *storage : NULL, *next; item; item = next) {
    next = strchr(item, ',');
    if (next) *next++ = '\0';
    PetscCheck(*n < room, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: at most %d values", name,
               DeckQuote(text, quote, sizeof(quote)), (int)room);
    values[(*n)++] = item;
  }
  PetscFunctionReturn(0);
}

/* values[] of this type and size. */
static PetscErrorCode GetList(const char *name, OptionType type, PetscInt *n, void *values, size_t size) {
  const OptionKey *key;
  const char **items;
  char *storage;
  PetscFunctionBeginUser;
  PetscCall(Find(name, &key));
  PetscCheck(key->type == type, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "%s is of another type", name);
  PetscCall(PetscMalloc1(*n, &items));
  PetscCall(DeckGetStringList(name, n, items, &storage));
  for (PetscInt i = 0; i < *n; i++) PetscCall(Store(key, items[i], (char *)values + (size_t)i * size));
  PetscCall(PetscFree(storage));
  PetscCall(PetscFree(items));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetIntList(const char *name, PetscInt *n, PetscInt64 values[]) {
  PetscFunctionBeginUser;
  PetscCall(GetList(name, KEY_INT, n, values, sizeof(*values)));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetRealList(const char *name, PetscInt *n, PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(GetList(name, KEY_REAL, n, values, sizeof(*values)));
  PetscFunctionReturn(0);
}
