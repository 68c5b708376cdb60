/* Results are the same bits with and without tools/mpi-env, whatever a shell, a site or a launcher has set. */
#include "base/pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One thread: with more BLAS splits its sums, by a number that depends on the cores a rank may use. */
static const char *const ones[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"};

/* Other names for threads, other kernels, other blocks. */
static const char *const removed[] = {"GOTO_NUM_THREADS",        "OPENBLAS_DEFAULT_NUM_THREADS",
                                      "OPENBLAS_BLOCK_FACTOR",   "MKL_NUM_THREADS",
                                      "MKL_DOMAIN_NUM_THREADS",  "MKL_CBWR",
                                      "MKL_ENABLE_INSTRUCTIONS", "BLIS_NUM_THREADS",
                                      "BLIS_ARCH_TYPE"};

/* Does the processor have AVX-512? By the system's list, as tools/mpi-env looks: a program under valgrind is told
 * otherwise. */
static int HasAvx512(void) {
  FILE *file = fopen("/proc/cpuinfo", "r");
  char line[8192];
  int has = 0;

  while (file && fgets(line, sizeof(line), file)) {
    if (strncmp(line, "flags", strlen("flags"))) continue;
    has = strstr(line, " avx512dq") != NULL;
    break;
  }
  if (file) (void)fclose(file);
  return has;
}

/* Do ranks run on several nodes, as far as the launcher says? */
static int HasManyNodes(void) {
  const char *all = getenv("OMPI_COMM_WORLD_SIZE"), *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  const char *nodes = getenv("SLURM_STEP_NUM_NODES");

  return (all && here && strcmp(all, here)) || (nodes && strcmp(nodes, "1"));
}

/* Gives a variable this value, NULL for none; was it otherwise, and can it be set? */
static int Change(const char *name, const char *value) {
  const char *old = getenv(name);

  if (!value) return old && !unsetenv(name);
  return (!old || strcmp(old, value)) && !setenv(name, value, 1);
}

/* By its own path, so that it keeps its name in lists of processes. */
static void StartAgain(char **argv) {
  static const char self[] = "/proc/self/exe";
  char path[4096];
  const ssize_t n = readlink(self, path, sizeof(path) - 1);

  if (n > 0) {
    path[n] = '\0';
    (void)execv(path, argv);
  }
  (void)execv(self, argv);
}

void PinEnvironment(char **argv) {
  const char *tunables = getenv("GLIBC_TUNABLES");
  int changed = 0;

  for (size_t i = 0; i < sizeof(ones) / sizeof(*ones); i++) changed |= Change(ones[i], "1");
  for (size_t i = 0; i < sizeof(removed) / sizeof(*removed); i++) changed |= Change(removed[i], NULL);
  /* OpenBLAS 0.3.21 does not know recent AMD processors and takes AVX2 kernels where AVX-512 is there. */
  changed |= Change("OPENBLAS_CORETYPE", HasAvx512() ? "SkylakeX" : NULL);
  /* exp, log and their like round otherwise without FMA */
  if (tunables && strstr(tunables, "glibc.cpu.")) changed |= Change("GLIBC_TUNABLES", NULL);
  if (changed) StartAgain(argv); /* where it fails the run goes on as it is */
  /* Shared file pointers, which nothing here uses: to find out whether it can offer them by a lock file, Open MPI
   * writes past its buffer where a path is long. Several nodes have no other; there see HdfCheckName. */
  if (!HasManyNodes()) (void)setenv("OMPI_MCA_sharedfp", "^lockedfile", 1);
  unsetenv("PETSC_OPTIONS");
  unsetenv("PETSC_OPTIONS_YAML");
}
