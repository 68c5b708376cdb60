/* Prints chorale.1, the manual page: studies from their registry, keys from the tables behind -help. */
#include <chorale/study.h>

#include "io/deck_keys.h"

#include <stdio.h>
#include <string.h>

/* Text as groff prints it: hyphens that can be copied, no control characters at the start of a line. */
static void Print(const char *text) {
  if (*text == '.' || *text == '\'') fputs("\\&", stdout);
  for (; *text; text++) {
    if (*text == '-')
      fputs("\\-", stdout);
    else if (*text == '\\')
      fputs("\\e", stdout);
    else
      putchar(*text);
  }
}

/* A paragraph with a tag in bold. */
static void PrintTag(const char *tag, const char *argument) {
  fputs(".TP\n.B ", stdout);
  Print(tag);
  if (*argument) printf(" \\fI%s\\fR", argument);
  putchar('\n');
}

static void PrintStudies(void) {
  const Study *study;

  puts(".SH STUDIES");
  for (PetscInt i = 0; (study = StudyGet(i)); i++) {
    PrintTag(study->name, "");
    Print(study->summary);
    putchar('\n');
  }
}

/* Which studies do not read the key, or, when these are more, which do. */
static void PrintReaders(const OptionKey *key) {
  const char *name;
  OptionKey known;
  PetscInt count = 0, readers = 0;

  for (; DeckStudyName(count); count++) readers += DeckKeyOf(count, key, &known);
  if (readers == count) return;
  const PetscBool named = 2 * readers <= count ? PETSC_TRUE : PETSC_FALSE;
  fputs(named ? " Only for" : " Not for", stdout);
  for (PetscInt i = 0; (name = DeckStudyName(i)); i++) {
    if (DeckKeyOf(i, key, &known) == named) printf(" %s", name);
  }
  putchar('.');
}

static void PrintKey(const OptionKey *key) {
  static const char *const arguments[] = {
      [KEY_INT] = "integer", [KEY_REAL] = "number", [KEY_CHOICE] = "word", [KEY_STRING] = "text", [KEY_FLAG] = ""};
  char tag[128], allowed[512];

  snprintf(tag, sizeof(tag), "-%s", key->name);
  PrintTag(tag, key->type <= KEY_REAL && DeckKeyWord(key, 0) ? "number or word" : arguments[key->type]);
  Print(key->help);
  fputs(" Default: ", stdout);
  Print(DeckKeyShown(key));
  if (strcmp(key->unit, "-") != 0 && *key->preset) printf(" %s", key->unit);
  if (key->type != KEY_STRING && key->type != KEY_FLAG) {
    DeckKeyAllowed(key, allowed, sizeof(allowed));
    fputs("; ", stdout);
    Print(allowed);
  }
  putchar('.');
  PrintReaders(key);
  putchar('\n');
}

static void PrintKeys(void) {
  const OptionKey *key;
  const char *section = "";

  puts(".SH KEYS\nEvery key is an option; in a deck the part before the first underscore is a section:\n"
       ".BR \"tokens: {count: 64}\" \" is \" \"\\-tokens_count 64\" .");
  for (PetscInt i = 0; (key = DeckKeyGetAny(i)); i++) {
    const size_t n = DeckKeySection(key);
    if (strncmp(section, key->name, n + 1)) printf(".SS %.*s\n", (int)n, key->name);
    section = key->name;
    PrintKey(key);
  }
}

int main(void) {
  if (DeckUse(StudyOptions, NULL)) return 1;
  puts(".TH CHORALE 1 \"\" \"chorale " CHORALE_VERSION "\" \"User Commands\"\n.nh\n"
       ".SH NAME\nchorale \\- token dynamics of deep stochastic transformers\n"
       ".SH SYNOPSIS\n.RB [ mpirun\n.BI \\-n \" ranks\" ]\n.B chorale\n.I study\n.RI [ deck.yaml \" ...]\"\n"
       ".RB [ \\-option\n.IR value \" ...]\"\n"
       ".SH DESCRIPTION\nMoves the tokens of a transformer, points on a sphere, by attention and by a random MLP in "
       "every layer,\n"
       "and measures the limits of large depth, width and number of tokens. Decks are read in order, then options; "
       "later\n"
       "wins. Results have the same bits on any number of ranks.");
  PrintStudies();
  puts(".SH OPTIONS");
  PrintTag("study -help", "");
  puts("every key of the study with its default, unit, meaning and range");
  PrintTag("study ... -dry_run", "");
  puts("checks the deck; prints resolved parameters, memory and how long it would take");
  PrintTag("--keys", "");
  puts("the keys of all studies as a page in Markdown");
  PrintTag("--version", "");
  puts("versions of chorale and its libraries");
  PrintTag("--help", "");
  puts("a short text with the studies");
  PrintKeys();
  puts(".SH EXIT STATUS\n0 success; 1 failure at run time; 2 bad input, told in one line; 75 other ranks are lost; 85 "
       "stopped at a checkpoint: "
       "the same\n"
       "command with\n.B \\-checkpoint_resume\ngoes on.\n"
       ".SH SIGNALS\nAt SIGUSR1, USR2, TERM, HUP, XCPU and the first INT a running study writes a checkpoint and "
       "stops;\nnot so kernel, analyze and the map of sync, which have none: they end.\n"
       ".SH EXAMPLES\n.nf\nchorale kernel \\-mlp_activation relu,tanh \\-tokens_dim 3,5\n"
       "mpirun \\-n 2 chorale simulate deck.yaml \\-ensemble_realizations 100 \\-output_file many.h5\n.fi\n"
       ".SH SEE ALSO\n.BR mpirun (1)");
  return ferror(stdout) != 0;
}
