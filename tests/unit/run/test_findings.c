/* The results file of a study of the theory: columns and arrays come back, files in the way are refused. Attributes are
 * read by the end-to-end test of every study. */
#include "expect.h"
#include "scratch.h"

#include <chorale/findings.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/hdf.h"

static char path[64];

static int Setup(void **state) {
  const int failed = ScratchMake(state);
  snprintf(path, sizeof(path), "%s/f.h5", scratch);
  SetKey("output_file", path);
  return failed;
}

static int Teardown(void **state) {
  SetKey("output_file", NULL);
  return ScratchRemove(state);
}

/* Reads a whole dataset of at most 8 numbers and checks them. */
static void CheckDataset(Hdf hdf, const char *name, PetscInt64 rows, PetscInt n, const PetscReal expected[]) {
  PetscReal values[8];
  PetscInt64 shape[8];
  int rank;

  OK(HdfGetShape(hdf, name, &rank, shape));
  assert_int_equal(shape[0], rows);
  OK(HdfReadRows(hdf, name, 0, rows, values));
  for (PetscInt i = 0; i < n; i++) {
    assert_true(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])));
  }
}

static void columns_and_arrays_come_back(void **unused) {
  (void)unused;
  const PetscReal rows[3][2] = {{1, 0.1}, {2, NAN}, {INFINITY, 1.0 / 3}}, array[2][3] = {{1, 2, 3}, {4, 5, 6}};
  const PetscInt64 shape[2] = {2, 3};
  Findings findings;
  PetscBool exists;
  Hdf hdf;

  OK(FindingsCreate(PETSC_COMM_WORLD, "sync", "a,b", &findings));
  for (int r = 0; r < 3; r++) OK(FindingsRow(findings, rows[r]));
  OK(FindingsArray(findings, "spectrum", 2, shape, array[0]));
  OK(FindingsScalar(findings, "lambda1", -0.25));
  OK(FindingsText(findings, "verdict", "two points"));
  OK(FindingsFit(findings, "slope", (FitValue){-1, -1.1, -0.9}));
  OK(FindingsFinish(findings, 0));
  OK(FindingsDestroy(&findings));
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  CheckDataset(hdf, "/study/sync/a", 3, 3, (PetscReal[]){1, 2, INFINITY});
  CheckDataset(hdf, "/study/sync/b", 3, 3, (PetscReal[]){0.1, NAN, 1.0 / 3});
  CheckDataset(hdf, "/study/sync/spectrum", 2, 6, array[0]);
  OK(HdfExists(hdf, "/parameters/deck", &exists));
  assert_true(exists);
  OK(HdfExists(hdf, "/provenance", &exists));
  assert_true(exists);
  OK(HdfClose(&hdf));
}

static void labels_leave_the_numbers_alone(void **unused) {
  (void)unused;
  const PetscReal rows[2][2] = {{5, 0.5}, {6, 0.25}};
  Findings findings;
  Hdf hdf;

  OK(FindingsCreate(PETSC_COMM_WORLD, "sync", "activation,dim,k1", &findings));
  OK(FindingsLabeledRow(findings, "relu", rows[0]));
  OK(FindingsLabeledRow(findings, "tanh", rows[1]));
  OK(FindingsFinish(findings, 0));
  OK(FindingsDestroy(&findings));
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  CheckDataset(hdf, "/study/sync/dim", 2, 2, (PetscReal[]){5, 6});
  CheckDataset(hdf, "/study/sync/k1", 2, 2, (PetscReal[]){0.5, 0.25});
  OK(HdfClose(&hdf));
}

static void a_file_in_the_way_is_refused(void **unused) {
  (void)unused;
  const PetscReal row[1] = {1};
  Findings findings;

  OK(FindingsCreate(PETSC_COMM_WORLD, "sync", "a", &findings));
  OK(FindingsRow(findings, row));
  OK(FindingsFinish(findings, 0));
  OK(FindingsDestroy(&findings));
  REFUSED(FindingsCreate(PETSC_COMM_WORLD, "sync", "a", &findings), "output_file = ");
  SetKey("output_overwrite", "true");
  OK(FindingsCreate(PETSC_COMM_WORLD, "sync", "a", &findings));
  OK(FindingsDestroy(&findings));
  SetKey("output_overwrite", NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(columns_and_arrays_come_back, Setup, Teardown),
    cmocka_unit_test_setup_teardown(labels_leave_the_numbers_alone, Setup, Teardown),
    cmocka_unit_test_setup_teardown(a_file_in_the_way_is_refused, Setup, Teardown),
};
TEST_MAIN(tests)
