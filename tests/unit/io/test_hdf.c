/* The HDF5 layer: what is written is read back, on any number of ranks, and files that cannot be read are refused in
 * words. */
#include "scratch.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/hdf.h"

static char path[PETSC_MAX_PATH_LEN], message[1024];
static PetscMPIInt rank, ranks;

static const char *File(const char *name) {
  OK(PetscSNPrintf(path, sizeof(path), "%s/%s", scratch, name));
  return path;
}

static int Setup(void **state) {
  mallopt(M_PERTURB, 165); /* new memory is never zero by chance */
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &ranks));
  return ScratchMake(state);
}

/* Keeps the message of an error instead of printing it. */
static PetscErrorCode Keep(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code,
                           PetscErrorType type, const char *text, void *context) {
  (void)comm, (void)line, (void)function, (void)file, (void)context;
  if (type == PETSC_ERROR_INITIAL) snprintf(message, sizeof(message), "%s", text);
  return code;
}

/* The call must fail with this code, and its message must end in `text` and start with `start`. */
#define FAILS(call, code, start, text)                                                                                 \
  do {                                                                                                                 \
    message[0] = '\0';                                                                                                 \
    OK(PetscPushErrorHandler(Keep, NULL));                                                                             \
    const int failed_ = (int)(call);                                                                                   \
    OK(PetscPopErrorHandler());                                                                                        \
    assert_int_equal(failed_, code);                                                                                   \
    if (strncmp(message, start, strlen(start)) || !strstr(message, text))                                              \
      fail_msg("message '%s' lacks '%s' or '%s'", message, start, text);                                               \
  } while (0)

/* True when it is true on all ranks. */
static int All(int ok) {
  int all = 0;
  MPI_Allreduce(&ok, &all, 1, MPI_INT, MPI_LAND, PETSC_COMM_WORLD);
  return all;
}

static double Value(PetscInt64 t, PetscInt64 r, PetscInt64 c) {
  return 1.0 / 3 + (double)(t * 10000 + r * 100 + c);
}

static void WriteReadArrays(void **state) {
  const PetscInt64 shape[2] = {5, 3}, other[2] = {4, 1}, integers[4] = {1, -2, (PetscInt64)1 << 60, 7};
  double values[15], read[15];
  PetscInt64 size[8];
  PetscBool exists;
  int n;
  Hdf hdf;

  (void)state;
  for (int i = 0; i < 15; i++) values[i] = Value(i / 3, 0, i % 3);
  OK(HdfOpen(PETSC_COMM_WORLD, File("arrays.h5"), "w", NULL, &hdf));
  OK(HdfWriteReals(hdf, "/a/b/values", 2, shape, rank ? NULL : values));
  OK(HdfWriteReals(hdf, "/a/integers", 2, shape, rank ? NULL : values)); /* replaced by another shape and type */
  OK(HdfWriteInts(hdf, "/a/integers", 2, other, rank ? NULL : integers));
  OK(HdfWriteReals(hdf, "row", 1, shape, rank ? NULL : values));
  values[4] = -7;
  OK(HdfWriteReals(hdf, "/a/b/values", 2, shape, rank ? NULL : values)); /* overwrites */
  OK(HdfClose(&hdf));
  assert_null(hdf);

  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", "tokens_file", &hdf));
  OK(HdfExists(hdf, "/a/b/values", &exists));
  assert_int_equal(exists, PETSC_TRUE);
  OK(HdfExists(hdf, "a/b", &exists));
  assert_int_equal(exists, PETSC_TRUE);
  OK(HdfExists(hdf, "/a/c/values", &exists));
  assert_int_equal(exists, PETSC_FALSE);
  OK(HdfExists(hdf, "/a/b/values/x", &exists));
  assert_int_equal(exists, PETSC_FALSE);
  OK(HdfGetShape(hdf, "a/b/values", &n, size));
  assert_int_equal(n, 2);
  assert_int_equal(size[0], 5);
  assert_int_equal(size[1], 3);
  OK(HdfGetShape(hdf, "row", &n, size));
  assert_int_equal(n, 1);
  assert_int_equal(size[0], 5);

  /* every rank its own range, some of them empty */
  const PetscInt64 first = 5 * rank / ranks, count = 5 * (rank + 1) / ranks - first;
  OK(HdfReadRows(hdf, "/a/b/values", first, count, read));
  assert_true(All(!memcmp(read, values + 3 * first, 3 * (size_t)count * sizeof(double))));
  OK(HdfReadRows(hdf, "row", 1, rank ? 0 : 4, read));
  values[4] = Value(1, 0, 1);
  assert_true(All(rank || !memcmp(read, values + 1, 4 * sizeof(double))));

  FAILS(HdfGetShape(hdf, "/a/c", &n, size), PETSC_ERR_USER_INPUT, "tokens_file = /tmp/", "has no dataset '/a/c'");
  FAILS(HdfGetShape(hdf, "/a/b", &n, size), PETSC_ERR_USER_INPUT, "tokens_file = ", "'/a/b' is not a dataset");
  FAILS(HdfReadRows(hdf, "/a/integers", 0, 4, read), PETSC_ERR_USER_INPUT,
        "tokens_file = ", "must hold floating-point numbers");
  FAILS(HdfReadRows(hdf, "row", 0, rank == ranks - 1 ? 6 : 1, read), PETSC_ERR_USER_INPUT,
        "tokens_file = ", "has only 5 rows");
  OK(HdfClose(&hdf));
}

