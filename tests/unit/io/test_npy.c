/* The .npy reader on files written byte by byte. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "expect.h"
#include "io/npy.h"

static const char path[] = "test_npy.npy";

/* A file of version major.0 with this dictionary, then the bytes of data. */
static void Write(int major, const char *dictionary, const void *data, size_t bytes) {
  FILE *file = fopen(path, "wb");

  assert_non_null(file);
  const size_t length = strlen(dictionary);
  const unsigned char start[] = {0x93,
                                 'N',
                                 'U',
                                 'M',
                                 'P',
                                 'Y',
                                 (unsigned char)major,
                                 0,
                                 (unsigned char)(length & 255),
                                 (unsigned char)(length >> 8),
                                 0,
                                 0};
  assert_int_equal(fwrite(start, 1, major == 1 ? 10 : 12, file), major == 1 ? 10 : 12);
  assert_int_equal(fwrite(dictionary, 1, length, file), length);
  if (bytes) assert_int_equal(fwrite(data, 1, bytes, file), bytes);
  assert_int_equal(fclose(file), 0);
}

static const double numbers[12] = {0.1, -2, 3e300, 4, 5, -6e-310, 7, 8, 9.25, 10, 11, -12}; /* 4 x 3, row-major */

static void good_files_are_read(void **unused) {
  (void)unused;
  static const struct {
    int major;
    const char *dictionary;
    int single, fortran;
  } good[] = {
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }            \n", 0, 0},
      {1, "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 3), }\n", 0, 1},
      {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }\n", 1, 0},
      {3, "{'descr': '<f4', 'fortran_order': True, 'shape': (4, 3), }\n", 1, 1},
      {3, "{\"shape\":(4,3,),\"fortran_order\":False,\"descr\":\"<f8\"}", 0, 0},
  };

  for (size_t k = 0; k < sizeof(good) / sizeof(good[0]); k++) {
    double stored[12], values[12];
    float singles[12];
    PetscInt64 shape[2];

    for (int i = 0; i < 12; i++) {
      const int at = good[k].fortran ? i % 3 * 4 + i / 3 : i;
      stored[at] = numbers[i];
      singles[at] = (float)numbers[i];
    }
    if (good[k].single)
      Write(good[k].major, good[k].dictionary, singles, sizeof(singles));
    else
      Write(good[k].major, good[k].dictionary, stored, sizeof(stored));
    OK(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape));
    assert_int_equal(shape[0], 4);
    assert_int_equal(shape[1], 3);
    for (int first = 0; first <= 4; first++) {
      for (int count = 0; first + count <= 4; count++) {
        for (int i = 0; i < 12; i++) values[i] = -777;
        OK(NpyReadRows(PETSC_COMM_WORLD, "tokens_file", path, first, count, values));
        for (int i = 0; i < 3 * count; i++) {
          const double expected = numbers[3 * first + i];
          assert_true(values[i] == (good[k].single ? (double)(float)expected : expected));
        }
        for (int i = 3 * count; i < 12; i++) assert_true(values[i] == -777);
      }
    }
    FAILS(NpyReadRows(PETSC_COMM_WORLD, "tokens_file", path, 2, 3, values), PETSC_ERR_ARG_OUTOFRANGE, "rows 2 to 4");
  }
  (void)unlink(path);
}

/* More than one chunk of the reader. */
static void long_files_are_read(void **unused) {
  (void)unused;
  enum { ROWS = 5000, COLUMNS = 3 };
  double *data, *values;

  OK(PetscMalloc2(ROWS * COLUMNS, &data, ROWS * COLUMNS, &values));
  for (int fortran = 0; fortran < 2; fortran++) {
    for (int i = 0; i < ROWS * COLUMNS; i++) data[fortran ? i % COLUMNS * ROWS + i / COLUMNS : i] = i;
    Write(1,
          fortran ? "{'descr': '<f8', 'fortran_order': True, 'shape': (5000, 3), }\n"
                  : "{'descr': '<f8', 'fortran_order': False, 'shape': (5000, 3), }\n",
          data, ROWS * COLUMNS * sizeof(double));
    OK(NpyReadRows(PETSC_COMM_WORLD, "tokens_file", path, 7, ROWS - 7, values));
    for (int i = 0; i < (ROWS - 7) * COLUMNS; i++) assert_true(values[i] == i + 7 * COLUMNS);
  }
  OK(PetscFree2(data, values));
  (void)unlink(path);
}

