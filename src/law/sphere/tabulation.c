#include "law/sphere/tabulation.h"

#include "law/sphere/table.h"

struct _p_Tabulation {
  TableCircle circle; /* one of these */
  TableSphere sphere;
};

PetscErrorCode TabulationGetCost(PetscInt dim, PetscInt degree, PetscInt n, PetscReal tol, TabulationCost *cost) {
  const TableCost table = dim == 2 ? TableCircleCost(degree, n, tol) : TableSphereCost(degree, n, tol);

  PetscFunctionBeginUser;
  *cost = (TabulationCost){table.points, table.token, table.values, table.bytes};
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationCreate(PetscInt dim, PetscInt degree, PetscInt n, PetscReal tol, Tabulation *tabulation) {
  PetscFunctionBeginUser;
  PetscCheck((dim == 2 || dim == 3) && n <= TABULATION_FUNCTIONS, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "table of %" PetscInt_FMT " functions at d = %" PetscInt_FMT, n, dim);
  PetscCall(PetscNew(tabulation));
  if (dim == 2)
    PetscCall(TableCircleCreate(degree, n, tol, &(*tabulation)->circle));
  else
    PetscCall(TableSphereCreate(degree, n, tol, &(*tabulation)->sphere));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationDestroy(Tabulation *tabulation) {
  PetscFunctionBeginUser;
  if (!*tabulation) PetscFunctionReturn(0);
  PetscCall(TableCircleDestroy(&(*tabulation)->circle));
  PetscCall(TableSphereDestroy(&(*tabulation)->sphere));
  PetscCall(PetscFree(*tabulation));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationGetPoints(Tabulation tabulation, PetscInt *blocks, PetscInt *B, const double **x) {
  PetscFunctionBeginUser;
  if (tabulation->circle)
    PetscCall(TableCircleGetPoints(tabulation->circle, blocks, B, x));
  else
    PetscCall(TableSphereGetPoints(tabulation->sphere, blocks, B, x));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationSet(Tabulation tabulation, const double *values) {
  PetscFunctionBeginUser;
  if (tabulation->circle)
    PetscCall(TableCircleSetValues(tabulation->circle, values));
  else
    PetscCall(TableSphereSetValues(tabulation->sphere, values));
  PetscFunctionReturn(0);
}

PetscErrorCode TabulationEvaluate(Tabulation tabulation, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  if (tabulation->circle)
    PetscCall(TableCircleEvaluate(tabulation->circle, blocks, B, x, out));
  else
    PetscCall(TableSphereEvaluate(tabulation->sphere, blocks, B, x, out));
  PetscFunctionReturn(0);
}