static void ListsNames(void **state) {
  const char *expected[] = {"heads_0", "heads_1", "heads_10", "z"};
  char **names;
  PetscInt n;
  Hdf hdf;

  (void)state;
  OK(HdfOpen(PETSC_COMM_WORLD, File("list.h5"), "w", NULL, &hdf));
  OK(HdfWriteGroup(hdf, "/g/z"));
  OK(HdfWriteGroup(hdf, "/g/heads_10"));
  OK(HdfWriteGroup(hdf, "/g/heads_0/deep"));
  OK(HdfWriteString(hdf, "/g/heads_1", "text"));
  OK(HdfWriteGroup(hdf, "/empty"));
  OK(HdfClose(&hdf));
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", "key", &hdf));
  OK(HdfList(hdf, "/g", &n, &names));
  assert_int_equal(n, 4);
  for (int i = 0; i < 4; i++) {
    assert_string_equal(names[i], expected[i]);
    OK(PetscFree(names[i]));
  }
  OK(PetscFree(names));
  OK(HdfList(hdf, "/empty", &n, &names));
  assert_int_equal(n, 0);
  OK(PetscFree(names));
  FAILS(HdfList(hdf, "/nothing", &n, &names), PETSC_ERR_USER_INPUT, "key = ", "has no group '/nothing'");
  FAILS(HdfList(hdf, "/g/heads_1", &n, &names), PETSC_ERR_USER_INPUT, "key = ", "has no group '/g/heads_1'");
  OK(HdfClose(&hdf));
}

/* Runs h5dump on rank 0 and looks for text in what it prints. */
static int DumpHas(const char *file, const char *what, const char *text) {
  char command[PETSC_MAX_PATH_LEN + 128], output[4096];
  int has = 0;
  FILE *pipe;

  if (!rank) {
    snprintf(command, sizeof(command), "h5dump %s %s", what, file);
    pipe = popen(command, "r");
    output[fread(output, 1, sizeof(output) - 1, pipe)] = '\0';
    has = !pclose(pipe) && strstr(output, text);
  }
  MPI_Bcast(&has, 1, MPI_INT, 0, PETSC_COMM_WORLD);
  return has;
}

static void Attributes(void **state) {
  const char *boundary[3] = {"none", "periodic", ""};
  const int version[2] = {1, 1};
  Hdf hdf;

  (void)state;
  OK(HdfOpen(PETSC_COMM_WORLD, File("attributes.h5"), "w", NULL, &hdf));
  OK(HdfAttributeInts(hdf, "/h5md", "version", 2, version));
  OK(HdfAttributeString(hdf, "/h5md/author", "name", "someone"));
  OK(HdfAttributeString(hdf, "/h5md/author", "name", "chorale"));
  OK(HdfAttributeReal(hdf, "/h5md", "third", 0.25));
  OK(HdfAttributeString(hdf, "/", "empty", ""));
  OK(HdfAttributeStrings(hdf, "/box", "boundary", 3, boundary));
  OK(HdfWriteString(hdf, "/deck", "tokens:\n  count: 64\n"));
  OK(HdfClose(&hdf));
  assert_true(DumpHas(path, "-a /h5md/version", "(0): 1, 1"));
  assert_true(DumpHas(path, "-a /h5md/author/name", "\"chorale\""));
  assert_true(DumpHas(path, "-a /h5md/third", "0.25"));
  assert_true(DumpHas(path, "-a /box/boundary", "\"none\", \"periodic\", \"\""));
  assert_true(DumpHas(path, "-a /empty", "\"\""));
  assert_true(DumpHas(path, "-d /deck", "count: 64"));
}

