/* The deck as text: YAML, -help, -dry_run. */
#include "io/deck_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PetscErrorCode DeckVisit(PetscErrorCode (*visit)(const char *, const char *, void *), void *context) {
  const OptionKey *key;
  const char *value;
  PetscBool set;
  PetscFunctionBeginUser;
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    PetscCall(DeckKeyValue(key, &value, &set));
    PetscCall(visit(key->name, value, context));
  }
  PetscFunctionReturn(0);
}

/* Text as a YAML scalar, never mistaken for another type by any reader. */
static void PrintQuoted(FILE *out, const char *text) {
  fputc('"', out);
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if ((unsigned char)*c < ' ' || *c == 127)
      fprintf(out, "\\x%02x", (unsigned)*c);
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

/* Words that YAML readers take for something else than text. */
static PetscBool IsReserved(const char *word) {
  PetscBool reserved = PETSC_TRUE;
  (void)PetscStrInList(word, "on,off,yes,no,true,false,null,y,n", ',', &reserved);
  return reserved;
}

static void PrintValue(FILE *out, const OptionKey *key, const char *value) {
  if (key->type == KEY_STRING || (DeckKeyWord(key, 0) && IsReserved(value)))
    PrintQuoted(out, value);
  else if (strchr(value, ',')) {
    fputc('[', out);
    for (const char *c = value; *c; c++) fprintf(out, *c == ',' ? ", " : "%c", *c);
    fputc(']', out);
  } else
    fputs(value, out);
}

PetscErrorCode DeckText(char **text) {
  const OptionKey *key;
  const char *value, *section = NULL;
  char *buffer = NULL;
  size_t size = 0;
  PetscBool set;
  FILE *out = open_memstream(&buffer, &size);
  PetscFunctionBeginUser;
  PetscCheck(out, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for the deck's text");
  fprintf(out, "# chorale %s\n", DeckStudy());
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    const size_t n = DeckKeySection(key);
    PetscCall(DeckKeyValue(key, &value, &set));
    if (!*value || (key->type == KEY_FLAG && !set) || key->question) continue;
    if (key->name[n] && (!section || strncmp(section, key->name, n + 1))) fprintf(out, "%.*s:\n", (int)n, key->name);
    section = key->name;
    if (key->name[n])
      fprintf(out, "  %s: ", key->name + n + 1);
    else
      fprintf(out, "%s: ", key->name);
    PrintValue(out, key, value);
    fputc('\n', out);
  }
  fclose(out);
  PetscCall(PetscStrallocpy(buffer, text));
  free(buffer);
  PetscFunctionReturn(0);
}

void DeckPrintWrapped(const char *text, int indent, int width) {
  int column = 0;
  while (*text) {
    const int n = (int)strcspn(text, " ");
    if (column && column + 1 + n > width) {
      printf("\n%*s", indent, "");
      column = 0;
    }
    column += printf("%s%.*s", column ? " " : "", n, text);
    text += n;
    text += strspn(text, " ");
  }
  putchar('\n');
}

PetscErrorCode DeckHelp(void) {
  enum { NAME = 31, PRESET = 10, UNIT = 9, WIDTH = 100 };
  const OptionKey *key;
  const char *section = "";
  PetscMPIInt rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (rank) PetscFunctionReturn(0);
  printf(
      "chorale %s [DECK.yaml ...] [-option value ...]\n\nIn a deck, `section: {key: value}` is -section_key value.\n\n"
      "%-*s%-*s%-*s%s\n",
      DeckStudy(), NAME, "option", PRESET, "default", UNIT, "unit", "meaning and range");
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    char text[1024];
    if (strncmp(section, key->name, DeckKeySection(key) + 1)) putchar('\n');
    section = key->name;
    DeckKeyExplain(key, text, sizeof(text));
    printf("-%-*s%-*s%-*s", NAME - 1, key->name, PRESET, DeckKeyShown(key), UNIT, key->unit);
    DeckPrintWrapped(text, NAME + PRESET + UNIT, WIDTH - NAME - PRESET - UNIT);
  }
  fflush(stdout);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckView(void) {
  const OptionKey *key;
  const char *value;
  PetscBool set;
  PetscMPIInt rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) printf("Parameters of study %s (* given by the user)\n", DeckStudy());
  for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
    PetscCall(DeckKeyValue(key, &value, &set));
    if (rank) continue;
    printf("%c %-29s %s", set ? '*' : ' ', key->name, *value ? value : key->shown ? key->shown : "(none)");
    if (strcmp(key->unit, "-")) printf(" [%s]", key->unit);
    putchar('\n');
  }
  if (!rank) fflush(stdout);
  PetscFunctionReturn(0);
}
