#include "law/sphere/synthesis.h"

#include <math.h>

#include "base/lanes.h"
#include "law/sphere/impl.h"
#include "law/sphere/table.h"

struct _p_Synthesis {
  Harmonics harmonics;
  PetscInt n, count; /* functions, K */
  SynthesisCost cost;
  const double *coefficients;
  PetscBool table; /* do the coefficients in hand have one, */
  PetscBool fresh; /* which is still to be made? */
  TableCircle circle;
  TableSphere sphere;
};

#define TOGETHER 16 /* functions that HarmonicsSynthesize takes at most */
/* A table is used where making it takes at most 1/SHARE of the time that it saves on one rank. So it still saves time
 * on so many ranks, each of which makes the same table for fewer tokens. */
#define SHARE_CIRCLE 8
#define SHARE_SPHERE 28
#define BYTES        (1 << 25)
/* Measured: seconds per flop of HarmonicsSynthesize, relative to those of a table, where both take as long. Tables on
 * the sphere gain less from the widest registers. */
#define RATE_CIRCLE 1.0
#define RATE_SPHERE (LANES == 8 ? 0.8 : 1.25)

static SynthesisCost Cost(Harmonics harmonics, PetscInt n) {
  SynthesisCost cost = {.from = INT64_MAX};
  TableCost table;
  PetscReal saved;

  for (PetscInt c = 0; c < n; c += TOGETHER) cost.plain += HarmonicsFlops(harmonics, PetscMin(n - c, TOGETHER));
  if (harmonics->dim > 3 || n > TABLE_FUNCTIONS) return cost;
  table = harmonics->dim == 2 ? TableCircleCost(harmonics->degree, n, TABLE_EXACT)
                              : TableSphereCost(harmonics->degree, n, TABLE_EXACT);
  cost.table = table.token;
  cost.set = table.set;
  cost.bytes = table.bytes;
  saved = (harmonics->dim == 2 ? RATE_CIRCLE : RATE_SPHERE) * cost.plain - table.token;
  if (saved > 0 && table.bytes <= BYTES)
    cost.from = (PetscInt64)ceil((harmonics->dim == 2 ? SHARE_CIRCLE : SHARE_SPHERE) * table.set / saved);
  return cost;
}

PetscErrorCode SynthesisCreate(Harmonics harmonics, PetscInt n, Synthesis *handle) {
  Synthesis synthesis;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&synthesis));
  synthesis->harmonics = harmonics;
  synthesis->n = n;
  synthesis->cost = Cost(harmonics, n);
  PetscCall(HarmonicsGetSize(harmonics, &synthesis->count, NULL));
  *handle = synthesis;
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisDestroy(Synthesis *synthesis) {
  PetscFunctionBeginUser;
  if (!*synthesis) PetscFunctionReturn(0);
  PetscCall(TableCircleDestroy(&(*synthesis)->circle));
  PetscCall(TableSphereDestroy(&(*synthesis)->sphere));
  PetscCall(PetscFree(*synthesis));
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisSet(Synthesis synthesis, PetscInt64 tokens, const double *coefficients) {
  PetscFunctionBeginUser;
  synthesis->coefficients = coefficients;
  synthesis->table = synthesis->fresh = tokens >= synthesis->cost.from ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

static PetscErrorCode MakeTable(Synthesis synthesis) {
  const Harmonics harmonics = synthesis->harmonics;
  const PetscInt degree = harmonics->degree, n = synthesis->n;

  PetscFunctionBeginUser;
  synthesis->fresh = PETSC_FALSE;
  if (harmonics->dim == 2) {
    if (!synthesis->circle) PetscCall(TableCircleCreate(degree, n, TABLE_EXACT, &synthesis->circle));
    PetscCall(TableCircleSet(synthesis->circle, harmonics, synthesis->coefficients));
  } else {
    if (!synthesis->sphere) PetscCall(TableSphereCreate(degree, n, TABLE_EXACT, &synthesis->sphere));
    PetscCall(TableSphereSet(synthesis->sphere, harmonics, synthesis->coefficients));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisEvaluate(Synthesis synthesis, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  PetscCheck(blocks <= 1 || B == HARMONICS_BLOCK, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "%" PetscInt_FMT " blocks of %" PetscInt_FMT " tokens", blocks, B);
  if (synthesis->fresh) PetscCall(MakeTable(synthesis));
  if (synthesis->table && synthesis->circle) {
    PetscCall(TableCircleEvaluate(synthesis->circle, blocks, B, x, out));
  } else if (synthesis->table) {
    PetscCall(TableSphereEvaluate(synthesis->sphere, blocks, B, x, out));
  } else {
    for (PetscInt b = 0; b < blocks; b++, x += synthesis->harmonics->dim * B, out += synthesis->n * B) {
      for (PetscInt c = 0; c < synthesis->n; c += TOGETHER)
        PetscCall(HarmonicsSynthesize(synthesis->harmonics, B, x, PetscMin(synthesis->n - c, TOGETHER),
                                      synthesis->coefficients + (size_t)c * synthesis->count, out + c * B));
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisGetCost(Synthesis synthesis, SynthesisCost *cost) {
  PetscFunctionBeginUser;
  *cost = synthesis->cost;
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisGetFlops(Synthesis synthesis, PetscReal *flops) {
  PetscFunctionBeginUser;
  *flops = synthesis->table ? synthesis->cost.table : synthesis->cost.plain;
  PetscFunctionReturn(0);
}
