/* The keys of all studies as a table in Markdown. */
#include "io/deck_keys.h"

#include <stdio.h>
#include <string.h>

/* Text in a cell: nothing of it is markup. */
static void Print(const char *text) {
  for (; *text; text++) {
    if (strchr("|*<\\", *text)) putchar('\\');
    putchar(*text);
  }
}

/* The studies that read the key, and what is different there. */
static void PrintStudies(const OptionKey *key) {
  const char *name, *before = "";
  OptionKey known;
  for (PetscInt i = 0; (name = DeckStudyName(i)); i++) {
    const char *open = " (";
    if (!DeckKeyOf(i, key, &known)) continue;
    printf("%s%s", before, name);
    if (known.lists && !key->lists) printf("%slists", open), open = ", ";
    for (PetscInt w = 0; known.words != key->words && known.words[w]; w++)
      printf("%s%s", open, known.words[w]), open = ", ";
    if (strcmp(DeckKeyShown(&known), DeckKeyShown(key)))
      printf("%sdefault %s", open, DeckKeyShown(&known)), open = ", ";
    if (*open == ',') putchar(')');
    before = ", ";
  }
}

PetscErrorCode DeckPrintKeys(void) {
  const OptionKey *key;
  char text[1024];
  PetscMPIInt rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (rank) PetscFunctionReturn(0);
  puts("| key | default | unit | meaning | studies |\n|---|---|---|---|---|");
  for (PetscInt i = 0; (key = DeckKeyGetAny(i)); i++) {
    printf("| `%s` | ", key->name);
    Print(DeckKeyShown(key));
    printf(" | %s | ", key->unit);
    DeckKeyExplain(key, text, sizeof(text));
    Print(text);
    fputs(" | ", stdout);
    PrintStudies(key);
    puts(" |");
  }
  fflush(stdout);
  PetscFunctionReturn(0);
}