static void ExternalLinkResolves(void **state) {
  const PetscInt64 shape[1] = {2};
  const double values[2] = {3, 4};
  double read[2];
  PetscBool exists;
  Hdf hdf;

  (void)state;
  OK(HdfOpen(PETSC_COMM_WORLD, File("target.h5"), "w", NULL, &hdf));
  OK(HdfWriteReals(hdf, "/particles/all/x", 1, shape, rank ? NULL : values));
  OK(HdfClose(&hdf));
  OK(HdfOpen(PETSC_COMM_WORLD, File("link.h5"), "w", NULL, &hdf));
  OK(HdfExternalLink(hdf, "/particles/one", "target.h5", "/particles/all"));
  OK(HdfExternalLink(hdf, "/particles/none", "missing.h5", "/particles/all"));
  OK(HdfClose(&hdf));
  OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  OK(HdfReadRows(hdf, "/particles/one/x", 0, 2, read));
  assert_true(All(read[0] == 3 && read[1] == 4));
  OK(HdfExists(hdf, "/particles/none", &exists));
  assert_int_equal(exists, PETSC_FALSE);
  OK(HdfClose(&hdf));
}

/* The bytes of a dataset as h5dump writes them in native format. On rank 0 only. */
static int DumpBinary(const char *dataset, void *values, size_t bytes) {
  char command[3 * PETSC_MAX_PATH_LEN];
  size_t got = 0;
  FILE *file;

  snprintf(command, sizeof(command), "h5dump -d %s -b NATIVE -o %s/dump %s > %s/text", dataset, scratch, path, scratch);
  if (system(command)) return 0;
  snprintf(command, sizeof(command), "%s/dump", scratch);
  file = fopen(command, "rb");
  if (file) {
    got = fread(values, 1, bytes, file);
    if (fgetc(file) != EOF) got = 0;
    fclose(file);
  }
  return got == bytes;
}

