/* What a value of a key may be: conversions of text, words, ranges; and what messages say about it. */
#include "io/deck_keys.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *DeckQuote(const char *value, char *buffer, size_t size) {
  const size_t n = strlen(value);
  if (n < size) return value;
  memcpy(buffer, value, size - 4);
  memcpy(buffer + size - 4, "...", 4);
  return buffer;
}

PetscBool DeckTextToInt(const char *text, PetscInt64 *value) {
  char *end;
  const char *digits = text + (*text == '-' || *text == '+');
  if (!isdigit((unsigned char)*digits)) return PETSC_FALSE;
  errno = 0;
  *value = strtoll(text, &end, 10);
  return *end || errno ? PETSC_FALSE : PETSC_TRUE;
}

PetscBool DeckTextToReal(const char *text, PetscReal *value) {
  char *end;
  /* strtod alone would take nan, inf, hexadecimal numbers and leading blanks */
  if (!*text || text[strspn(text, "+-0123456789.eE")]) return PETSC_FALSE;
  *value = strtod(text, &end);
  return *end || !isfinite(*value) ? PETSC_FALSE : PETSC_TRUE;
}

PetscBool DeckTextToFlag(const char *text, PetscBool *value) {
  static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
  for (int v = 0; v < 2; v++) {
    for (int i = 0; i < 4; i++) {
      if (!strcasecmp(text, words[v][i])) return *value = v ? PETSC_TRUE : PETSC_FALSE, PETSC_TRUE;
    }
  }
  return PETSC_FALSE;
}

PetscBool DeckTextToPrefixed(const OptionKey *key, const char *text, PetscReal *value) {
  const size_t n = key->prefix && !key->lists ? strlen(key->prefix) : 0;
  return n && !strncmp(text, key->prefix, n) && DeckTextToReal(text + n, value) && *value > 0 ? PETSC_TRUE
                                                                                              : PETSC_FALSE;
}

const char *DeckKeyWord(const OptionKey *key, PetscInt i) {
  const char *const *word = key->words;
  if (key->choices) return key->choices(i);
  while (word && *word && i-- > 0) word++;
  return word ? *word : NULL;
}

PetscInt DeckKeyWordIndex(const OptionKey *key, const char *value) {
  const char *word;
  for (PetscInt i = 0; (word = DeckKeyWord(key, i)); i++) {
    if (!strcmp(word, value)) return i;
  }
  return -1;
}

const char *DeckKeyShown(const OptionKey *key) {
  return *key->preset ? key->preset : key->shown ? key->shown : "(none)";
}

/* More text at the end of what is in buffer. */
static void Append(char *buffer, size_t size, const char *format, ...) {
  const size_t n = strlen(buffer);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(buffer + n, size - n, format, arguments);
  va_end(arguments);
}

void DeckKeyAllowed(const OptionKey *key, char *buffer, size_t size) {
  const char *word, *before = "";
  buffer[0] = '\0';
  if (key->type == KEY_CHOICE && DeckKeyWord(key, 0) && DeckKeyWord(key, 1)) Append(buffer, size, "one of: ");
  for (PetscInt i = 0; (word = DeckKeyWord(key, i)); i++, before = " ") Append(buffer, size, "%s%s", before, word);
  if (*buffer && key->type != KEY_CHOICE) Append(buffer, size, " or ");
  switch (key->type) {
  case KEY_INT:
    Append(buffer, size, "an integer from %lld to %lld", (long long)key->least, (long long)key->most);
    break;
  case KEY_REAL:
    Append(buffer, size, key->above ? "a number > %g and <= %g" : "a number from %g to %g", key->low, key->high);
    if (key->prefix && !key->lists) Append(buffer, size, ", or %sc with a number c > 0", key->prefix);
    break;
  case KEY_CHOICE:
    break;
  case KEY_STRING:
    Append(buffer, size, "text of 1 to %d characters", PETSC_MAX_PATH_LEN - 1);
    break;
  case KEY_FLAG:
    Append(buffer, size, "true or false");
    break;
  }
}

const char *DeckKeyCheck(const OptionKey *key, const char *value, char *buffer, size_t size) {
  PetscInt64 i;
  PetscReal x;
  PetscBool flag, right = PETSC_FALSE;
  switch (key->type) {
  case KEY_INT:
    right = DeckTextToInt(value, &i) && i >= key->least && i <= key->most;
    break;
  case KEY_REAL:
    right = DeckTextToReal(value, &x) && (key->above ? x > key->low : x >= key->low) && x <= key->high;
    right = right || DeckTextToPrefixed(key, value, &x) ? PETSC_TRUE : PETSC_FALSE;
    break;
  case KEY_CHOICE:
    break;
  case KEY_STRING:
    right = *value && strlen(value) < PETSC_MAX_PATH_LEN;
    break;
  case KEY_FLAG:
    right = DeckTextToFlag(value, &flag);
    break;
  }
  if (right || DeckKeyWordIndex(key, value) >= 0) return NULL;
  DeckKeyAllowed(key, buffer, size);
  return buffer;
}

PetscErrorCode DeckKeyCheckList(const OptionKey *key, const char *list, const char *where) {
  PetscFunctionBeginUser;
  for (const char *item = list;; item++) {
    char word[PETSC_MAX_PATH_LEN], allowed[512], quote[64];
    const size_t n = strcspn(item, ",");
    (void)PetscStrncpy(word, item, PetscMin(n + 1, sizeof(word)));
    const char *wrong = n < sizeof(word) ? DeckKeyCheck(key, word, allowed, sizeof(allowed)) : "shorter";
    PetscCheck(!wrong, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: each value must be %s%s", key->name,
               DeckQuote(list, quote, sizeof(quote)), wrong, where);
    item += n;
    if (!*item) break;
  }
  PetscFunctionReturn(0);
}

/* One condition in words; `key` may be several. */
static void Describe(const OptionNeed *need, char *buffer, size_t size) {
  const char *not = *need->of == '!' ? "other than " : "";
  for (const char *c = need->key; *c; c++) Append(buffer, size, *c == '|' ? " or " : "%c", *c);
  Append(buffer, size, " %s", *need->of ? not : "unset");
  for (const char *c = need->of + (*not != '\0'); *c; c++) Append(buffer, size, *c == '|' ? " or " : "%c", *c);
}

void DeckKeyNeeds(const OptionKey *key, char *buffer, size_t size) {
  buffer[0] = '\0';
  for (int i = 0; i < OPTION_NEEDS && key->needs[i].key; i++) {
    if (*buffer) Append(buffer, size, ", ");
    Describe(&key->needs[i], buffer, size);
  }
}

void DeckKeyExplain(const OptionKey *key, char *buffer, size_t size) {
  char allowed[512], needs[256];
  const char *before = " [";
  DeckKeyAllowed(key, allowed, sizeof(allowed));
  DeckKeyNeeds(key, needs, sizeof(needs));
  buffer[0] = '\0';
  Append(buffer, size, "%s%s%s", key->help, key->note ? " " : "", key->note ? key->note : "");
  if (key->type != KEY_STRING) Append(buffer, size, "%s%s", before, allowed), before = "; ";
  if (key->lists && key->type != KEY_STRING) Append(buffer, size, "%smay be a list", before), before = "; ";
  if (*needs) Append(buffer, size, "%sneeds %s", before, needs), before = "; ";
  if (*before == ';') Append(buffer, size, "]");
}
