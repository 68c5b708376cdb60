#include <stdio.h>
#include <stdlib.h>

#include "run/checkpoint_impl.h"

/* The longest time between the ends of two steps after which there is a checkpoint; 0 for any. */
static double Lost(const CheckpointOptions *options, double step) {
  const double most = options->interval > 0 ? options->interval + step : PETSC_MAX_REAL;
  const double lost = options->every > 0 ? PetscMin(most, (double)options->every * step) : most;

  return lost < PETSC_MAX_REAL ? lost : 0;
}

/* The first step begins with what is done once, so that the second is measured: what a SIGTERM will cost where
 * mpirun does not wait for the end of a step. */
void CheckpointTellGrace(Checkpoint checkpoint, double now) {
  const char *later = getenv("PRTE_MCA_odls_base_sigkill_timeout"); /* from Open MPI 5 on */
  const char *given = later ? later : getenv("OMPI_MCA_odls_base_sigkill_timeout");
  const double grace = PetscMax(1, given ? strtod(given, NULL) : 0), step = now - checkpoint->first;
  const double lost = Lost(&checkpoint->options, step);
  char most[64] = "all that is done";

  checkpoint->looks++;
  if (checkpoint->looks == 1) checkpoint->first = now;
  if (checkpoint->looks != 2 || !getenv("OMPI_COMM_WORLD_SIZE") || step < grace) return;
  if (lost > 0) (void)snprintf(most, sizeof(most), "up to %.3g s", lost);
  printf(
      "           a step takes %.3g s, and mpirun kills %.3g s after SIGTERM: that would lose %s; send SIGUSR1, or see "
      "jobs/README.md\n",
      step, grace, most);
  (void)fflush(stdout);
}
