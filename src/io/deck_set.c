/* A given key and its value: into the options database, or refused in one line. */
#include "io/deck_keys.h"

#include <stdlib.h>
#include <string.h>

/* A word that is no key of the study: what may have been meant? */
PetscErrorCode DeckRefuse(const char *name, const char *value, const char *where) {
  char quote[64], word[64];
  const char *study = DeckStudy();
  const OptionKey *key = DeckKeyFind(name), *nearest;
  const char *given = DeckQuote(value, quote, sizeof(quote)), *is = *given ? " = " : "";
  PetscFunctionBeginUser;
  name = DeckQuote(name, word, sizeof(word));
  PetscCheck(!key, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s%s%s: is not a key of study %s%s", name, is, given, study,
             where);
  for (PetscInt i = 0; (key = DeckKeyGetAny(i)); i++) {
    PetscCheck(strlen(name) != DeckKeySection(key) || strncmp(name, key->name, strlen(name)), PETSC_COMM_WORLD,
               PETSC_ERR_USER_INPUT, "%s%s%s: is a section, its keys are %s, ...; see chorale %s -help%s", name, is,
               given, key->name, study, where);
  }
  nearest = DeckKeyNearest(name);
  PetscCheck(!nearest, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s%s%s: unknown key, did you mean %s?%s", name, is,
             given, nearest->name, where);
  SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s%s%s: unknown key; see chorale %s -help%s", name, is, given, study,
          where);
}

/* Decks in order, then the options: where the i-th key in use was given last, 0 for nowhere. */
static int source, given[DECK_KEYS_MAX];

void DeckNextSource(PetscBool first) {
  if (first) (void)PetscArrayzero(given, DECK_KEYS_MAX);
  source = first ? 1 : source + 1;
}

PetscErrorCode DeckSet(const char *name, const char *value, PetscBool list, const char *where) {
  char allowed[512], quote[64];
  const OptionKey *key = DeckKeyFindUsed(name);
  PetscFunctionBeginUser;
  if (!key) PetscCall(DeckRefuse(name, value, where));
  if (key->lists) {
    PetscCall(DeckKeyCheckList(key, value, where));
  } else if (DeckIsSweep(key, value)) {
    PetscCall(DeckListCheck(key, value, where));
  } else {
    const char *wrong = DeckKeyCheck(key, value, allowed, sizeof(allowed));
    PetscCheck(!list, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: study %s takes one value here, not a list%s",
               name, DeckQuote(value, quote, sizeof(quote)), DeckStudy(), where);
    PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: must be %s%s", name,
               DeckQuote(value, quote, sizeof(quote)), wrong, where);
  }
  PetscCall(DeckKeyPut(key, value));
  given[key - DeckKeyGet(0)] = source;
  PetscFunctionReturn(0);
}

/* Is the given value the default, however it is written? */
static PetscBool IsDefault(const OptionKey *key, const char *value) {
  PetscReal x, y;
  PetscBool a, b;
  if (key->type == KEY_FLAG && DeckTextToFlag(value, &a) && DeckTextToFlag(key->preset, &b))
    return a == b ? PETSC_TRUE : PETSC_FALSE;
  if (DeckTextToReal(value, &x) && DeckTextToReal(key->preset, &y)) return x == y ? PETSC_TRUE : PETSC_FALSE;
  return !strcmp(value, key->preset) ? PETSC_TRUE : PETSC_FALSE;
}

/* Is the condition met, or was it changed after the key was given? If not, *other is the first of its keys and *is what
 * that is. */
static PetscErrorCode IsMet(const OptionNeed *need, int since, PetscBool *met, const OptionKey **other,
                            const char **is) {
  const OptionKey *key;
  PetscFunctionBeginUser;
  *other = NULL;
  *met = PETSC_FALSE;
  for (PetscInt i = 0; !*met && (key = DeckKeyGet(i)); i++) {
    const char *value;
    PetscBool set, flag;
    if (!DeckMatches(need->key, key->name)) continue;
    PetscCall(DeckKeyValue(key, &value, &set));
    if (key->type == KEY_FLAG && DeckTextToFlag(value, &flag)) value = flag ? "true" : "false";
    *met = given[i] > since || DeckMatches(need->of, value) ? PETSC_TRUE : PETSC_FALSE;
    if (!*other) *other = key, *is = value;
  }
  PetscFunctionReturn(0);
}

/* The integer n of the key that a value with a prefix goes by. */
static PetscErrorCode SettleBy(const OptionKey *key, const char *given_value, PetscInt64 *n) {
  const OptionKey *by = DeckKeyFindUsed(key->settle_by), *other;
  const char *value = "", *is;
  char quote[64];
  PetscBool set, met = by ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionBeginUser;
  for (int i = 0; by && met && i < OPTION_NEEDS && by->needs[i].key; i++)
    PetscCall(IsMet(&by->needs[i], source, &met, &other, &is));
  if (by) PetscCall(DeckKeyValue(by, &value, &set));
  PetscCheck(met && DeckTextToInt(value, n), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s = %s: must be a number where there is not one %s", key->name,
             DeckQuote(given_value, quote, sizeof(quote)), key->settle_by);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckSettle(void) {
  const OptionKey *key;
  const char *value, *wrong;
  char text[64], allowed[512], quote[64];
  PetscReal c;
  PetscInt64 n;
  PetscBool set;
  PetscFunctionBeginUser;
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    PetscCall(DeckKeyValue(key, &value, &set));
    if (!set || !DeckTextToPrefixed(key, value, &c)) continue;
    PetscCall(SettleBy(key, value, &n));
    PetscCall(PetscSNPrintf(text, sizeof(text), "%.17g", (double)key->settle(c, (PetscReal)n)));
    wrong = DeckKeyCheck(key, text, allowed, sizeof(allowed));
    PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s = %s: is %.6g for %s = %" PetscInt64_FMT ", must be %s", key->name,
               DeckQuote(value, quote, sizeof(quote)), strtod(text, NULL), key->settle_by, n, wrong);
    PetscCall(DeckKeyPut(key, text));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DeckFindUnmet(const OptionKey *key, PetscBool *counts, const OptionKey **other, const char **is) {
  const char *value;
  PetscBool set, met;
  PetscFunctionBeginUser;
  *other = NULL;
  PetscCall(DeckKeyValue(key, &value, &set));
  *counts = set && !IsDefault(key, value) ? PETSC_TRUE : PETSC_FALSE;
  for (int n = 0; *counts && !*other && n < OPTION_NEEDS && key->needs[n].key; n++) {
    PetscCall(IsMet(&key->needs[n], given[key - DeckKeyGet(0)], &met, other, is));
    if (met) *other = NULL;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DeckRefuseNeed(const OptionKey *key, const OptionKey *other, const char *is) {
  char needs[256], quote[64], word[64];
  const char *value;
  PetscBool set;
  PetscFunctionBeginUser;
  PetscCall(DeckKeyValue(key, &value, &set));
  DeckKeyNeeds(key, needs, sizeof(needs));
  SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: has no effect with %s %s; it needs %s", key->name,
          DeckQuote(value, quote, sizeof(quote)), other->name, DeckQuote(is, word, sizeof(word)), needs);
}
