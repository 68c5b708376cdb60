/* Bad input that only some ranks meet, as the error handler and main see it: hook_error FIRST LAST. The ranks FIRST to
 * LAST leave with PETSC_ERR_USER_INPUT; when others do not, these wait for them for ever, as in a collective call. */
#include <chorale/error.h>

#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  PetscMPIInt rank, size;
  PetscErrorCode code = 0;

  if (argc < 3 || PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const int first = atoi(argv[1]), last = atoi(argv[2]);
  if (MPI_Comm_rank(PETSC_COMM_WORLD, &rank) || MPI_Comm_size(PETSC_COMM_WORLD, &size)) return 1;
  if (first <= rank && rank <= last)
    code = PetscError(PETSC_COMM_SELF, __LINE__, "Meet", __FILE__, PETSC_ERR_USER_INPUT, PETSC_ERROR_INITIAL,
                      "key = value: must be another");
  else if (first <= last)
    for (;;) pause();
  if (ErrorMeet(code) || PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
