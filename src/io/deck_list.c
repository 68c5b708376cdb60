/* Lists of keys that take one value. */
#include "io/deck_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 64 /* characters of a number */

/* log:a:b:n or lin:a:b:n? */
static PetscBool IsRange(const char *text) {
  return !strncmp(text, "log:", 4) || !strncmp(text, "lin:", 4) ? PETSC_TRUE : PETSC_FALSE;
}

PetscBool DeckIsSweep(const OptionKey *key, const char *text) {
  if (key->lists || key->type == KEY_STRING || key->type == KEY_FLAG) return PETSC_FALSE;
  return strchr(text, ',') || (key->type != KEY_CHOICE && IsRange(text)) ? PETSC_TRUE : PETSC_FALSE;
}

/* Value i of n from a to b: the ends as they were written, those between with 15 digits, so that a decade is one. */
static void Between(const OptionKey *key, PetscBool log, char *const end[2], PetscInt i, PetscInt n,
                    char text[DIGITS]) {
  const double t = (double)i / (double)(n - 1), a = strtod(end[0], NULL), b = strtod(end[1], NULL);
  const double x = log ? pow(a, 1 - t) * pow(b, t) : (a * (double)(n - 1 - i) + b * (double)i) / (double)(n - 1);

  if (i == 0 || i == n - 1)
    (void)snprintf(text, DIGITS, "%s", end[i ? 1 : 0]);
  else if (key->type == KEY_INT)
    (void)snprintf(text, DIGITS, "%lld", llround(x));
  else
    (void)snprintf(text, DIGITS, "%.15g", x);
}

/* The n values of a range, as a list with commas that the caller frees; NULL where it is none. */
static PetscErrorCode WriteRange(const OptionKey *key, const char *text, char **list) {
  const PetscBool log = text[1] == 'o' ? PETSC_TRUE : PETSC_FALSE;
  PetscReal a, b;
  PetscInt64 n = 0;
  char **part, value[DIGITS];
  int parts;

  PetscFunctionBeginUser;
  *list = NULL;
  PetscCall(PetscStrToArray(text, ':', &parts, &part));
  if (parts == 4 && DeckTextToReal(part[1], &a) && DeckTextToReal(part[2], &b) && DeckTextToInt(part[3], &n) &&
      n >= 2 && n <= DECK_VALUES && a != b && (!log || (a > 0 && b > 0)) && strlen(part[1]) < DIGITS &&
      strlen(part[2]) < DIGITS) {
    PetscCall(PetscCalloc1(n * (DIGITS + 1), list));
    for (PetscInt i = 0; i < n; i++) {
      Between(key, log, part + 1, i, (PetscInt)n, value);
      if (i) strcat(*list, ",");
      strcat(*list, value);
    }
  }
  PetscCall(PetscStrToArrayDestroy(parts, part));
  PetscFunctionReturn(0);
}

/* Are two values the same, however they are written? */
static PetscBool AreSame(const char *a, const char *b) {
  PetscReal x, y;

  if (DeckTextToReal(a, &x) && DeckTextToReal(b, &y)) return x == y ? PETSC_TRUE : PETSC_FALSE;
  return !strcmp(a, b) ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode DeckListExpand(const OptionKey *key, const char *given, const char *where, int *n, char ***values) {
  char quote[64], word[64], *list = NULL;

  PetscFunctionBeginUser;
  if (IsRange(given)) {
    PetscCall(WriteRange(key, given, &list));
    PetscCheck(list, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s = %s: must be lin:a:b:n or log:a:b:n, n = 2 to %d values from a to b, which differ and for log are "
               "positive%s",
               key->name, DeckQuote(given, quote, sizeof(quote)), DECK_VALUES, where);
  } else
    PetscCall(PetscStrallocpy(given, &list));
  PetscCall(DeckKeyCheckList(key, list, where));
  PetscCall(PetscStrToArray(list, ',', n, values));
  PetscCall(PetscFree(list));
  PetscCheck(*n <= DECK_VALUES, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: at most %d values%s", key->name,
             DeckQuote(given, quote, sizeof(quote)), DECK_VALUES, where);
  for (int i = 0; i < *n; i++)
    for (int j = 0; j < i; j++)
      PetscCheck(!AreSame((*values)[i], (*values)[j]), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
                 "%s = %s: has the value %s twice%s", key->name, DeckQuote(given, quote, sizeof(quote)),
                 DeckQuote((*values)[i], word, sizeof(word)), where);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckListCheck(const OptionKey *key, const char *given, const char *where) {
  char quote[64], **values;
  int n;

  PetscFunctionBeginUser;
  PetscCheck(!key->whole && !DeckIsSingle(), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s = %s: study %s takes one value here, not a list%s", key->name, DeckQuote(given, quote, sizeof(quote)),
             DeckStudy(), where);
  PetscCheck(strlen(given) < PETSC_MAX_PATH_LEN, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s = %s: is too long a list%s", key->name, DeckQuote(given, quote, sizeof(quote)), where);
  PetscCall(DeckListExpand(key, given, where, &n, &values));
  PetscCall(PetscStrToArrayDestroy(n, values));
  PetscFunctionReturn(0);
}
