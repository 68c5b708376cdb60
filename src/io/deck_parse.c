/* chorale STUDY [DECK.yaml ...] [-option value ...]: strictly checked, into PETSc's options database. PETSc's own
 * parsing of the command line is not used: it ignores bare words and takes any option. */
#include "io/deck_keys.h"
#include "io/provenance.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Options of PETSc itself that help to debug and profile; text: with a free value, else with true, false or nothing. */
static const struct {
  const char *name;
  PetscBool text;
} petsc_options[] = {
    {"log_view", PETSC_TRUE},           {"info", PETSC_TRUE},
    {"malloc_debug", PETSC_FALSE},      {"malloc_dump", PETSC_FALSE},
    {"memory_view", PETSC_FALSE},       {"options_view", PETSC_FALSE},
    {"options_left", PETSC_FALSE},      {"on_error_abort", PETSC_FALSE},
    {"start_in_debugger", PETSC_TRUE},  {"on_error_attach_debugger", PETSC_TRUE},
    {"no_signal_handler", PETSC_FALSE}, {"fp_trap", PETSC_FALSE},
};

/* Results keep names as UTF-8, as decks have them. */
static PetscBool IsUtf8(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  while (*c) {
    const int more = *c < 0x80                 ? 0
                     : *c >= 0xc2 && *c < 0xe0 ? 1
                     : (*c & 0xf0) == 0xe0     ? 2
                     : *c >= 0xf0 && *c < 0xf5 ? 3
                                               : -1;
    if (more < 0 || (*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] > 0x9f) || (*c == 0xf0 && c[1] < 0x90) ||
        (*c == 0xf4 && c[1] > 0x8f))
      return PETSC_FALSE;
    c++;
    for (int i = 0; i < more; i++)
      if ((*c++ & 0xc0) != 0x80) return PETSC_FALSE;
  }
  return PETSC_TRUE;
}

/* A word that starts the next option; -3 and -.5 are values. */
static PetscBool IsOption(const char *word) {
  return word[0] == '-' && (isalpha((unsigned char)word[1]) || word[1] == '-' || word[1] == '_');
}

/* Is argv[i] one of PETSc's options? words: itself and the value that follows. */
static PetscBool IsPetscOption(int argc, char **argv, int i, int *words) {
  if (argv[i][0] != '-') return PETSC_FALSE;
  for (size_t k = 0; k < sizeof(petsc_options) / sizeof(petsc_options[0]); k++) {
    PetscBool flag;
    if (strcmp(argv[i] + 1, petsc_options[k].name)) continue;
    *words = 1;
    if (i + 1 < argc && (petsc_options[k].text ? !IsOption(argv[i + 1]) : DeckTextToFlag(argv[i + 1], &flag)))
      *words = 2;
    return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

PetscBool DeckIsHelp(const char *word) {
  return !strcmp(word, "-help") || !strcmp(word, "--help") || !strcmp(word, "-h") ? PETSC_TRUE : PETSC_FALSE;
}

PetscBool DeckAsksHelp(int argc, char **argv) {
  for (int i = 2; i < argc; i++) {
    const OptionKey *before = argv[i - 1][0] == '-' ? DeckKeyFind(argv[i - 1] + 1) : NULL;
    if (DeckIsHelp(argv[i]) && (!before || before->type == KEY_FLAG)) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

int DeckPetscArguments(int argc, char **argv, char **chosen) {
  int n = 0, words;
  for (int i = 1; i < argc; i++) {
    if (!IsPetscOption(argc, argv, i, &words)) continue;
    for (int w = 0; w < words; w++) chosen[n++] = argv[i + w];
    i += words - 1;
  }
  return n;
}

/* argv[i] and the value behind it; *words is how many words that was. */
static PetscErrorCode ReadOption(int argc, char **argv, int i, int *words) {
  const char *name = argv[i] + 1, *next = i + 1 < argc ? argv[i + 1] : NULL, *equals = strchr(argv[i], '=');
  char word[64], quote[64];
  const OptionKey *key;
  PetscBool flag;
  PetscFunctionBeginUser;
  *words = 1;
  PetscCheck(IsOption(argv[i]), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: is no option; decks stand before all options: chorale STUDY [DECK.yaml ...] [-option value ...]",
             DeckQuote(argv[i], quote, sizeof(quote)));
  PetscCheck(argv[i][1] != '-', PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: options have one dash: %s",
             DeckQuote(argv[i], quote, sizeof(quote)), DeckQuote(argv[i] + 1, word, sizeof(word)));
  PetscCheck(!equals, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: write -option value, without =", DeckQuote(argv[i], quote, sizeof(quote)));
  key = DeckKeyFind(name);
  if (!key) PetscCall(DeckRefuse(name, "", ""));
  if (key->type == KEY_FLAG) {
    *words = next && DeckTextToFlag(next, &flag) ? 2 : 1;
    PetscCall(DeckSet(name, *words == 2 ? next : "true", PETSC_FALSE, ""));
    PetscFunctionReturn(0);
  }
  PetscCheck(next, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: has no value", name);
  PetscCheck(!IsOption(next), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: has no value%s%s", name,
             key->type == KEY_STRING ? "; a name that begins with a dash is written ./" : "",
             key->type == KEY_STRING ? DeckQuote(next, quote, sizeof(quote)) : "");
  *words = 2;
  PetscCall(DeckSet(name, next, key->type != KEY_STRING && strchr(next, ','), ""));
  PetscFunctionReturn(0);
}

PetscErrorCode DeckParse(int argc, char **argv) {
  char quote[64];
  int i = 2, words;
  PetscFunctionBeginUser;
  for (int w = 2; w < argc; w++)
    PetscCheck(IsUtf8(argv[w]), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: is not UTF-8; rename the file",
               DeckQuote(argv[w], quote, sizeof(quote)));
  PetscCall(ProvenanceSetCommandLine(argc, argv));
  PetscCall(DeckListReset());
  DeckNextSource(PETSC_TRUE);
  for (; i < argc && argv[i][0] != '-'; i++) {
    PetscCall(DeckReadYaml(argv[i]));
    DeckNextSource(PETSC_FALSE);
  }
  for (; i < argc; i += words) {
    if (!IsPetscOption(argc, argv, i, &words)) PetscCall(ReadOption(argc, argv, i, &words));
  }
  PetscCall(DeckListBegin());
  if (DeckCells() == 1) PetscCall(DeckSettle());
  PetscCall(DeckCheckNeeds());
  PetscCall(DeckListEnd());
  PetscFunctionReturn(0);
}
