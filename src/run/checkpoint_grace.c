#include <stdio.h>
#include <stdlib.h>

#include "run/checkpoint_impl.h"

/* The first step begins with what is done once, so that the second is measured: what a SIGTERM will cost where
 * mpirun does not wait for the end of a step. */
void CheckpointTellGrace(Checkpoint checkpoint, double now) {
  const char *later = getenv("PRTE_MCA_odls_base_sigkill_timeout"); /* from Open MPI 5 on */
  const char *given = later ? later : getenv("OMPI_MCA_odls_base_sigkill_timeout");
  const double grace = PetscMax(1, given ? strtod(given, NULL) : 0), step = now - checkpoint->first;

  checkpoint->looks++;
  if (checkpoint->looks == 1) checkpoint->first = now;
  if (checkpoint->looks != 2 || !getenv("OMPI_COMM_WORLD_SIZE") || step < grace) return;
  printf(
      "           a step takes %.3g s, and mpirun kills %.3g s after SIGTERM: that would lose what is done since the "
      "last checkpoint; send SIGUSR1, or see jobs/README.md\n",
      step, grace);
  (void)fflush(stdout);
}