static void bad_files_are_refused(void **unused) {
  (void)unused;
  static const struct {
    int major;
    const char *dictionary, *said;
  } bad[] = {
      {1, "{'descr': '>f8', 'fortran_order': False, 'shape': (4, 3), }\n", "type '>f8'"},
      {1, "{'descr': '|f8', 'fortran_order': False, 'shape': (4, 3), }\n", "type '|f8'"},
      {1, "{'descr': '<i8', 'fortran_order': False, 'shape': (4, 3), }\n", "type '<i8'"},
      {1, "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (4, 3), }\n", "not plain numbers"},
      {1, "{'descr': '<f8', 'fortran_order': false, 'shape': (4, 3), }\n", "neither True nor False"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (12,), }\n", "1 dimension"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", "0 dimension"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2, 3), }\n", "3 dimension"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,4,3), }\n", "more than 8"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (12), }\n", "not a tuple"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (-4, 3), }\n", "not a tuple"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4 3), }\n", "not a tuple"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': [4, 3], }\n", "not a tuple"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3}\n", "not a tuple"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 3), }\n", "too large"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 2147483647), }\n", "too large"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1073741824, 1073741824), }\n", "too large"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2147483647, 536870911), }\n", "truncated"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (5, 3), }\n", "truncated"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3), }\n", "promises"},
      {1, "{'descr': '<f8', 'fortran_order': False, }\n", "no 'shape'"},
      {1, "{'fortran_order': False, 'shape': (4, 3), }\n", "no 'descr'"},
      {1, "{'descr': '<f8', 'descr': '<f8', 'shape': (4, 3), }\n", "unexpected entry 'descr'"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), 'more': 1}\n", "unexpected entry 'more'"},
      {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), } junk\n", "something else"},
      {1, "{'descr': '<f8' 'fortran_order': False, 'shape': (4, 3), }\n", "damaged"},
      {1, "{'descr: <f8, fortran_order: False, shape: (4, 3), }\n", "damaged"},
      {1, "'descr': '<f8', 'fortran_order': False, 'shape': (4, 3)\n", "not a dictionary"},
      {1, "", "not a dictionary"},
      {1, "{", "damaged"},
      {1, "{'descr': '", "not plain numbers"},
      {4, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }\n", "version 4.0"},
      {0, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }\n", "version 0.0"},
  };

  for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
    PetscInt64 shape[2];
    double values[12];

    Write(bad[k].major, bad[k].dictionary, numbers, sizeof(numbers));
    REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), "tokens_file = test_npy.npy: ");
    REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), bad[k].said);
    REFUSED(NpyReadRows(PETSC_COMM_WORLD, "tokens_file", path, 0, 1, values), bad[k].said);
  }
  (void)unlink(path);
}

/* Every prefix of a good file is refused, and any file that is not one. */
static void cut_files_are_refused(void **unused) {
  (void)unused;
  PetscInt64 shape[2];

  Write(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }\n", numbers, sizeof(numbers));
  OK(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape));
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  const long size = ftell(file);
  assert_int_equal(fclose(file), 0);
  for (long cut = size - 1; cut >= 0; cut--) {
    assert_int_equal(truncate(path, cut), 0);
    REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), "tokens_file = test_npy.npy: ");
  }
  REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), "is not a .npy file");
  (void)unlink(path);
  REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), "cannot be opened");
  REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", ".", shape), "is not a regular file");
  Write(2, "", NULL, 0);
  file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, 8, SEEK_SET), 0);
  assert_int_equal(fwrite("\xff\xff\xff\xff", 1, 4, file), 4); /* a header of 4 GB */
  assert_int_equal(fclose(file), 0);
  REFUSED(NpyGetShape(PETSC_COMM_WORLD, "tokens_file", path, shape), "header of more than");
  (void)unlink(path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(good_files_are_read),
    cmocka_unit_test(long_files_are_read),
    cmocka_unit_test(bad_files_are_refused),
    cmocka_unit_test(cut_files_are_refused),
};
TEST_MAIN(tests)
