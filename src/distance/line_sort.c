/* A sample sort: the atoms are split at places found from a sample, exchanged once, and sorted where they arrive.
 * Splits compare the place and then the number of the atom, so that many atoms at one place (synchronized tokens)
 * spread over the ranks as well. How the ranks share the atoms depends on the sample; their order does not. */
#include "distance/line_sort.h"

#include <stdlib.h>

#define DIGIT   10 /* bits sorted at a time; places have 60 */
#define DIGITS  6
#define BUCKETS (1 << DIGIT)
#define SAMPLE  1024 /* atoms per rank that suggest where to split: shares differ by some percent */

PetscErrorCode AtomsType(MPI_Datatype *type) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Type_contiguous(2, MPIU_INT64, type));
  PetscCallMPI(MPI_Type_commit(type));
  PetscFunctionReturn(0);
}

static inline PetscInt64 Digit(PetscInt64 place, int digit) {
  return (place >> (digit * DIGIT)) & (BUCKETS - 1);
}

/* Least significant digit first, which keeps equals in order. */
static PetscErrorCode RadixSort(PetscInt64 n, Atom **atoms) {
  PetscInt64(*starts)[BUCKETS];
  Atom *from = *atoms, *to;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &to));
  PetscCall(PetscCalloc1(DIGITS, &starts));
  for (PetscInt64 i = 0; i < n; i++)
    for (int digit = 0; digit < DIGITS; digit++) starts[digit][Digit(from[i].place, digit)]++;
  for (int digit = 0; digit < DIGITS && n > 0; digit++) {
    PetscInt64 *start = starts[digit], sum = 0;

    if (start[Digit(from[0].place, digit)] == n) continue; /* all alike */
    for (PetscInt64 b = 0; b < BUCKETS; b++) {
      const PetscInt64 size = start[b];
      start[b] = sum;
      sum += size;
    }
    for (PetscInt64 i = 0; i < n; i++) to[start[Digit(from[i].place, digit)]++] = from[i];
    Atom *const sorted = to;
    to = from;
    from = sorted;
  }
  PetscCall(PetscFree(starts));
  PetscCall(PetscFree(to));
  *atoms = from;
  PetscFunctionReturn(0);
}

/* An atom as a splitter sees it. */
typedef struct {
  PetscInt64 place, number;
} Splitter;

static int Compare(const void *a, const void *b) {
  const Splitter *splitter = a, *y = b;

  if (splitter->place != y->place) return splitter->place < y->place ? -1 : 1;
  return (splitter->number > y->number) - (splitter->number < y->number);
}

/* splitters[size - 1], the same on all ranks, or none of them when there is no atom at all. */
static PetscErrorCode Splitters(MPI_Comm comm, PetscMPIInt size, PetscInt64 first, PetscInt64 n, const Atom *atoms,
                                Splitter *splitters) {
  PetscMPIInt mine = (PetscMPIInt)PetscMin(n, SAMPLE), *counts, *starts;
  MPI_Datatype type;
  Splitter *all, own[SAMPLE];

  PetscFunctionBeginUser;
  for (PetscMPIInt i = 0; i < mine; i++) {
    const PetscInt64 k = i * n / mine;
    own[i] = (Splitter){atoms[k].place, first + k};
  }
  PetscCall(PetscMalloc2(size, &counts, size + 1, &starts));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, comm));
  starts[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) starts[r + 1] = starts[r] + counts[r];
  PetscCall(PetscMalloc1(starts[size], &all));
  PetscCall(AtomsType(&type)); /* a splitter is two integers, too */
  PetscCallMPI(MPI_Allgatherv(own, mine, type, all, counts, starts, type, comm));
  PetscCallMPI(MPI_Type_free(&type));
  qsort(all, (size_t)starts[size], sizeof(*all), Compare);
  for (PetscMPIInt r = 1; r < size && starts[size] > 0; r++)
    splitters[r - 1] = all[(PetscInt64)r * starts[size] / size];
  PetscCall(PetscFree(all));
  PetscCall(PetscFree2(counts, starts));
  PetscFunctionReturn(0);
}

/* The rank that an atom goes to: the number of splitters not above it. */
static PetscMPIInt Destination(PetscMPIInt size, const Splitter *splitters, Splitter atom) {
  PetscMPIInt low = 0, high = size - 1;

  while (low < high) {
    const PetscMPIInt middle = low + (high - low) / 2;
    if (Compare(&splitters[middle], &atom) <= 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* counts[size] atoms go to each rank; the atoms in that order. */
static PetscErrorCode Scatter(PetscMPIInt size, const Splitter *splitters, PetscInt64 first, PetscInt64 n, Atom **atoms,
                              PetscMPIInt *counts) {
  PetscMPIInt *next;
  Atom *sent;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(counts, size));
  for (PetscInt64 i = 0; i < n; i++) counts[Destination(size, splitters, (Splitter){(*atoms)[i].place, first + i})]++;
  PetscCall(PetscMalloc1(size, &next));
  for (PetscMPIInt r = 0, start = 0; r < size; start += counts[r++]) next[r] = start;
  PetscCall(PetscMalloc1(n, &sent));
  for (PetscInt64 i = 0; i < n; i++)
    sent[next[Destination(size, splitters, (Splitter){(*atoms)[i].place, first + i})]++] = (*atoms)[i];
  PetscCall(PetscFree(next));
  PetscCall(PetscFree(*atoms));
  *atoms = sent;
  PetscFunctionReturn(0);
}

static PetscErrorCode Exchange(MPI_Comm comm, PetscMPIInt size, const PetscMPIInt *sent, PetscInt64 *n, Atom **atoms) {
  PetscMPIInt *received, *from, *to;
  MPI_Datatype type;
  Atom *in;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(size, &received, size + 1, &from, size + 1, &to));
  PetscCallMPI(MPI_Alltoall(sent, 1, MPI_INT, received, 1, MPI_INT, comm));
  from[0] = to[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) {
    from[r + 1] = from[r] + sent[r];
    to[r + 1] = to[r] + received[r];
  }
  PetscCall(PetscMalloc1(to[size], &in));
  PetscCall(AtomsType(&type));
  PetscCallMPI(MPI_Alltoallv(*atoms, sent, from, type, in, received, to, type, comm));
  PetscCallMPI(MPI_Type_free(&type));
  PetscCall(PetscFree(*atoms));
  *n = to[size];
  *atoms = in;
  PetscCall(PetscFree3(received, from, to));
  PetscFunctionReturn(0);
}

PetscErrorCode AtomsSort(MPI_Comm comm, PetscInt64 *n, Atom **atoms) {
  PetscInt64 first = 0;
  Splitter *splitters;
  PetscMPIInt size, *sent;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size > 1) {
    PetscCallMPI(MPI_Scan(n, &first, 1, MPIU_INT64, MPI_SUM, comm));
    first -= *n;
    PetscCall(PetscMalloc2(size - 1, &splitters, size, &sent));
    PetscCall(Splitters(comm, size, first, *n, *atoms, splitters));
    PetscCall(Scatter(size, splitters, first, *n, atoms, sent));
    PetscCall(Exchange(comm, size, sent, n, atoms));
    PetscCall(PetscFree2(splitters, sent));
  }
  PetscCall(RadixSort(*n, atoms));
  PetscFunctionReturn(0);
}
