/* chorale STUDY [DECK.yaml ...] [-option value ...]: chooses the study and runs it. */
#include <chorale/deck.h>
#include <chorale/error.h>
#include <chorale/study.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/begun.h"
#include "base/patience.h"
#include "base/pin.h"
#include "io/provenance.h"
#include "study/self_test.h"

static void PrintUsage(void) {
  const Study *study;
  puts("chorale: token dynamics of deep stochastic transformers\n\n"
       "  [mpirun -n RANKS] chorale STUDY [DECK.yaml ...] [-option value ...]\n\n"
       "Decks are read in order, then options; later wins.\n\nStudies:");
  for (PetscInt i = 0; (study = StudyGet(i)); i++) printf("  %-10s %s\n", study->name, study->summary);
  puts("\nOptions:\n"
       "  STUDY -help           every key of the study with its default and meaning, and every result\n"
       "  STUDY ... -dry_run    check the deck, print resolved parameters, memory and how long it would take\n"
       "  --keys                the keys of all studies as a page in Markdown\n"
       "  --self-test           check this installation in seconds, on any number of ranks\n"
       "  --version             versions of chorale and its libraries\n"
       "  --help                this text\n"
       "PETSc's -log_view, -info, -malloc_debug, -start_in_debugger and the like work too.\n\n"
       "Exit code: 0 success, 1 run-time failure, 2 bad input, 75 other ranks lost, 85 stopped at a\ncheckpoint.");
}

/* What is asked for; prints is true on the rank that answers questions. */
static PetscErrorCode Answer(int argc, char **argv, PetscBool prints) {
  PetscFunctionBeginUser;
  PetscCheck(argc > 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "name a study; see chorale --help");
  if (DeckIsHelp(argv[1])) {
    if (prints) PrintUsage();
  } else if (!strcmp(argv[1], "--version")) {
    if (prints) PetscCall(ProvenancePrintVersion());
  } else if (!strcmp(argv[1], "--self-test")) {
    PetscCall(SelfTest());
  } else if (!strcmp(argv[1], "--keys")) {
    PetscCall(DeckUse(StudyOptions, NULL));
    PetscCall(DeckPrintKeys());
  } else {
    const Study *study = StudyFind(argv[1]);
    PetscCheck(study, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%.64s: is not a study; see chorale --help", argv[1]);
    PetscCall(DeckUse(StudyOptions, study->name));
    if (DeckAsksHelp(argc, argv)) PetscFunctionReturn(StudyHelp(study));
    PetscCall(DeckParse(argc, argv));
    PetscCall(StudyRun(study, StudyFind, StudyOptions));
  }
  PetscFunctionReturn(0);
}

/* Before main, whatever that begins with. */
__attribute__((constructor)) static void Pin(int argc, char **argv) {
  (void)argc;
  PinEnvironment(argv);
}

int main(int argc, char **argv) {
  PetscErrorCode code;
  PetscMPIInt rank;
  /* What reaches PETSc is chosen here: no environment, no .petscrc and no -help may add or answer options behind the
   * deck. */
  char **chosen = calloc((size_t)argc + 3, sizeof(*chosen)), **words = chosen;
  int count = 2;
  if (!chosen) return 1;
  chosen[0] = argc ? argv[0] : (char[]){"chorale"};
  chosen[1] = (char[]){"-skip_petscrc"};
  count += DeckPetscArguments(argc, argv, chosen + 2);
  /* a limit on the size of files is a failed write like any other, also of the memory that Open MPI shares */
  (void)signal(SIGXFSZ, SIG_IGN);
  if (PetscInitialize(&count, &words, NULL, NULL)) return 1;
  if (ErrorHandlerPush() || MPI_Comm_rank(PETSC_COMM_WORLD, &rank)) return 1;
  PatienceStart();
  if (!rank) BegunTell();
  (void)signal(SIGPIPE, SIG_DFL); /* a reader like head that has seen enough ends the program, without PETSc's words */
  code = Answer(argc, argv, rank == 0 ? PETSC_TRUE : PETSC_FALSE);
  if (ErrorMeet(code)) return 1;
  if (PetscFinalize()) return 1;
  free(chosen);
  return ErrorExitCode(code);
}
