#include "run/signals.h"

#include <signal.h>

PetscErrorCode SignalsCatch(void (*handler)(int number)) {
  static const int numbers[] = {SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU, SIGINT};

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
    if (numbers[i] == SIGINT) action.sa_flags |= (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    PetscCheck(!sigaction(numbers[i], NULL, &before), PETSC_COMM_SELF, PETSC_ERR_SYS, "cannot ask for signals");
    if (before.sa_handler == SIG_IGN) continue;
    PetscCheck(!sigaction(numbers[i], &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS, "cannot catch signals");
  }
  PetscFunctionReturn(0);
}
