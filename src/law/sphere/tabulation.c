#include "law/sphere/tabulation.h"

#include <math.h>

#include "law/sphere/synthesis.h"
#include "law/sphere/table.h"

struct _p_Tabulation {
  TableCircle circle; /* one of these */
  TableSphere sphere;
  PetscInt blocks, B; /* of the points */
  const double *x;
  double *values; /* [blocks][2][B] on the sphere: parts along theta and phi at the points */
  double *parts;  /* [SYNTHESIS_BLOCKS][2][HARMONICS_BLOCK]: and at tokens */
};

/* Components along the angles are of one degree more; those of the circle are the field's own. */
static TableCost Cost(PetscInt dim, PetscInt degree, PetscReal tol) {
  return dim == 2 ? TableCircleCost(degree, 2, tol) : TableSphereCost(degree + 1, 2, tol);
}

PetscErrorCode TabulationGetCost(PetscInt dim, PetscInt degree, PetscReal tol, TabulationCost *cost) {
  const TableCost table = Cost(dim, degree, tol);

  PetscFunctionBeginUser;
  *cost = (TabulationCost){table.points, table.token, table.values, table.values_bytes, table.error, table.single};
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationCreate(PetscInt dim, PetscInt degree, PetscReal tol, Tabulation *handle) {
  Tabulation table;

  PetscFunctionBeginUser;
  PetscCheck(dim == 2 || dim == 3, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "table of a field at d = %" PetscInt_FMT,
             dim);
  PetscCall(PetscNew(&table));
  if (dim == 2) {
    PetscCall(TableCircleCreate(degree, 2, tol, &table->circle));
    PetscCall(TableCircleGetPoints(table->circle, &table->blocks, &table->B, &table->x));
  } else {
    PetscCall(TableSphereCreate(degree + 1, 2, tol, &table->sphere));
    PetscCall(TableSphereGetPoints(table->sphere, &table->blocks, &table->B, &table->x));
    PetscCall(PetscMalloc2(2 * table->blocks * table->B, &table->values, 2 * SYNTHESIS_BLOCKS * HARMONICS_BLOCK,
                           &table->parts));
  }
  *handle = table;
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationDestroy(Tabulation *tabulation) {
  PetscFunctionBeginUser;
  if (!*tabulation) PetscFunctionReturn(0);
  PetscCall(TableCircleDestroy(&(*tabulation)->circle));
  PetscCall(TableSphereDestroy(&(*tabulation)->sphere));
  PetscCall(PetscFree2((*tabulation)->values, (*tabulation)->parts));
  PetscCall(PetscFree(*tabulation));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationGetPoints(Tabulation tabulation, PetscInt *blocks, PetscInt *B, const double **x) {
  PetscFunctionBeginUser;
  *blocks = tabulation->blocks;
  *B = tabulation->B;
  *x = tabulation->x;
  PetscFunctionReturn(0);
}

/* Where x is (sin theta cos phi, sin theta sin phi, cos theta): sin theta, cos phi, sin phi; at the poles phi is 0 or
 * pi by the sign of x, as atan2 has it. Points so near to one that squares underflow are moved away first. */
static inline void Frame(double x, double y, double *sine, double *c, double *s) {
  const PetscBool near = x * x + y * y < 1e-280 ? PETSC_TRUE : PETSC_FALSE;
  const double large = near ? 0x1p600 : 1, small = near ? 0x1p-600 : 1;
  const double a = large * x, b = large * y, radius = sqrt(a * a + b * b), inverse = radius > 0 ? 1 / radius : 0;

  *sine = radius * small;
  *c = radius > 0 ? a * inverse : copysign(1, x);
  *s = b * inverse;
}

/* parts[2][B] of field[3][B] along the angles. */
static void Project(PetscInt B, const double *restrict x, const double *restrict field, double *restrict parts) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    double sine, c, s;
    Frame(x[t], x[B + t], &sine, &c, &s);
    parts[t] = x[2 * B + t] * (c * field[t] + s * field[B + t]) - sine * field[2 * B + t];
    parts[B + t] = c * field[B + t] - s * field[t];
  }
}

/* And back. */
static void Compose(PetscInt B, const double *restrict x, const double *restrict parts, double *restrict field) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    double sine, c, s;
    Frame(x[t], x[B + t], &sine, &c, &s);
    const double flat = x[2 * B + t] * parts[t];
    field[t] = c * flat - s * parts[B + t];
    field[B + t] = s * flat + c * parts[B + t];
    field[2 * B + t] = -sine * parts[t];
  }
}

PetscErrorCode TabulationSet(Tabulation tabulation, const double *values) {
  const PetscInt B = tabulation->B;

  PetscFunctionBeginUser;
  if (tabulation->circle) {
    PetscCall(TableCircleSetValues(tabulation->circle, 0, values));
    PetscFunctionReturn(0);
  }
  for (PetscInt b = 0; b < tabulation->blocks; b++)
    Project(B, tabulation->x + 3 * b * B, values + 3 * b * B, tabulation->values + 2 * b * B);
  PetscCall(TableSphereSetValues(tabulation->sphere, 1, tabulation->values));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationEvaluate(Tabulation tabulation, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  if (tabulation->circle) {
    PetscCall(TableCircleEvaluate(tabulation->circle, blocks, B, x, out));
    PetscFunctionReturn(0);
  }
  for (PetscInt first = 0; first < blocks; first += SYNTHESIS_BLOCKS) {
    const PetscInt part = PetscMin(SYNTHESIS_BLOCKS, blocks - first);

    PetscCall(TableSphereEvaluate(tabulation->sphere, part, B, x + 3 * first * B, tabulation->parts));
    for (PetscInt b = 0; b < part; b++)
      Compose(B, x + 3 * (first + b) * B, tabulation->parts + 2 * b * B, out + 3 * (first + b) * B);
  }
  PetscFunctionReturn(0);
}
