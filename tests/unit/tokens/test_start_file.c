/* Initial tokens from files. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "io/hdf.h"
#include "start_case.h"

enum { ROWS = 700, COLUMNS = 3 };

/* The test's file is written by rank 0 under a name of its own for every number of ranks. */
static const char *FileName(const char *extension) {
  static char name[64];
  int size;

  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(PetscSNPrintf(name, sizeof(name), "test_start_%d%s", size, extension));
  return name;
}

/* Rows of norms 1e-200 .. 1e200. */
static void MakeRows(double *rows) {
  for (int i = 0; i < ROWS; i++)
    for (int c = 0; c < COLUMNS; c++)
      rows[i * COLUMNS + c] = cos(1.7 * i + 2.3 * c * c + 0.1) * pow(10, (i * 37) % 401 - 200);
}

static void WriteNpy(const double *rows) {
  int rank;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) {
    static const char dictionary[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (700, 3), }\n";
    FILE *file = fopen(FileName(".npy"), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite("\x93NUMPY\1\0", 1, 8, file), 8);
    assert_int_equal(fputc((int)strlen(dictionary), file), (int)strlen(dictionary));
    assert_int_equal(fputc(0, file), 0);
    assert_true(fputs(dictionary, file) >= 0);
    assert_int_equal(fwrite(rows, sizeof(double), ROWS * COLUMNS, file), ROWS * COLUMNS);
    assert_int_equal(fclose(file), 0);
  }
  OK(MPI_Barrier(PETSC_COMM_WORLD));
}

static void WriteH5(const char *dataset, const double *rows, int rank, const PetscInt64 shape[]) {
  Hdf hdf;

  OK(HdfOpen(PETSC_COMM_WORLD, FileName(".h5"), "w", NULL, &hdf));
  OK(HdfWriteReals(hdf, dataset, rank, shape, rows));
  OK(HdfClose(&hdf));
  OK(MPI_Barrier(PETSC_COMM_WORLD));
}

static void Remove(const char *extension) {
  int rank;

  OK(MPI_Barrier(PETSC_COMM_WORLD));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) (void)unlink(FileName(extension));
}

static void CheckRows(const double *rows) {
  double *x, *weights, worst = 0;
  StartOptions options;

  OK(StartOptionsRead(&options)); /* N and d of the file */
  assert_int_equal(options.count, ROWS);
  assert_int_equal(options.dim, COLUMNS);
  for (int r = 0; r < 2; r++) {
    Sample(ROWS, COLUMNS, r, &x, &weights);
    for (int i = 0; i < ROWS; i++) {
      long double square = 0;
      for (int c = 0; c < COLUMNS; c++) square += (long double)rows[i * COLUMNS + c] * rows[i * COLUMNS + c];
      for (int c = 0; c < COLUMNS; c++)
        worst = fmax(worst, (double)fabsl(x[i * COLUMNS + c] - rows[i * COLUMNS + c] / sqrtl(square)));
    }
    OK(PetscFree(x));
  }
  CLOSE(worst, 0, 4e-16);
}

static void files_are_read_and_normalised(void **unused) {
  (void)unused;
  static const PetscInt64 shape[] = {ROWS, COLUMNS};
  double rows[ROWS * COLUMNS];

  MakeRows(rows);
  Configure("file", NULL, NULL);
  WriteNpy(rows);
  SetKey("tokens_file", FileName(".npy"));
  CheckRows(rows);
  Remove(".npy");
  SetKey("tokens_file", FileName(".h5"));
  WriteH5("/tokens", rows, 2, shape);
  CheckRows(rows);
  WriteH5("/deep/er", rows, 2, shape);
  SetKey("tokens_dataset", "/deep/er");
  CheckRows(rows);
  Remove(".h5");
}

static void bad_rows_are_refused(void **unused) {
  (void)unused;
  static const PetscInt64 shape[] = {ROWS, COLUMNS};
  static const struct {
    int row, column;
    double value;
    const char *said;
  } bad[] = {{0, 1, NAN, "row 0 (counting from 0) is not finite"},
             {699, 2, -INFINITY, "row 699 (counting from 0) is not finite"},
             {513, -1, 0, "row 513 (counting from 0) is zero"}};

  Configure("file", NULL, NULL);
  for (int k = 0; k < 6; k++) {
    double rows[ROWS * COLUMNS];

    MakeRows(rows);
    for (int c = 0; c < COLUMNS; c++)
      if (bad[k / 2].column < 0 || c == bad[k / 2].column) rows[bad[k / 2].row * COLUMNS + c] = bad[k / 2].value;
    if (bad[k / 2].row < 600) rows[650 * COLUMNS] = NAN; /* the first is named, whoever reads it */
    if (k % 2)
      WriteNpy(rows);
    else
      WriteH5("/tokens", rows, 2, shape);
    SetKey("tokens_file", FileName(k % 2 ? ".npy" : ".h5"));
    Refused(ROWS, COLUMNS, bad[k / 2].said);
    Remove(k % 2 ? ".npy" : ".h5");
  }
}

static void unsuitable_files_are_refused(void **unused) {
  (void)unused;
  static const PetscInt64 shape[] = {ROWS, COLUMNS}, flat[] = {ROWS * COLUMNS}, thin[] = {ROWS, 1};
  double rows[ROWS * COLUMNS];
  StartOptions options;

  MakeRows(rows);
  Configure("file", NULL, NULL);
  Refused(ROWS, COLUMNS, "tokens_file is not set");
  REFUSED(StartOptionsRead(&options), "tokens_file is not set");
  SetKey("tokens_file", "test_start_missing.npy");
  Refused(ROWS, COLUMNS, "tokens_file = test_start_missing.npy: ");
  SetKey("tokens_file", "test_start_missing.h5");
  Refused(ROWS, COLUMNS, "tokens_file = test_start_missing.h5");
  WriteNpy(rows);
  SetKey("tokens_file", FileName(".npy"));
  Refused(ROWS + 1, COLUMNS, "tokens_count = 701: tokens_file test_start_");
  Refused(ROWS, COLUMNS + 1, "tokens_dim = 4: tokens_file test_start_");
  Remove(".npy");
  WriteH5("/other", rows, 2, shape);
  SetKey("tokens_file", FileName(".h5"));
  Refused(ROWS, COLUMNS, "tokens_dataset = tokens: there is no such dataset in test_start_");
  WriteH5("/tokens/inner", rows, 2, shape);
  Refused(ROWS, COLUMNS, "tokens");
  WriteH5("/tokens", rows, 1, flat);
  Refused(ROWS, COLUMNS, "has 1 dimension(s)");
  WriteH5("/tokens", rows, 2, thin);
  Refused(ROWS, COLUMNS, "rows of 1 numbers");
  Remove(".h5");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_are_read_and_normalised),
    cmocka_unit_test(bad_rows_are_refused),
    cmocka_unit_test(unsuitable_files_are_refused),
};
TEST_MAIN(tests)
