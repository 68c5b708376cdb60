/* Two lines whose atoms are spread over the ranks: each rank has the quantiles begin .. end of mu, and a plan with the
 * shift a joins them with begin + a .. end + a of nu. As both are sorted, that is a part of nu which few ranks have,
 * about as long as the rank's part of mu. It is fetched with a margin, so that the shifts nearby need no other. */
#include "distance/line.h"
#include "distance/line_sort.h"

#define FEW  16384 /* atoms of nu that every rank has, all of them */
#define LAPS 5     /* -2 .. 2: how far nu goes on beyond its ends */

PetscErrorCode LinePairCreate(Line *mu, Line *nu, LinePair *pair) {
  const PetscBool swap = mu->count < nu->count ? PETSC_TRUE : PETSC_FALSE;
  PetscInt64 mine[2];
  PetscMPIInt size;

  PetscFunctionBeginUser;
  *pair = (LinePair){.mu = swap ? *nu : *mu, .nu = swap ? *mu : *nu};
  *mu = *nu = (Line){.atoms = NULL};
  mine[0] = pair->mu.begin;
  mine[1] = LineEnd(&pair->mu);
  PetscCallMPI(MPI_Comm_size(pair->mu.comm, &size));
  if (size == 1 || pair->nu.count <= FEW) {
    PetscCall(LineGather(&pair->nu));
    pair->seen = pair->nu;
    pair->nu.atoms = NULL;
    pair->whole = PETSC_TRUE;
    PetscFunctionReturn(0);
  }
  PetscCall(PetscMalloc1(2 * size, &pair->ends));
  PetscCallMPI(MPI_Allgather(mine, 2, MPIU_INT64, pair->ends, 2, MPIU_INT64, pair->mu.comm));
  PetscCall(LinePairSee(pair, 0));
  PetscFunctionReturn(0);
}

PetscErrorCode LinePairDestroy(LinePair *pair) {
  PetscFunctionBeginUser;
  PetscCall(LineDestroy(&pair->mu));
  PetscCall(LineDestroy(&pair->nu));
  PetscCall(LineDestroy(&pair->seen));
  PetscCall(PetscFree(pair->ends));
  PetscFunctionReturn(0);
}

/* Of the sorted piece the atoms first .. end - 1 with quantiles in low .. high, the one that reaches beyond high, too.
 */
static void Part(const Line *line, PetscInt64 low, PetscInt64 high, PetscInt64 *first, PetscInt64 *end) {
  *first = *end = 0;
  if (!line->n || line->begin > high || LineEnd(line) <= low) return;
  *first = LineSeek(line, 0, low + 1);
  *end = LineEnd(line) <= high ? line->n : LineSeek(line, *first, high + 1) + 1;
}

/* sent[size][LAPS]: how many atoms each rank gets of this one's, for each lap; and these, for rank after rank. */
static PetscErrorCode Pack(const LinePair *pair, PetscMPIInt size, PetscMPIInt (*sent)[LAPS], Atom **atoms) {
  const Line *nu = &pair->nu;
  PetscInt64 first, end, k = 0;

  PetscFunctionBeginUser;
  for (int pass = 0; pass < 2; pass++) {
    if (pass) PetscCall(PetscMalloc1(k, atoms));
    k = 0;
    for (PetscMPIInt r = 0; r < size; r++)
      for (int l = 0; l < LAPS; l++) {
        const PetscInt64 lap = l - LAPS / 2, back = lap * LINE_ONE;
        Part(nu, pair->ends[2 * r] + pair->low - back, pair->ends[2 * r + 1] + pair->high - back, &first, &end);
        sent[r][l] = (PetscMPIInt)(end - first);
        for (PetscInt64 i = first; i < end && pass; i++)
          (*atoms)[k + i - first] = (Atom){nu->atoms[i].place + lap * LINE_LAP, nu->atoms[i].mass + back};
        k += end - first;
      }
  }
  PetscFunctionReturn(0);
}

/* Atoms in the order of ranks, and of laps for each, in that of laps. */
static void Unpack(PetscMPIInt size, PetscMPIInt (*received)[LAPS], const Atom *in, Atom *atoms) {
  for (int lap = 0; lap < LAPS; lap++) {
    const Atom *from = in;

    for (PetscMPIInt r = 0; r < size; r++)
      for (int l = 0; l < LAPS; from += received[r][l++])
        for (PetscMPIInt i = 0; i < received[r][l] && l == lap; i++) *atoms++ = from[i];
  }
}

/* Of counts[size][LAPS] the sum for each rank, and where its atoms start: starts[size + 1]. */
static void AddUp(PetscMPIInt size, PetscMPIInt (*counts)[LAPS], PetscMPIInt *sums, PetscMPIInt *starts) {
  starts[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) {
    sums[r] = 0;
    for (int l = 0; l < LAPS; l++) sums[r] += counts[r][l];
    starts[r + 1] = starts[r] + sums[r];
  }
}

static PetscErrorCode Fetch(LinePair *pair) {
  const MPI_Comm comm = pair->nu.comm;
  PetscMPIInt size, (*sent)[LAPS], (*received)[LAPS], *out, *from, *in, *to;
  MPI_Datatype type;
  Atom *mine, *theirs;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc6(size, &sent, size, &received, size, &out, size + 1, &from, size, &in, size + 1, &to));
  PetscCall(Pack(pair, size, sent, &mine));
  PetscCallMPI(MPI_Alltoall(sent, LAPS, MPI_INT, received, LAPS, MPI_INT, comm));
  AddUp(size, sent, out, from);
  AddUp(size, received, in, to);
  PetscCall(PetscMalloc1(to[size], &theirs));
  PetscCall(AtomsType(&type));
  PetscCallMPI(MPI_Alltoallv(mine, out, from, type, theirs, in, to, type, comm));
  PetscCallMPI(MPI_Type_free(&type));
  PetscCall(PetscFree(mine));
  PetscCall(LineDestroy(&pair->seen));
  pair->seen = (Line){.comm = comm, .count = pair->nu.count, .n = to[size]};
  PetscCall(PetscMalloc1(pair->seen.n, &pair->seen.atoms));
  Unpack(size, received, theirs, pair->seen.atoms);
  PetscCall(PetscFree(theirs));
  PetscCall(PetscFree6(sent, received, out, from, in, to));
  PetscFunctionReturn(0);
}

PetscErrorCode LinePairSee(LinePair *pair, PetscInt64 shift) {
  PetscMPIInt size;

  PetscFunctionBeginUser;
  if (pair->whole || (pair->seen.atoms && pair->low <= shift && shift <= pair->high)) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_size(pair->nu.comm, &size));
  pair->low = shift - LINE_ONE / (4 * size);
  pair->high = shift + LINE_ONE / (4 * size);
  PetscCall(Fetch(pair));
  PetscFunctionReturn(0);
}
