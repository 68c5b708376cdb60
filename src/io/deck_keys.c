/* The keys in use, made of the tables that a study takes and of what it changes in them, and the keys of all studies.
 */
#include "io/deck_keys.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

static const OptionTable *(*tables)(PetscInt i);
static const char *study;
static PetscBool single;
static OptionKey keys[DECK_KEYS_MAX];       /* in use */
static const OptionKey *all[DECK_KEYS_MAX]; /* of all studies */
static PetscInt count, total;
static struct { char name[64], value[PETSC_MAX_PATH_LEN]; } resolved[16];
static PetscInt resolutions;

PetscBool DeckMatches(const char *patterns, const char *text) {
  const PetscBool inverse = *patterns == '!' ? PETSC_TRUE : PETSC_FALSE;
  char pattern[256];
  for (const char *p = patterns + inverse;; p++) {
    const size_t n = strcspn(p, "|");
    (void)PetscStrncpy(pattern, p, PetscMin(n + 1, sizeof(pattern)));
    if (!fnmatch(pattern, text, 0)) return !inverse ? PETSC_TRUE : PETSC_FALSE;
    p += n;
    if (!*p) return inverse;
  }
}

/* Fields that are set in change replace those of the key. */
static void Change(const OptionKey *change, OptionKey *key) {
  if (change->preset) key->preset = change->preset;
  if (change->shown) key->shown = change->shown;
  if (change->words) key->words = change->words;
  if (change->unit) key->unit = change->unit;
  if (change->lists) key->lists = PETSC_TRUE;
  if (change->resolve) key->resolve = change->resolve;
  if (change->note) key->note = change->note;
  if (change->needs[0].key) (void)PetscArraycpy(key->needs, change->needs, OPTION_NEEDS);
}

/* Does a study read the key? As what? */
static PetscBool Known(const OptionTable *table, const OptionKey *key, OptionKey *known) {
  for (const OptionGroup *group = table->groups; group->keys; group++) {
    for (const OptionKey *k = group->keys; k->name; k++) {
      if (k != key || (group->names && !DeckMatches(group->names, k->name))) continue;
      *known = *key;
      for (const OptionKey *c = table->changes; c && c->name; c++)
        if (!strcmp(c->name, key->name)) Change(c, known);
      if (table->idle && DeckMatches(table->idle, key->name)) {
        int n = 0;
        while (n < OPTION_NEEDS - 1 && known->needs[n].key) n++;
        known->needs[n] = table->need;
      }
      return PETSC_TRUE;
    }
  }
  return PETSC_FALSE;
}

/* A key of some study; the same one for all that take its table. */
static PetscErrorCode Add(const OptionKey *key) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < total; i++)
    if (all[i] == key) PetscFunctionReturn(0);
  PetscCheck(total < DECK_KEYS_MAX, PETSC_COMM_SELF, PETSC_ERR_PLIB, "raise DECK_KEYS_MAX");
  all[total++] = key;
  PetscFunctionReturn(0);
}

/* Conditions on keys that are not in use are none. */
static void Prune(OptionKey *key) {
  int kept = 0;
  for (int n = 0; n < OPTION_NEEDS && key->needs[n].key; n++) {
    PetscBool posed = PETSC_FALSE;
    for (PetscInt i = 0; i < count && !posed; i++) posed = DeckMatches(key->needs[n].key, keys[i].name);
    if (posed) key->needs[kept++] = key->needs[n];
  }
  while (kept < OPTION_NEEDS) key->needs[kept++] = (OptionNeed){NULL, NULL};
}

PetscErrorCode DeckUse(const OptionTable *(*of)(PetscInt i), const char *name) {
  const OptionTable *table;
  PetscFunctionBeginUser;
  tables = of;
  study = NULL;
  single = PETSC_FALSE;
  count = total = resolutions = 0;
  for (PetscInt i = 0; (table = tables(i)); i++) {
    if (name && !strcmp(table->study, name)) study = table->study, single = table->single;
    for (const OptionGroup *group = table->groups; group->keys; group++)
      for (const OptionKey *key = group->keys; key->name; key++) {
        PetscCall(Add(key));
        if (study == table->study && Known(table, key, &keys[count])) count++;
      }
  }
  PetscCheck(study || !name, PETSC_COMM_SELF, PETSC_ERR_PLIB, "there is no study %s", name);
  for (PetscInt i = 0; i < count; i++) Prune(&keys[i]);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckResolve(const char *name, const char *value) {
  PetscInt i = 0;
  PetscFunctionBeginUser;
  while (i < resolutions && strcmp(resolved[i].name, name)) i++;
  PetscCheck(i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(resolved), PETSC_COMM_SELF, PETSC_ERR_PLIB,
             "too many resolved keys");
  PetscCall(PetscStrncpy(resolved[i].name, name, sizeof(resolved[i].name)));
  PetscCall(PetscStrncpy(resolved[i].value, value, sizeof(resolved[i].value)));
  if (i == resolutions) resolutions++;
  PetscFunctionReturn(0);
}

const char *DeckKeyResolved(const char *name) {
  for (PetscInt i = 0; i < resolutions; i++) {
    if (!strcmp(resolved[i].name, name)) return resolved[i].value;
  }
  return NULL;
}

void DeckForgetResolved(void) {
  resolutions = 0;
}

PetscBool DeckIsSingle(void) {
  return single;
}

const char *DeckStudy(void) {
  return study;
}

const char *DeckStudyName(PetscInt i) {
  const OptionTable *table = tables(i);
  return table ? table->study : NULL;
}

const OptionKey *DeckKeyGet(PetscInt i) {
  return i >= 0 && i < count ? &keys[i] : NULL;
}

const OptionKey *DeckKeyGetAny(PetscInt i) {
  return i >= 0 && i < total ? all[i] : NULL;
}

const OptionKey *DeckKeyFindUsed(const char *name) {
  for (PetscInt i = 0; i < count; i++) {
    if (!strcmp(keys[i].name, name)) return &keys[i];
  }
  return NULL;
}

const OptionKey *DeckKeyFind(const char *name) {
  const OptionKey *used = DeckKeyFindUsed(name);
  for (PetscInt i = 0; !used && i < total; i++) {
    if (!strcmp(all[i]->name, name)) return all[i];
  }
  return used;
}

PetscBool DeckKeyOf(PetscInt i, const OptionKey *key, OptionKey *known) {
  return Known(tables(i), key, known);
}

const char *DeckName(PetscInt i) {
  return i >= 0 && i < total ? all[i]->name : NULL;
}

size_t DeckKeySection(const OptionKey *key) {
  return key->question ? strlen(key->name) : strcspn(key->name, "_");
}

/* Levenshtein distance, upper and lower case alike. */
static size_t Distance(const char *a, const char *b) {
  enum { MOST = 64 };
  size_t row[MOST + 1], n = strlen(b);
  if (n > MOST || strlen(a) > MOST) return MOST;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t change = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
      size_t gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      diagonal = row[j + 1];
      row[j + 1] = change < gap ? change : gap;
    }
  }
  return row[n];
}

const OptionKey *DeckKeyNearest(const char *name) {
  const OptionKey *best = NULL;
  size_t least = strlen(name) / 4 + 2; /* nearest means nearer than this */
  for (PetscInt i = 0; i < count; i++) {
    /* the section may have been forgotten: count for tokens_count */
    const size_t section = DeckKeySection(&keys[i]);
    size_t distance = Distance(name, keys[i].name);
    if (keys[i].name[section] && !strcmp(keys[i].name + section + 1, name)) distance = 1;
    if (distance < least) best = &keys[i], least = distance;
  }
  return best;
}