/* Realizations first, first + stride, ... of this rank, for R below and above the number of ranks. */
static void Columns(void **state) {
  enum { T = 7, MOST = 11, K = 4 };
  double mine[T * MOST * K], all[T * MOST * K];
  Hdf hdf;

  (void)state;
  for (PetscInt64 R = 1; R <= MOST; R += 5) {
    for (PetscInt64 k = 0; k <= K; k += K) {
      const PetscInt64 width = k ? k : 1, n = rank < R ? (R - 1 - rank) / ranks + 1 : 0;
      int same = 1;
      for (PetscInt64 t = 0; t < T; t++)
        for (PetscInt64 i = 0; i < n; i++)
          for (PetscInt64 c = 0; c < width; c++) mine[(t * n + i) * width + c] = Value(t, rank + i * ranks, c);
      OK(HdfOpen(PETSC_COMM_WORLD, File("columns.h5"), "w", NULL, &hdf));
      OK(HdfWriteColumns(hdf, "/o/value", T, R, k, rank, ranks, n, n ? mine : NULL));
      OK(HdfClose(&hdf));

      PetscInt64 size[8];
      int dims;
      OK(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
      OK(HdfGetShape(hdf, "/o/value", &dims, size));
      assert_int_equal(dims, k ? 3 : 2);
      assert_int_equal(size[0], T);
      assert_int_equal(size[1], R);
      if (k) {
        assert_int_equal(size[2], k);
        FAILS(HdfReadRows(hdf, "/o/value", 0, 1, all), PETSC_ERR_FILE_READ, "/tmp/", "has rank 3, must be 1 or 2");
      } else {
        OK(HdfReadRows(hdf, "/o/value", 0, T, all));
        for (int i = 0; i < T * R; i++) same &= all[i] == Value(i / R, i % R, 0);
      }
      OK(HdfClose(&hdf));
      if (k && !rank) {
        same &= DumpBinary("/o/value", all, (size_t)(T * R * k) * sizeof(double));
        for (int i = 0; i < T * R * k; i++) same &= all[i] == Value(i / (R * k), i / k % R, i % k);
      }
      assert_true(All(same));
    }
  }
}

/* A series whose ranks hold uneven numbers of rows, some none: read back through h5dump's binary output. */
static void CheckSeries(PetscBool single, int deflate) {
  enum { T = 3, N = 10, D = 3 };
  const PetscInt64 block = 4, blocks = 3;
  const PetscInt64 from = PetscMin(N, block * (blocks * rank / ranks)),
                   to = PetscMin(N, block * (blocks * (rank + 1) / ranks));
  const HdfSeriesShape shape = {.frames = 1, .N = N, .d = D, .single = single, .chunk_rows = block, .deflate = deflate};
  double rows[N * D];
  int same = 1;
  Hdf hdf;
  HdfSeries series;

  OK(HdfOpen(PETSC_COMM_WORLD, File("series.h5"), "w", NULL, &hdf));
  OK(HdfSeriesCreate(hdf, "/particles/all/position/value", &shape, &series));
  for (PetscInt64 t = 0; t < T; t++) {
    for (PetscInt64 i = from; i < to; i++)
      for (PetscInt64 c = 0; c < D; c++) rows[(i - from) * D + c] = Value(t, i, c);
    if (t == 1) OK(HdfSeriesExtend(series, T + 1));
    OK(HdfSeriesWrite(series, t, from, to - from, to > from ? rows : NULL));
    if (t == 1) OK(HdfFlush(hdf));
  }
  FAILS(HdfSeriesWrite(series, T + 1, from, to - from, rows), PETSC_ERR_ARG_OUTOFRANGE, "/tmp/", "past the end");
  OK(HdfSeriesDestroy(&series));
  OK(HdfClose(&hdf));
  if (!rank) {
    double read[(T + 1) * N * D];
    if (single) {
      float narrow[(T + 1) * N * D];
      same &= DumpBinary("/particles/all/position/value", narrow, sizeof(narrow));
      for (int i = 0; i < (T + 1) * N * D; i++) read[i] = (double)narrow[i];
    } else
      same &= DumpBinary("/particles/all/position/value", read, sizeof(read));
    for (int i = 0; i < T * N * D; i++) {
      const double value = Value(i / (N * D), i / D % N, i % D);
      same &= read[i] == (single ? (double)(float)value : value);
    }
    for (int i = T * N * D; i < (T + 1) * N * D; i++) same &= read[i] == 0; /* not written: zeros */
  }
  assert_true(All(same));
}

static void Series(void **state) {
  (void)state;
  for (int single = 0; single <= 1; single++)
    for (int deflate = 0; deflate <= 9; deflate += 3) CheckSeries((PetscBool)single, deflate);
}

/* What is not written reads as zero, not as what memory held, compressed or not: in a new file and in frames that came
 * later. */
static void UnwrittenIsZero(void **state) {
  enum { T = 6, N = 1000, D = 3, WRITTEN = 2 };
  const PetscInt64 from = N * rank / ranks, to = N * (rank + 1) / ranks;
  double rows[N * D], read[T * N * D];
  int same = 1;

  (void)state;
  for (int i = 0; i < N * D; i++) rows[i] = 1 + i;
  for (int deflate = 0; deflate <= 3; deflate += 3) {
    const HdfSeriesShape shape = {.frames = 4, .N = N, .d = D, .chunk_rows = 256, .deflate = deflate};
    Hdf hdf;
    HdfSeries series;

    OK(HdfOpen(PETSC_COMM_WORLD, File("unwritten.h5"), "w", NULL, &hdf));
    OK(HdfSeriesCreate(hdf, "/value", &shape, &series));
    OK(HdfSeriesWrite(series, WRITTEN, from, to - from, rows));
    OK(HdfSeriesExtend(series, T));
    OK(HdfSeriesDestroy(&series));
    OK(HdfClose(&hdf));
    if (!rank) same &= DumpBinary("/value", read, sizeof(read));
    for (int i = 0; !rank && i < T * N * D; i++) same &= i / (N * D) == WRITTEN ? read[i] > 0 : read[i] == 0;
  }
  assert_true(All(same));
}

/* Cuts the file at path to `size` bytes, or writes text into it. */
static void Spoil(const char *name, PetscInt64 size, const char *text) {
  int done = 1;
  if (!rank) {
    if (text) {
      FILE *file = fopen(name, "w");
      done = fputs(text, file) >= 0 && !fclose(file);
    } else
      done = !truncate(name, size);
  }
  assert_true(All(done));
}

static void RefusesBadFiles(void **state) {
  const PetscInt64 shape[1] = {1000};
  double values[1000] = {0};
  Hdf hdf;

  (void)state;
  FAILS(HdfOpen(PETSC_COMM_WORLD, File("missing.h5"), "r", "tokens_file", &hdf), PETSC_ERR_USER_INPUT,
        "tokens_file = /tmp/", "missing.h5: no such file");
  assert_null(hdf);
  FAILS(HdfOpen(PETSC_COMM_WORLD, scratch, "r", "tokens_file", &hdf), PETSC_ERR_USER_INPUT,
        "tokens_file = ", ": not a regular file");
  Spoil(File("text.h5"), 0, "this is a text\n");
  FAILS(HdfOpen(PETSC_COMM_WORLD, path, "r", "tokens_file", &hdf), PETSC_ERR_USER_INPUT,
        "tokens_file = ", ": not an HDF5 file");
  Spoil(File("empty.h5"), 0, "");
  FAILS(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf), PETSC_ERR_FILE_READ, "/tmp/", ": not an HDF5 file");
  for (PetscInt64 size = 9000; size > 100; size /= 3) {
    OK(HdfOpen(PETSC_COMM_WORLD, File("cut.h5"), "w", NULL, &hdf));
    OK(HdfWriteReals(hdf, "x", 1, shape, values));
    OK(HdfClose(&hdf));
    Spoil(path, size, NULL);
    FAILS(HdfOpen(PETSC_COMM_WORLD, path, "r", "tokens_file", &hdf), PETSC_ERR_USER_INPUT,
          "tokens_file = ", ": a truncated or damaged HDF5");
  }
  FAILS(HdfOpen(PETSC_COMM_WORLD, File("no/such/directory.h5"), "w", NULL, &hdf), PETSC_ERR_FILE_OPEN, "/tmp/",
        "cannot create: No such");
}

