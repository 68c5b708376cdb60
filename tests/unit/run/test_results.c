/* The results file: columns, arrays and numbers of frames and realizations come back, each explained; files in the way
 * are refused. Scalars are read by the end-to-end test of every study. */
#include "expect.h"
#include "keys.h"
#include "scratch.h"

#include <chorale/results.h>

#include "io/hdf.h"

#include <math.h>

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

static const QuantityText texts[] = {{"a", "m", "first column"}, {"b", "1", "second column"},
                                     {"dim", "1", "dimension"},  {"k1", "1", "kernel"},
                                     {"spectrum", "1", "power"}, {"lambda1", "1/time", "exponent"},
                                     {"slope", "1", "slope"},    {"pair", "1", "two numbers"},
                                     {"activation", "", "f"},    {0}};
static Ensemble ensemble;
static Frames frames;
static Output output;

/* Results of study sync with these columns, about to be said. */
static PetscErrorCode Begin(const char *columns, const Quantity *quantity, Results *results) {
  const ResultsForm form = {.study = "sync", .columns = columns, .texts = texts};
  Samples *samples;

  PetscFunctionBeginUser;
  OK(EnsembleCreate(&(EnsembleOptions){.realizations = 1, .groups = 1}, 1, &ensemble));
  OK(FramesCreate(4, 3, 0, 2.0, FRAMES_SHARE, &frames));
  OK(ResultsCreate(&form, results));
  if (quantity) OK(ResultsDeclare(*results, quantity));
  OK(OutputFromKeys("sync", &output));
  PetscCall(ResultsSetUp(*results, ensemble, &frames, output, 0));
  OK(ResultsAllocate(*results, PETSC_TRUE));
  for (PetscInt f = 0; quantity && f < frames.count; f++)
    for (PetscInt i = 0; i < QuantitySize(quantity); i++) ResultsFrame(*results, 0, f)[i] = 10 * f + i;
  OK(ResultsBegin(*results, PETSC_TRUE, &samples));
  PetscFunctionReturn(0);
}

static void End(Results *results) {
  OK(ResultsDestroy(results));
  OK(OutputDestroy(&output));
  OK(FramesDestroy(&frames));
  OK(EnsembleDestroy(&ensemble));
}

/* A string attribute of the file. */
static void CheckText(Hdf hdf, const char *object, const char *name, const char *expected) {
  char text[QUANTITY_TEXT];
  PetscBool found;

  OK(HdfReadAttribute(hdf, object, name, sizeof(text), text, &found));
  assert_true(found);
  assert_string_equal(text, expected);
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
  Results results;
  PetscBool exists;
  Hdf hdf;

  OK(Begin("a,b", NULL, &results));
  for (int r = 0; r < 3; r++) OK(ResultsRow(results, rows[r]));
  OK(ResultsArray(results, "spectrum", 2, shape, array[0]));
  OK(ResultsScalar(results, "lambda1", -0.25));
  OK(ResultsText(results, "verdict", "two points"));
  OK(ResultsFit(results, "slope", (FitValue){-1, -1.1, -0.9}));
  OK(ResultsCommit(results));
  End(&results);
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  CheckDataset(hdf, "/study/sync/a", 3, 3, (PetscReal[]){1, 2, INFINITY});
  CheckDataset(hdf, "/study/sync/b", 3, 3, (PetscReal[]){0.1, NAN, 1.0 / 3});
  CheckDataset(hdf, "/study/sync/spectrum", 2, 6, array[0]);
  CheckText(hdf, "/study/sync/a", "unit", "m");
  CheckText(hdf, "/study/sync/spectrum", "description", "power");
  CheckText(hdf, "/quantities", "lambda1", "exponent");
  CheckText(hdf, "/quantities", "lambda1_unit", "1/time");
  CheckText(hdf, "/quantities", "slope_low", "lower end of the 95% interval: slope");
  OK(HdfExists(hdf, "/parameters/deck", &exists));
  assert_true(exists);
  OK(HdfExists(hdf, "/provenance", &exists));
  assert_true(exists);
  OK(HdfClose(&hdf));
}

static void numbers_of_frames_come_back(void **unused) {
  (void)unused;
  const Quantity pair = {.name = "pair", .kind = QUANTITY_FRAME, .rank = 1, .shape = {2}};
  PetscInt64 shape[8];
  Results results;
  int rank;
  Hdf hdf;

  OK(Begin("a", &pair, &results));
  OK(ResultsCommit(results));
  End(&results);
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  OK(HdfGetShape(hdf, "/study/sync/pair", &rank, shape));
  assert_true(rank == 3 && shape[0] == 3 && shape[1] == 1 && shape[2] == 2);
  for (PetscInt f = 0; f < 3; f++) {
    PetscReal values[2];
    OK(HdfReadFrame(hdf, "/study/sync/pair", f, 0, 1, values));
    assert_true(values[0] == 10 * f && values[1] == 10 * f + 1);
  }
  CheckText(hdf, "/study/sync/pair", "description", "two numbers");
  OK(HdfClose(&hdf));
}

static void what_nobody_explains_is_refused(void **unused) {
  (void)unused;
  Results results;

  OK(Begin("a", NULL, &results));
  FAILS(ResultsScalar(results, "lambda", 1), PETSC_ERR_PLIB, "study sync does not declare it");
  End(&results);
}

static void labels_leave_the_numbers_alone(void **unused) {
  (void)unused;
  const PetscReal rows[2][2] = {{5, 0.5}, {6, 0.25}};
  Results results;
  Hdf hdf;

  OK(Begin("activation,dim,k1", NULL, &results));
  OK(ResultsLabeledRow(results, "relu", rows[0]));
  OK(ResultsLabeledRow(results, "tanh", rows[1]));
  OK(ResultsCommit(results));
  End(&results);
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  CheckDataset(hdf, "/study/sync/dim", 2, 2, (PetscReal[]){5, 6});
  CheckDataset(hdf, "/study/sync/k1", 2, 2, (PetscReal[]){0.5, 0.25});
  OK(HdfClose(&hdf));
}

static void a_file_in_the_way_is_refused(void **unused) {
  (void)unused;
  const PetscReal row[1] = {1};
  Results results;

  OK(Begin("a", NULL, &results));
  OK(ResultsRow(results, row));
  OK(ResultsCommit(results));
  End(&results);
  REFUSED(Begin("a", NULL, &results), "output_file = ");
  End(&results);
  SetKey("output_overwrite", "true");
  OK(Begin("a", NULL, &results));
  End(&results);
  SetKey("output_overwrite", NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(columns_and_arrays_come_back, Setup, Teardown),
    cmocka_unit_test_setup_teardown(numbers_of_frames_come_back, Setup, Teardown),
    cmocka_unit_test_setup_teardown(what_nobody_explains_is_refused, Setup, Teardown),
    cmocka_unit_test_setup_teardown(labels_leave_the_numbers_alone, Setup, Teardown),
    cmocka_unit_test_setup_teardown(a_file_in_the_way_is_refused, Setup, Teardown),
};
TEST_MAIN(tests)
