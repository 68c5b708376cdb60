/* -help of a study, beyond its keys: what it measures, by the names that files, tables and reports use. */
#include <chorale/deck.h>
#include <chorale/observables.h>
#include <chorale/study.h>

#include <stdio.h>

enum { NAME = 27, UNIT = 20, WIDTH = 100 };

static void PrintQuantity(const char *name, const char *unit, const char *meaning) {
  printf("%-*s %-*s ", NAME - 1, name, UNIT - 1, unit);
  DeckPrintWrapped(meaning, NAME + UNIT, WIDTH - NAME - UNIT);
}

/* Observables, where the table is made of them, and what the report names. */
static void PrintForm(const ResultsForm *form) {
  for (int o = 0; o < OBSERVABLES && !form->columns && !form->only_table; o++) {
    const Quantity *quantity = ObservableGetQuantity((Observable)o);
    PrintQuantity(quantity->name, quantity->unit, quantity->description);
  }
  for (const QuantityText *text = form->texts; text && text->name; text++)
    PrintQuantity(text->name, text->unit, text->description);
}

PetscErrorCode StudyHelp(const Study *study) {
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCall(DeckHelp());
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (rank || study->form.only_table || !study->create) PetscFunctionReturn(0);
  printf("\n%-*s%-*s%s\n", NAME, "result", UNIT, "unit", "meaning");
  PrintForm(&study->form);
  for (const Study *const *other = study->others; other && *other; other++) PrintForm(&(*other)->form);
  puts("\nNAME_mean and NAME_sem are the mean over the realizations and its standard error, NAME_low and\n"
       "NAME_high the ends of a 95% interval, NAME_verdict what is said of NAME beside the theory.");
  fflush(stdout);
  PetscFunctionReturn(0);
}
