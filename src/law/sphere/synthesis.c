#include <chorale/synthesis.h>

#include <math.h>

#include "law/sphere/harmonics_impl.h"
#include "law/sphere/table.h"

struct _p_Synthesis {
  Harmonics harmonics;
  PetscInt n, count; /* functions, K */
  SynthesisCost cost;
  const double *coefficients;
  PetscBool table; /* do the coefficients in hand have one? */
  TableCircle circle;
  TableSphere sphere;
};

#define TOGETHER 16 /* functions that HarmonicsSynthesize takes at most */
/* A table is used where making it takes at most 1/SHARE of the time that it saves on one rank. So it still saves time
 * on several ranks, each of which makes the same table for fewer tokens. */
#define SHARE 8
#define BYTES (1 << 25)
/* Measured: seconds per flop of HarmonicsSynthesize, relative to those of a table. */
#define RATE_CIRCLE 1.0
#define RATE_SPHERE 1.25

static SynthesisCost Cost(Harmonics h, PetscInt n) {
  SynthesisCost cost = {.from = INT64_MAX};
  TableCost table;
  PetscReal saved;

  for (PetscInt c = 0; c < n; c += TOGETHER) cost.plain += HarmonicsFlops(h, PetscMin(n - c, TOGETHER));
  if (h->dim > 3 || n > TABLE_FUNCTIONS) return cost;
  table = h->dim == 2 ? TableCircleCost(h->degree, n) : TableSphereCost(h->degree, n);
  cost.table = table.token;
  cost.set = table.set;
  cost.bytes = table.bytes;
  saved = (h->dim == 2 ? RATE_CIRCLE : RATE_SPHERE) * cost.plain - table.token;
  if (saved > 0 && table.bytes <= BYTES) cost.from = (PetscInt64)ceil(SHARE * table.set / saved);
  return cost;
}

PetscErrorCode SynthesisCreate(Harmonics harmonics, PetscInt n, Synthesis *synthesis) {
  Synthesis s;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&s));
  s->harmonics = harmonics;
  s->n = n;
  s->cost = Cost(harmonics, n);
  PetscCall(HarmonicsGetSize(harmonics, &s->count, NULL));
  *synthesis = s;
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

PetscErrorCode SynthesisSet(Synthesis s, PetscInt64 tokens, const double *coefficients) {
  PetscFunctionBeginUser;
  s->coefficients = coefficients;
  s->table = (PetscBool)(tokens >= s->cost.from);
  if (s->table && s->harmonics->dim == 2) {
    if (!s->circle) PetscCall(TableCircleCreate(s->harmonics, s->n, &s->circle));
    PetscCall(TableCircleSet(s->circle, coefficients));
  } else if (s->table) {
    if (!s->sphere) PetscCall(TableSphereCreate(s->harmonics, s->n, &s->sphere));
    PetscCall(TableSphereSet(s->sphere, coefficients));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisEvaluate(Synthesis s, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  PetscCheck(blocks <= 1 || B == HARMONICS_BLOCK, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "%" PetscInt_FMT " blocks of %" PetscInt_FMT " tokens", blocks, B);
  if (s->table && s->circle) {
    PetscCall(TableCircleEvaluate(s->circle, blocks, B, x, out));
  } else if (s->table) {
    PetscCall(TableSphereEvaluate(s->sphere, blocks, B, x, out));
  } else {
    for (PetscInt b = 0; b < blocks; b++, x += s->harmonics->dim * B, out += s->n * B) {
      for (PetscInt c = 0; c < s->n; c += TOGETHER)
        PetscCall(HarmonicsSynthesize(s->harmonics, B, x, PetscMin(s->n - c, TOGETHER),
                                      s->coefficients + (size_t)c * s->count, out + c * B));
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisGetCost(Synthesis s, SynthesisCost *cost) {
  PetscFunctionBeginUser;
  *cost = s->cost;
  PetscFunctionReturn(0);
}

PetscErrorCode SynthesisGetFlops(Synthesis s, PetscReal *flops) {
  PetscFunctionBeginUser;
  *flops = s->table ? s->cost.table : s->cost.plain;
  PetscFunctionReturn(0);
}
