#include "base/kind.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__AVX512F__)
#define BUILT "AVX-512"
#elif defined(__AVX2__)
#define BUILT "AVX2"
#elif defined(__AVX__)
#define BUILT "AVX"
#elif defined(__SSE2__)
#define BUILT "SSE2"
#else
#define BUILT "another processor"
#endif

/* Only OpenBLAS has it; other libraries leave it undefined. */
extern char *openblas_get_corename(void) __attribute__((weak));

/* What the functions of the C library go by. */
static const char *Processor(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2")) return __builtin_cpu_supports("fma") ? "AVX2 and FMA" : "AVX2";
  return __builtin_cpu_supports("avx") ? "AVX" : "SSE";
#else
  return BUILT;
#endif
}

typedef struct {
  char host[128], kind[128];
} Place;

PetscErrorCode KindCompare(MPI_Comm comm) {
  Place mine = {0}, first, other;
  PetscMPIInt rank, differs;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  (void)gethostname(mine.host, sizeof(mine.host) - 1);
  (void)snprintf(mine.kind, sizeof(mine.kind), "%s, built for %s, BLAS for %s", Processor(), BUILT,
                 openblas_get_corename ? openblas_get_corename() : "it");
  first = mine;
  PetscCallMPI(MPI_Bcast(&first, sizeof(first), MPI_CHAR, 0, comm));
  differs = strcmp(mine.kind, first.kind) ? rank : INT_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &differs, 1, MPI_INT, MPI_MIN, comm));
  if (differs == INT_MAX) PetscFunctionReturn(0);
  other = mine;
  PetscCallMPI(MPI_Bcast(&other, sizeof(other), MPI_CHAR, differs, comm));
  if (!rank)
    fprintf(stderr,
            "chorale: warning: host %s (rank %d) has %s, but host %s %s: results may have other bits on other ranks\n",
            other.host, (int)differs, other.kind, first.host, first.kind);
  PetscFunctionReturn(0);
}
