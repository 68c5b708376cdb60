/* The table of a study: what is printed, what the CSV holds. */
#include "keys.h"
#include "scratch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/output.h"
#include "run/table.h"

static char csv[64], printed[64];

static int Setup(void **state) {
  const int failed = ScratchMake(state);
  snprintf(csv, sizeof(csv), "%s/t.csv", scratch);
  snprintf(printed, sizeof(printed), "%s/printed", scratch);
  return failed;
}

/* A file of rank 0 as text on all ranks, "" when there is none. */
static const char *Text(const char *path) {
  static char text[8192];
  PetscMPIInt rank;
  FILE *file;
  memset(text, 0, sizeof(text));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank && (file = fopen(path, "r"))) {
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
  }
  OK(MPI_Bcast(text, sizeof(text), MPI_CHAR, 0, PETSC_COMM_WORLD));
  return text;
}

/* TablePrint with stdout in a file, on rank 0, and TableWrite. */
static void Finish(const Table *table, PetscInt rows) {
  PetscMPIInt rank;
  int code = 0;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  fflush(stdout);
  if (!rank) {
    FILE *file = fopen(printed, "w");
    const int old = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    fclose(file);
    code = (int)TablePrint(table, rows);
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    code = code ? code : TableWrite(table, csv);
  }
  OK(MPI_Bcast(&code, 1, MPI_INT, 0, PETSC_COMM_WORLD));
  assert_int_equal(code, 0);
}

/* OutputCheckTable of this output_table. */
static PetscErrorCode Check(const char *path, const char *columns) {
  PetscErrorCode code;
  Output output;

  SetKey("output_table", path);
  OK(OutputFromKeys("kernel", &output));
  SetKey("output_table", NULL);
  code = OutputCheckTable(output, columns);
  OK(OutputDestroy(&output));
  return code;
}

static void PrintsAndWrites(void **state) {
  static const PetscReal values[] = {9007199254740992, 0.1, -1, NAN};
  char relu[] = "relu", tanh[] = "tanh", *const labels[] = {relu, tanh};
  const Table table = {"name,n,value", 2, 1, 2, values, 1, labels};
  (void)state;
  OK(Check(csv, "name,n,value"));
  assert_string_equal(Text(csv), ""); /* checking leaves nothing behind */
  Finish(&table, 0);
  assert_string_equal(Text(csv), "name,n,value\nrelu,9007199254740992,0.10000000000000001\ntanh,-1,\n");
  assert_string_equal(Text(printed), "name                 n  value\n"
                                     "relu  9007199254740992    0.1\n"
                                     "tanh                -1\n");
}

/* 17 digits give the same double back. */
static void RoundTrip(void **state) {
  static const double values[] = {M_PI, -1e-300, 1.0 / 3, 6.02214076e23, 0.0, 5e-324};
  const int n = sizeof(values) / sizeof(values[0]);
  const Table table = {"x", 1, 0, n, values, 0, NULL};
  const char *line;
  (void)state;
  Finish(&table, 0);
  line = Text(csv);
  for (int i = 0; i < n; i++) {
    line = strchr(line, '\n') + 1;
    assert_true(strtod(line, NULL) == values[i]);
  }
}

/* A long table is thinned on paper, with its first and last row, never in the CSV. */
static void Thins(void **state) {
  PetscReal values[1001];
  const Table table = {"step", 1, 1, 1001, values, 0, NULL};
  int lines = 0;
  (void)state;
  for (int i = 0; i <= 1000; i++) values[i] = i;
  Finish(&table, 5);
  assert_string_equal(Text(printed),
                      "step\n   0\n 250\n 500\n 750\n1000\n(5 of 1001 rows; -output_table FILE writes all)\n");
  for (const char *c = Text(csv); *c; c++) lines += *c == '\n';
  assert_int_equal(lines, 1002);
}

static void Refuses(void **state) {
  static const char *const paths[] = {"/missing/t.csv", "/proc/t.csv", "/tmp", "/dev/null/t.csv"};
  static const PetscReal value[] = {1};
  const Table table = {"x", 1, 0, 1, value, 0, NULL};
  (void)state;
  for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
    assert_int_equal(Check(paths[i], "x,y"), PETSC_ERR_USER_INPUT);
  assert_int_equal(TableWrite(&table, "/dev/null/t.csv"), ENOTDIR);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(PrintsAndWrites, Setup),
    cmocka_unit_test(RoundTrip),
    cmocka_unit_test(Thins),
    cmocka_unit_test_teardown(Refuses, ScratchRemove),
};
TEST_MAIN(tests)
