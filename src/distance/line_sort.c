/* A sort by samples and their ranks. Every rank sorts its own atoms and names some of them, at equal distances; all
 * ranks count how many atoms lie before each, so it is known how evenly these would split the atoms, and the best of
 * them are chosen (histogram sort with sampling: Harsh, Kale, Solomonik, SPAA 2019, with one round). Then each rank
 * sends a contiguous part to each rank, which merges what it gets. An atom named is compared by its place and then by
 * its number, so that many atoms at one place (synchronized tokens) spread over the ranks as well. How the ranks share
 * the atoms depends on the names; their order does not. */
#include "distance/line_sort.h"

#include <stdlib.h>

#define DIGIT   10 /* bits sorted at a time; places have 60 */
#define DIGITS  6
#define BUCKETS (1 << DIGIT)
#define SAMPLE  16 /* atoms that a rank names: where atoms are smoothly spread, shares differ by a percent or so */

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

/* An atom that is named. Numbers go through the atoms of rank after rank, in the order that each has sorted. */
typedef struct {
  PetscInt64 place, number;
} Splitter;

static int Compare(const void *a, const void *b) {
  const Splitter *splitter = a, *y = b;

  if (splitter->place != y->place) return splitter->place < y->place ? -1 : 1;
  return (splitter->number > y->number) - (splitter->number < y->number);
}

/* How many of this rank's sorted atoms, which have the numbers first .. first + n - 1, lie before the splitter. */
static PetscInt64 Before(PetscInt64 first, PetscInt64 n, const Atom *atoms, Splitter splitter) {
  PetscInt64 low = 0, high = n;

  while (low < high) {
    const PetscInt64 middle = low + (high - low) / 2;
    const Splitter atom = {atoms[middle].place, first + middle};
    if (Compare(&atom, &splitter) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The atoms that the ranks name, sorted, between the two ends of all places: *count of them, on every rank; the caller
 * frees. */
static PetscErrorCode Names(MPI_Comm comm, PetscInt64 first, PetscInt64 n, const Atom *atoms, PetscMPIInt *count,
                            Splitter **names) {
  PetscMPIInt size, mine = (PetscMPIInt)PetscMin(n, SAMPLE), *counts, *starts;
  MPI_Datatype type;
  Splitter own[SAMPLE];

  PetscFunctionBeginUser;
  for (PetscMPIInt i = 0; i < mine; i++) {
    const PetscInt64 k = (2 * i + 1) * n / (2 * mine);
    own[i] = (Splitter){atoms[k].place, first + k};
  }
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc2(size, &counts, size + 1, &starts));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, comm));
  starts[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) starts[r + 1] = starts[r] + counts[r];
  *count = starts[size] + 2;
  PetscCall(PetscMalloc1(*count, names));
  (*names)[0] = (Splitter){-1, 0};
  (*names)[*count - 1] = (Splitter){LINE_LAP, 0};
  PetscCall(AtomsType(&type)); /* a splitter is two integers, too */
  PetscCallMPI(MPI_Allgatherv(own, mine, type, *names + 1, counts, starts, type, comm));
  PetscCallMPI(MPI_Type_free(&type));
  PetscCall(PetscFree2(counts, starts));
  qsort(*names + 1, (size_t)*count - 2, sizeof(**names), Compare);
  PetscFunctionReturn(0);
}

static Splitter Between(Splitter a, Splitter b, PetscReal share) {
  const PetscInt64 place = a.place + (PetscInt64)(share * (PetscReal)(b.place - a.place));

  if (place > a.place) return (Splitter){place, 0};
  return (Splitter){place, a.number + (b.place > place ? 0 : (PetscInt64)(share * (PetscReal)(b.number - a.number)))};
}

/* sent[size]: how many of this rank's sorted atoms go to each rank, so that all get about the same number. */
static PetscErrorCode Split(MPI_Comm comm, PetscMPIInt size, PetscInt64 n, const Atom *atoms, PetscMPIInt *sent) {
  PetscInt64 first = 0, total, begin = 0, *before;
  PetscMPIInt count = 0, i = 0; /* before name i lie no more than wanted */
  Splitter *names;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Scan(&n, &first, 1, MPIU_INT64, MPI_SUM, comm));
  first -= n;
  PetscCall(Names(comm, first, n, atoms, &count, &names)); /* the first and the last are the ends of all places */
  PetscCall(PetscMalloc1(count, &before));
  for (PetscMPIInt k = 0; k < count; k++) before[k] = Before(first, n, atoms, names[k]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, before, count, MPIU_INT64, MPI_SUM, comm));
  total = before[count - 1];
  for (PetscMPIInt r = 0; r < size; r++) {
    const PetscInt64 want = (PetscInt64)(r + 1) * total / size;
    PetscInt64 end = n;

    while (i + 2 < count && before[i + 1] <= want) i++;
    const PetscReal share = (PetscReal)(want - before[i]) / (PetscReal)PetscMax(1, before[i + 1] - before[i]);
    if (r + 1 < size) end = Before(first, n, atoms, Between(names[i], names[i + 1], PetscMin(share, 1)));
    sent[r] = (PetscMPIInt)(end - begin);
    begin = end;
  }
  PetscCall(PetscFree(before));
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

/* Two sorted runs into one; of equals those of the first come first. */
static void Merge(const Atom *a, PetscInt64 n, const Atom *b, PetscInt64 m, Atom *to) {
  while (n && m) {
    const PetscBool second = b->place < a->place ? PETSC_TRUE : PETSC_FALSE;
    *to++ = second ? *b++ : *a++;
    if (second)
      m--;
    else
      n--;
  }
  for (; n; n--) *to++ = *a++;
  for (; m; m--) *to++ = *b++;
}

/* Neighbouring runs, of which run r ends where run r + 1 starts, two by two until there is one. */
static PetscErrorCode MergeRuns(PetscMPIInt runs, PetscMPIInt *starts, Atom **atoms) {
  Atom *from = *atoms, *to;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(starts[runs], &to));
  while (runs > 1) {
    PetscMPIInt made = 0;
    for (PetscMPIInt r = 0; r < runs; r += 2) {
      const PetscMPIInt begin = starts[r], middle = starts[r + 1], end = starts[PetscMin(r + 2, runs)];
      Merge(from + begin, middle - begin, from + middle, end - middle, to + begin);
      starts[made++] = begin;
    }
    starts[made] = starts[runs];
    runs = made;
    Atom *const merged = to;
    to = from;
    from = merged;
  }
  PetscCall(PetscFree(to));
  *atoms = from;
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
  PetscCall(MergeRuns(size, to, atoms));
  PetscCall(PetscFree3(received, from, to));
  PetscFunctionReturn(0);
}

PetscErrorCode AtomsSort(MPI_Comm comm, PetscInt64 *n, Atom **atoms) {
  PetscMPIInt size, *sent;

  PetscFunctionBeginUser;
  PetscCall(RadixSort(*n, atoms));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size == 1) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(size, &sent));
  PetscCall(Split(comm, size, *n, *atoms, sent));
  PetscCall(Exchange(comm, size, sent, n, atoms));
  PetscCall(PetscFree(sent));
  PetscFunctionReturn(0);
}
