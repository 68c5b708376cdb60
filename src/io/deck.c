/* Values of keys: the user's from PETSc's options database, the table's default otherwise. */
#include <chorale/deck.h>

#include "io/deck_keys.h"

#include <string.h>

const char *DeckQuote(const char *value, char *buffer, size_t size) {
  const size_t n = strlen(value);
  if (n < size) return value;
  memcpy(buffer, value, size - 4);
  memcpy(buffer + size - 4, "...", 4);
  return buffer;
}

PetscErrorCode DeckKeyValue(const DeckKey *key, const char **value, PetscBool *set) {
  char option[PETSC_MAX_OPTION_NAME];
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key->name));
  PetscCall(PetscOptionsFindPair(NULL, NULL, option, value, set));
  if (!*set)
    *value = key->preset;
  else if (!*value)
    *value = key->type == KEY_FLAG ? "true" : ""; /* a flag needs no value */
  PetscFunctionReturn(0);
}

/* A key that the table does not have is an error of the program. */
static PetscErrorCode Find(const char *name, const DeckKey **key, const char **value, PetscBool *set) {
  PetscFunctionBeginUser;
  *key = DeckKeyFind(name);
  PetscCheck(*key, PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s is not in the table of deck keys", name);
  PetscCall(DeckKeyValue(*key, value, set));
  PetscFunctionReturn(0);
}

/* Programs that fill the options database themselves, as tests do, are held to the table too. */
static PetscErrorCode FindScalar(const char *name, const DeckKey **key, const char **value) {
  char allowed[512], quote[64];
  const char *wrong;
  PetscBool set;
  PetscFunctionBeginUser;
  PetscCall(Find(name, key, value, &set));
  wrong = set ? DeckKeyCheck(*key, *value, allowed, sizeof(allowed)) : NULL;
  PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: must be %s", name,
             DeckQuote(*value, quote, sizeof(quote)), wrong);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetInt(const char *name, PetscInt64 *value) {
  const DeckKey *key;
  const char *text;
  PetscFunctionBeginUser;
  PetscCall(FindScalar(name, &key, &text));
  PetscCheck(key->type == KEY_INT && DeckTextToInt(text, value), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "%s = %s is not an integer", name, text);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetReal(const char *name, PetscReal *value) {
  const DeckKey *key;
  const char *text;
  PetscFunctionBeginUser;
  PetscCall(FindScalar(name, &key, &text));
  PetscCheck(key->type == KEY_REAL && DeckTextToReal(text, value), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "%s = %s is not a number", name, text);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetFlag(const char *name, PetscBool *value) {
  const DeckKey *key;
  const char *text;
  PetscFunctionBeginUser;
  PetscCall(FindScalar(name, &key, &text));
  PetscCheck(key->type == KEY_FLAG && DeckTextToFlag(text, value), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "%s = %s is not a flag", name, text);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetString(const char *name, char *value) {
  const DeckKey *key;
  const char *text;
  PetscFunctionBeginUser;
  PetscCall(FindScalar(name, &key, &text));
  PetscCall(PetscStrncpy(value, text, PETSC_MAX_PATH_LEN));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckHas(const char *name, PetscBool *set) {
  const DeckKey *key;
  const char *text;
  PetscFunctionBeginUser;
  PetscCall(Find(name, &key, &text, set));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetStringList(const char *name, PetscInt *n, const char *values[], char **storage) {
  const DeckKey *key;
  const char *text;
  PetscBool set;
  const PetscInt room = *n;
  PetscFunctionBeginUser;
  PetscCall(Find(name, &key, &text, &set));
  PetscCall(PetscStrallocpy(text, storage));
  *n = 0;
  for (char *item = *text ? *storage : NULL, *next; item; item = next) {
    char allowed[512], quote[64];
    const char *wrong;
    next = strchr(item, ',');
    if (next) *next++ = '\0';
    wrong = DeckKeyCheck(key, item, allowed, sizeof(allowed));
    PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: each value must be %s", name,
               DeckQuote(text, quote, sizeof(quote)), wrong);
    PetscCheck(*n < room, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: at most %d values", name,
               DeckQuote(text, quote, sizeof(quote)), (int)room);
    values[(*n)++] = item;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetIntList(const char *name, PetscInt *n, PetscInt64 values[]) {
  const char **items;
  char *storage;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(*n, &items));
  PetscCall(DeckGetStringList(name, n, items, &storage));
  for (PetscInt i = 0; i < *n; i++) {
    PetscCheck(DeckTextToInt(items[i], &values[i]), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "%s = %s is not an integer",
               name, items[i]);
  }
  PetscCall(PetscFree(storage));
  PetscCall(PetscFree(items));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckGetRealList(const char *name, PetscInt *n, PetscReal values[]) {
  const char **items;
  char *storage;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(*n, &items));
  PetscCall(DeckGetStringList(name, n, items, &storage));
  for (PetscInt i = 0; i < *n; i++) {
    PetscCheck(DeckTextToReal(items[i], &values[i]), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "%s = %s is not a number",
               name, items[i]);
  }
  PetscCall(PetscFree(storage));
  PetscCall(PetscFree(items));
  PetscFunctionReturn(0);
}
