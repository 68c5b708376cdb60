/* Lines: a measure's atoms, sorted over the ranks, with their quantiles. */
#include "distance/line.h"
#include "distance/line_sort.h"

#include <chorale/sum.h>

/* The masses of this rank's sorted atoms added up, from all atoms before them. Rounded weights do not add up to exactly
 * LINE_ONE; the lack is spread in proportion, which leaves equal weights equal. */
static PetscErrorCode Accumulate(Line *line) {
  PetscInt64 mine = 0, before = 0, total;
  PetscReal lack;

  PetscFunctionBeginUser;
  for (PetscInt64 i = 0; i < line->n; i++) mine += line->atoms[i].mass;
  PetscCallMPI(MPI_Scan(&mine, &before, 1, MPIU_INT64, MPI_SUM, line->comm));
  before -= mine;
  PetscCallMPI(MPI_Allreduce(&mine, &total, 1, MPIU_INT64, MPI_SUM, line->comm));
  PetscCallMPI(MPI_Allreduce(&line->n, &line->count, 1, MPIU_INT64, MPI_SUM, line->comm));
  PetscCheck(total > 0, line->comm, PETSC_ERR_ARG_OUTOFRANGE, "tokens without weights");
  lack = (PetscReal)(LINE_ONE - total) / (PetscReal)total;
  line->begin = before + SumRound((PetscReal)before, lack);
  for (PetscInt64 i = 0; i < line->n; i++) {
    before += line->atoms[i].mass;
    line->atoms[i].mass = before + SumRound((PetscReal)before, lack);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode LineCreate(Tokens tokens, const PetscInt64 *places, Line *line) {
  const double *weights;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetWeights(tokens, &weights));
  *line = (Line){.comm = layout.comm};
  PetscCall(PetscMalloc1((size_t)layout.owned * layout.block, &line->atoms));
  for (PetscInt b = 0; b < layout.owned; b++) {
    const PetscInt filled = TokensFilled(&layout, b);

    for (PetscInt t = 0; t < filled; t++) {
      const PetscInt64 mass = SumRound(weights[b * layout.block + t], (PetscReal)LINE_ONE);
      if (mass > 0) line->atoms[line->n++] = (Atom){places[t], mass};
    }
    places += filled;
  }
  PetscCall(AtomsSort(line->comm, &line->n, &line->atoms));
  PetscCall(Accumulate(line));
  PetscFunctionReturn(0);
}

PetscErrorCode LineGather(Line *line) {
  PetscMPIInt size, mine, *counts, *starts;
  MPI_Datatype type;
  Atom *all;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(line->comm, &size));
  if (size == 1) PetscFunctionReturn(0);
  mine = (PetscMPIInt)line->n;
  PetscCall(PetscMalloc2(size, &counts, size + 1, &starts));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, line->comm));
  starts[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) starts[r + 1] = starts[r] + counts[r];
  PetscCall(PetscMalloc1(line->count, &all));
  PetscCall(AtomsType(&type));
  PetscCallMPI(MPI_Allgatherv(line->atoms, mine, type, all, counts, starts, type, line->comm));
  PetscCallMPI(MPI_Type_free(&type));
  PetscCall(PetscFree2(counts, starts));
  PetscCall(PetscFree(line->atoms));
  line->atoms = all;
  line->n = line->count;
  line->begin = 0;
  PetscFunctionReturn(0);
}

PetscErrorCode LineDestroy(Line *line) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(line->atoms));
  PetscFunctionReturn(0);
}

PetscInt64 LineSeek(const Line *line, PetscInt64 i, PetscInt64 s) {
  const Atom *atoms = line->atoms;
  PetscInt64 step = 1, high;

  if (atoms[i].mass >= s) return i;
  for (; i + step < line->n && atoms[i + step].mass < s; step *= 2) i += step;
  high = PetscMin(i + step, line->n - 1);
  while (high - i > 1) {
    const PetscInt64 middle = i + (high - i) / 2;
    if (atoms[middle].mass < s)
      i = middle;
    else
      high = middle;
  }
  return high;
}
