/* Attention and the noise in one table. What moves the tokens in a step, a Att[mu] + b G, is one function on the
 * sphere. Where both are sums of harmonics up to some degrees (NUMERICS.md (9.24)), so is it, and its values at few
 * points tell those at all tokens, up to a multiple of x, which moves no token: one location and d - 1 numbers of a
 * token on the sphere in place of two locations and 2d + 1. */
#include <chorale/harmonics.h>
#include <chorale/sum.h>

#include "base/plan.h"
#include "scheme/impl.h"

#define MANY  32        /* so many times as many tokens as points */
#define BYTES (1 << 24) /* of the table, at most */
/* Of the table, relative to its function's size: attention_tol, which bounds the error of attention, but of the noise
 * no more than the first; where attention_tol allows single precision, the second. */
#define NOISE_TOL  1e-9
#define SINGLE_TOL 1e-6

PetscErrorCode SchemeJointDestroy(Scheme scheme) {
  SchemeJoint *joint = &scheme->joint;

  PetscFunctionBeginUser;
  PetscCall(TabulationDestroy(&joint->table));
  PetscCall(PetscFree2(joint->values, joint->part));
  PetscFunctionReturn(0);
}

/* Of a table for attention and noise of some degree: what it is, of a negative degree where there is none, and its
 * tolerance. */
static PetscErrorCode Find(Attention attention, PetscInt noise, SchemeTable *table, PetscReal *tol) {
  PetscInt drift;
  TokensLayout layout;
  TabulationCost cost;

  PetscFunctionBeginUser;
  *table = (SchemeTable){.degree = -1};
  PetscCall(AttentionGetLayout(attention, &layout));
  PetscCall(AttentionGetDegree(attention, &drift, tol));
  if (drift < 0 || noise < 0 || drift == ATTENTION_DEGREE_NONE || noise == NOISE_DEGREE_NONE) PetscFunctionReturn(0);
  if (layout.dim > TABULATION_DIM || layout.block != HARMONICS_BLOCK) PetscFunctionReturn(0);
  *tol = *tol >= SINGLE_TOL ? SINGLE_TOL : PetscMin(*tol, NOISE_TOL);
  PetscCall(TabulationGetCost(layout.dim, PetscMax(drift, noise), *tol, &cost));
  if (cost.bytes > BYTES || MANY * cost.points > (PetscReal)layout.count) PetscFunctionReturn(0);
  *table = (SchemeTable){PetscMax(drift, noise), cost.bytes, cost.error, cost.single};
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeMayJoin(Attention attention, Field field, PetscBool *possible) {
  SchemeTable joint;
  PetscReal tol;
  PetscInt noise;

  PetscFunctionBeginUser;
  PetscCall(FieldGetDegree(field, &noise));
  PetscCall(Find(attention, noise, &joint, &tol));
  *possible = joint.degree >= 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeGetJoint(Scheme scheme, Attention attention, Noise noise, SchemeTable *table) {
  PetscReal tol;
  PetscInt n;

  PetscFunctionBeginUser;
  *table = (SchemeTable){.degree = -1};
  PetscCall(NoiseGetDegree(noise, &n));
  if (scheme->type->joins && !scheme->norm->unit && !scheme->norm->radius && !scheme->mean && !scheme->watcher)
    PetscCall(Find(attention, n, table, &tol));
  PetscFunctionReturn(0);
}

/* The table itself. */
static PetscErrorCode Reserve(Scheme scheme, const TokensLayout *layout, PetscInt degree, PetscReal tol) {
  SchemeJoint *joint = &scheme->joint;
  PetscInt blocks, B;
  const double *x;

  PetscFunctionBeginUser;
  if (joint->table && joint->degree == degree && joint->tol == tol) PetscFunctionReturn(0);
  PetscCall(SchemeJointDestroy(scheme));
  PetscCall(TabulationCreate(layout->dim, degree, tol, &joint->table));
  PetscCall(TabulationGetPoints(joint->table, &blocks, &B, &x));
  PetscCall(PetscMalloc2(blocks * layout->dim * B, &joint->values, blocks * layout->dim * B, &joint->part));
  joint->degree = degree;
  joint->tol = tol;
  PetscFunctionReturn(0);
}

/* joint->values <- a Att[mu] + b G at the points of the table. Ranks share their blocks: of each number all but one of
 * them have 0, so that bits add up to its own. A sum takes as many messages one after the other as the number of ranks
 * has binary digits, a gathering from few ranks to very many far more. */
static PetscErrorCode Values(SchemeJoint *joint, const TokensLayout *layout, Attention attention, Field field,
                             PetscReal a, PetscReal b) {
  PetscMPIInt rank, size;
  PetscInt blocks, B;
  const double *x;

  PetscFunctionBeginUser;
  PetscCall(PlanRank(layout->comm, &rank));
  PetscCall(PlanSize(layout->comm, &size));
  PetscCall(TabulationGetPoints(joint->table, &blocks, &B, &x));
  const PetscInt block = layout->dim * B, length = blocks * block;
  const PetscInt first = (PetscInt)((PetscInt64)blocks * rank / size) * block,
                 end = (PetscInt)((PetscInt64)blocks * (rank + 1) / size) * block;
  PetscCall(AttentionEvaluateAt(attention, (end - first) / block, B, x + first, joint->values + first));
  PetscCall(FieldEvaluateAt(field, (end - first) / block, B, x + first, joint->part + first));
  for (PetscInt i = first; i < end; i++) joint->values[i] = a * joint->values[i] + b * joint->part[i];
  if (size == 1) PetscFunctionReturn(0);
  PetscCall(PetscArrayzero(joint->values, first));
  PetscCall(PetscArrayzero(joint->values + end, length - end));
  PetscCall(SumAllreduce(layout->comm, length, (PetscInt64 *)joint->values));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeJoin(Scheme scheme, Attention attention, Field field, PetscReal a, PetscReal b,
                          Tabulation *table) {
  SchemeJoint *joint = &scheme->joint;
  PetscInt noise;
  TokensLayout layout;
  SchemeTable found;
  PetscReal tol;

  PetscFunctionBeginUser;
  *table = NULL;
  PetscCall(FieldGetDegree(field, &noise));
  PetscCall(Find(attention, noise, &found, &tol));
  if (found.degree < 0) PetscFunctionReturn(0);
  PetscCall(AttentionGetLayout(attention, &layout));
  PetscCall(Reserve(scheme, &layout, found.degree, tol));
  PetscCall(Values(joint, &layout, attention, field, a, b));
  PetscCall(TabulationSet(joint->table, joint->values));
  *table = joint->table;
  PetscFunctionReturn(0);
}