/* A process killed while Open MPI opened a file leaves a taken semaphore behind, for which every later opening of a
 * file of that name on the machine would wait for ever. */
static void OpensPastTheLockOfAKilledRun(void **state) {
  sem_t *(*of_machine)(const char *, int, ...); /* before which HdfOpen's stands */
  void *library = dlopen("libc.so.6", RTLD_LAZY), *found = library ? dlsym(library, "sem_open") : NULL;
  char own[32], of_file[48], name[64]; /* the same tests may run beside these */
  int number = (int)getpid();
  Hdf hdf;

  (void)state;
  OK(MPI_Bcast(&number, 1, MPI_INT, 0, PETSC_COMM_WORLD));
  snprintf(own, sizeof(own), "left-%d.h5", number);
  snprintf(of_file, sizeof(of_file), "/OMPIO_%s", own);
  snprintf(name, sizeof(name), "/dev/shm/sem.%s", of_file + 1);
  assert_true(All(found != NULL));
  memcpy(&of_machine, &found, sizeof(found));
  if (!rank) assert_true(of_machine(of_file, O_CREAT, 0644, 0) != SEM_FAILED);
  MPI_Barrier(PETSC_COMM_WORLD);
  assert_true(All(!access(name, F_OK)));
  for (int round = 0; round < 2; round++) {
    OK(HdfOpen(PETSC_COMM_WORLD, File(own), round ? "r" : "w", NULL, &hdf));
    OK(HdfClose(&hdf));
  }
  assert_true(All(!access(name, F_OK))); /* and no opening has to do with it */
  MPI_Barrier(PETSC_COMM_WORLD);
  if (!rank) unlink(name);
  dlclose(library);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(WriteReadArrays), cmocka_unit_test(ListsNames),
                                     cmocka_unit_test(Attributes),      cmocka_unit_test(ExternalLinkResolves),
                                     cmocka_unit_test(Columns),         cmocka_unit_test(Series),
                                     cmocka_unit_test(UnwrittenIsZero), cmocka_unit_test(OpensPastTheLockOfAKilledRun),
                                     cmocka_unit_test(RefusesBadFiles)};
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  int failed = _cmocka_run_group_tests("hdf", tests, sizeof(tests) / sizeof(tests[0]), Setup, ScratchRemove), worst = 1;
  if (MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD) || PetscFinalize()) return 1;
  return worst != 0;
}
