/* Sweeps: lists of keys that take one value, and the cells that they make. */
#include "io/deck_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 64 /* characters of a number */

typedef struct {
  const OptionKey *key;
  char *given; /* as a user wrote it */
  char **value;
  PetscInt n;
  PetscBool numeric;
} Axis;
static Axis axis[DECK_AXES];
static PetscInt axes;

/* Keys whose values change from cell to cell by others: those with a prefix, as given, and those that the user left
 * open and that resolve to the same, or not, in all cells. */
static struct {
  const OptionKey *key;
  char *given;
} prefixed[DECK_KEYS_MAX];
static struct {
  const OptionKey *key;
  char *value;
} open[DECK_KEYS_MAX];
static PetscInt prefixes, opens;

PetscInt DeckCells(void) {
  PetscInt cells = 1;
  for (PetscInt i = 0; i < axes; i++) cells *= axis[i].n;
  return cells;
}

PetscInt DeckAxes(void) {
  return axes;
}

const char *DeckAxis(PetscInt i, PetscInt *n, const char *const **values, PetscBool *numeric) {
  if (i >= axes) return NULL;
  *n = axis[i].n;
  *values = (const char *const *)axis[i].value;
  *numeric = axis[i].numeric;
  return axis[i].key->name;
}

PetscInt DeckAxisIndex(PetscInt i, PetscInt cell) {
  for (PetscInt later = axes - 1; later > i; later--) cell /= axis[later].n;
  return cell % axis[i].n;
}

PetscErrorCode DeckListReset(void) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < axes; i++) {
    for (PetscInt j = 0; j < axis[i].n; j++) PetscCall(PetscFree(axis[i].value[j]));
    PetscCall(PetscFree(axis[i].value));
    PetscCall(PetscFree(axis[i].given));
  }
  for (PetscInt i = 0; i < prefixes; i++) PetscCall(PetscFree(prefixed[i].given));
  for (PetscInt i = 0; i < opens; i++) PetscCall(PetscFree(open[i].value));
  axes = prefixes = opens = 0;
  PetscFunctionReturn(0);
}

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

/* The values of a list that was given, checked. */
static PetscErrorCode Expand(const OptionKey *key, const char *given, const char *where, int *n, char ***values) {
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
  PetscCall(Expand(key, given, where, &n, &values));
  PetscCall(PetscStrToArrayDestroy(n, values));
  PetscFunctionReturn(0);
}

static PetscErrorCode AddAxis(const OptionKey *key, const char *given) {
  Axis *new = &axis[axes];
  char **values, quote[64];
  PetscReal x;
  int n;

  PetscFunctionBeginUser;
  PetscCheck(axes < DECK_AXES, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: at most %d keys may be lists",
             key->name, DeckQuote(given, quote, sizeof(quote)), DECK_AXES);
  PetscCall(Expand(key, given, "", &n, &values));
  *new = (Axis){.key = key, .n = n, .numeric = PETSC_TRUE};
  PetscCall(PetscStrallocpy(given, &new->given));
  PetscCall(PetscMalloc1(n, &new->value));
  for (int i = 0; i < n; i++) {
    PetscCall(PetscStrallocpy(values[i], &new->value[i]));
    new->numeric = new->numeric &&DeckTextToReal(values[i], &x) ? PETSC_TRUE : PETSC_FALSE;
  }
  axes++;
  PetscCall(PetscStrToArrayDestroy(n, values));
  PetscCheck(DeckCells() <= DECK_CELLS, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s = %s: the lists make %" PetscInt_FMT " cells, at most %d are possible", key->name,
             DeckQuote(given, quote, sizeof(quote)), DeckCells(), DECK_CELLS);
  PetscFunctionReturn(0);
}

static PetscErrorCode Put(const OptionKey *key, const char *value) {
  char option[PETSC_MAX_OPTION_NAME];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key->name));
  PetscCall(PetscOptionsSetValue(NULL, option, value));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckSelect(PetscInt cell) {
  PetscFunctionBeginUser;
  if (!axes) PetscFunctionReturn(0);
  DeckForgetResolved();
  for (PetscInt i = 0; i < axes; i++)
    PetscCall(Put(axis[i].key, cell < 0 ? axis[i].given : axis[i].value[DeckAxisIndex(i, cell)]));
  for (PetscInt i = 0; i < prefixes; i++) PetscCall(Put(prefixed[i].key, prefixed[i].given));
  if (cell >= 0) PetscCall(DeckSettle());
  for (PetscInt i = 0; i < opens && cell < 0; i++) PetscCall(DeckResolve(open[i].key->name, open[i].value));
  PetscFunctionReturn(0);
}

/* What is left open stays so in the deck of the sweep where it depends on the cell. */
static PetscErrorCode CloseOpen(void) {
  const OptionKey *key;
  const char *value;
  PetscBool set;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < DeckCells(); c++) {
    PetscInt found = 0;
    PetscCall(DeckSelect(c));
    for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
      PetscCall(DeckKeyValue(key, &value, &set));
      if (!key->resolve || set) continue;
      if (c == 0) {
        open[opens].key = key;
        PetscCall(PetscStrallocpy(value, &open[opens++].value));
      } else if (strcmp(open[found].value, value))
        open[found].value[0] = '\0';
      found++;
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DeckListBegin(void) {
  const OptionKey *key;
  const char *value;
  PetscReal c;
  PetscBool set;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    char option[PETSC_MAX_OPTION_NAME];
    PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key->name));
    PetscCall(PetscOptionsFindPair(NULL, NULL, option, &value, &set));
    if (!set || !value) continue;
    if (DeckIsSweep(key, value))
      PetscCall(AddAxis(key, value));
    else if (DeckTextToPrefixed(key, value, &c)) {
      prefixed[prefixes].key = key;
      PetscCall(PetscStrallocpy(value, &prefixed[prefixes++].given));
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DeckListEnd(void) {
  PetscFunctionBeginUser;
  if (!axes) PetscFunctionReturn(0);
  PetscCall(CloseOpen());
  PetscCall(DeckSelect(DECK_WHOLE));
  PetscFunctionReturn(0);
}
