/* The cells of a sweep: the product of the lists of keys that take one value. */
#include "io/deck_keys.h"

#include <string.h>

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

static PetscErrorCode AddAxis(const OptionKey *key, const char *given) {
  Axis *new = &axis[axes];
  char **values, quote[64];
  PetscReal x;
  int n;

  PetscFunctionBeginUser;
  PetscCheck(axes < DECK_AXES, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: at most %d keys may be lists",
             key->name, DeckQuote(given, quote, sizeof(quote)), DECK_AXES);
  PetscCall(DeckListExpand(key, given, "", &n, &values));
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

PetscErrorCode DeckSelect(PetscInt cell) {
  PetscFunctionBeginUser;
  if (!axes) PetscFunctionReturn(0);
  DeckForgetResolved();
  for (PetscInt i = 0; i < axes; i++)
    PetscCall(DeckKeyPut(axis[i].key, cell < 0 ? axis[i].given : axis[i].value[DeckAxisIndex(i, cell)]));
  for (PetscInt i = 0; i < prefixes; i++) PetscCall(DeckKeyPut(prefixed[i].key, prefixed[i].given));
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
    PetscCall(DeckKeyGiven(key, &value, &set));
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

PetscErrorCode DeckCheckNeeds(void) {
  const OptionKey *key, *other;
  PetscInt failed[DECK_KEYS_MAX]; /* the first cell in which the key has no effect, plus 1; -1: it has one in some */
  const char *is = "";
  PetscBool counts;
  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(failed, DECK_KEYS_MAX));
  for (PetscInt c = 0; c < DeckCells(); c++) {
    PetscCall(DeckSelect(c));
    for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
      if (!key->needs[0].key || failed[i] < 0) continue;
      PetscCall(DeckFindUnmet(key, &counts, &other, &is));
      if (counts && !other) failed[i] = -1;
      if (other && !failed[i]) failed[i] = c + 1;
    }
  }
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    if (failed[i] <= 0) continue;
    PetscCall(DeckSelect(failed[i] - 1));
    PetscCall(DeckFindUnmet(key, &counts, &other, &is));
    PetscCall(DeckRefuseNeed(key, other, is));
  }
  PetscFunctionReturn(0);
}
