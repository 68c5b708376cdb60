/* Where a file came from. CHORALE_VERSION and CHORALE_FLAGS are defined by CMake for this file, CHORALE_REVISION in a
 * header that every build makes. */
#include "io/provenance.h"

#include "io/deck_keys.h"

#include <H5public.h>
#include <chorale_revision.h>
#include <petscversion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <zlib.h>

#if defined(__clang__)
#define COMPILER "Clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "GCC " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* Only OpenBLAS has it; other libraries leave it undefined. */
extern char *openblas_get_config(void) __attribute__((weak));

static char command_line[PROVENANCE_TEXT] = "";

/* As much of a text as there is room for. */
static void Append(const char *text, size_t n) {
  const size_t used = strlen(command_line), room = sizeof(command_line) - 1 - used;

  memcpy(command_line + used, text, n < room ? n : room);
  command_line[used + (n < room ? n : room)] = '\0';
}

/* A word as a shell takes it: quoted, unless all of its characters are plain ones. */
static void AppendWord(const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./,:=@%";

  if (word[0] && !word[strspn(word, plain)]) {
    Append(word, strlen(word));
    return;
  }
  Append("'", 1);
  for (; *word; word++) *word == '\'' ? Append("'\\''", 4) : Append(word, 1);
  Append("'", 1);
}

PetscErrorCode ProvenanceSetCommandLine(int argc, char **argv) {
  PetscFunctionBeginUser;
  command_line[0] = '\0';
  for (int i = 0; i < argc; i++) {
    if (i) Append(" ", 1);
    AppendWord(argv[i]);
  }
  PetscFunctionReturn(0);
}

/* The files that a run is made from, as they were when it began. */
enum { INPUTS = 8, PIECE = 1 << 20 };
static struct {
  const char *key;
  char crc[12];
} inputs[INPUTS];

/* Of length bytes of a file from a place on; *ok is false where they cannot be read. */
static unsigned long CrcOfPart(const char *path, off_t begin, off_t length, int *ok) {
  FILE *file = length ? fopen(path, "rb") : NULL;
  unsigned char *bytes = file ? malloc(PIECE) : NULL;
  unsigned long sum = 0;

  *ok = !length || (bytes && !fseeko(file, begin, SEEK_SET));
  while (*ok && length) {
    const size_t n = fread(bytes, 1, (size_t)(length < PIECE ? length : PIECE), file);
    if (!n) *ok = 0;
    sum = crc32(sum, bytes, (uInt)n);
    length -= (off_t)n;
  }
  free(bytes);
  if (file) (void)fclose(file);
  return sum;
}

/* Where a rank's part of so many bytes begins: whole pieces. */
static PetscInt64 PartBegin(PetscInt64 size, PetscMPIInt rank, PetscMPIInt ranks) {
  return PetscMin(size, (size + PIECE - 1) / PIECE * rank / ranks * PIECE);
}

/* The CRC-32 of a file, each rank of a part; nothing for what is no file, or cannot be read. */
static PetscErrorCode ReadCrc(const char *path, char crc[12]) {
  PetscInt64 size = -1;
  unsigned long mine, *sums;
  PetscMPIInt rank, ranks;
  struct stat status;
  int ok;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &ranks));
  if (!rank && !stat(path, &status) && S_ISREG(status.st_mode)) size = status.st_size;
  PetscCallMPI(MPI_Bcast(&size, 1, MPIU_INT64, 0, PETSC_COMM_WORLD));
  if (size < 0) PetscFunctionReturn(0);
  const PetscInt64 begin = PartBegin(size, rank, ranks), end = PartBegin(size, rank + 1, ranks);
  mine = CrcOfPart(path, (off_t)begin, (off_t)(end - begin), &ok);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_LAND, PETSC_COMM_WORLD));
  PetscCall(PetscMalloc1(ranks, &sums));
  PetscCallMPI(MPI_Gather(&mine, 1, MPI_UNSIGNED_LONG, sums, 1, MPI_UNSIGNED_LONG, 0, PETSC_COMM_WORLD));
  for (PetscMPIInt r = 1; r < ranks && !rank; r++)
    sums[0] = crc32_combine(sums[0], sums[r], (z_off_t)(PartBegin(size, r + 1, ranks) - PartBegin(size, r, ranks)));
  if (!rank && ok) (void)snprintf(crc, 12, "%08lx", sums[0]);
  PetscCallMPI(MPI_Bcast(crc, 12, MPI_CHAR, 0, PETSC_COMM_WORLD));
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(0);
}

PetscErrorCode ProvenanceReadInputs(void) {
  const OptionKey *key;
  const char *path;
  PetscBool set;
  int n = 0;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; n < INPUTS && (key = DeckKeyGet(i)); i++) {
    if (!key->input) continue;
    PetscCall(DeckKeyValue(key, &path, &set));
    inputs[n].key = key->name;
    if (*path) PetscCall(ReadCrc(path, inputs[n].crc));
    n++;
  }
  PetscFunctionReturn(0);
}

const char *ProvenanceInput(const char *key) {
  for (int i = 0; i < INPUTS && inputs[i].key; i++)
    if (!strcmp(key, inputs[i].key)) return inputs[i].crc;
  return "";
}

const char *ProvenanceVersion(void) {
  return CHORALE_VERSION;
}

static PetscErrorCode MpiLibrary(char *name, size_t size) {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Get_library_version(text, &length));
  text[strcspn(text, "\n")] = '\0';
  PetscCall(PetscStrncpy(name, text, size));
  PetscFunctionReturn(0);
}

/* What does not change from run to run. */
static PetscErrorCode VisitBuild(PetscErrorCode (*visit)(const char *, const char *, void *), void *context) {
  char text[256];
  PetscFunctionBeginUser;
  PetscCall(visit("version", CHORALE_VERSION, context));
  PetscCall(visit("revision", CHORALE_REVISION, context));
  PetscCall(visit("compiler", COMPILER, context));
  PetscCall(visit("flags", CHORALE_FLAGS, context));
  snprintf(text, sizeof(text), "%d.%d.%d", PETSC_VERSION_MAJOR, PETSC_VERSION_MINOR, PETSC_VERSION_SUBMINOR);
  PetscCall(visit("petsc", text, context));
  PetscCall(MpiLibrary(text, sizeof(text)));
  PetscCall(visit("mpi", text, context));
  snprintf(text, sizeof(text), "%d.%d.%d", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE);
  PetscCall(visit("hdf5", text, context));
  PetscCall(visit("blas", openblas_get_config ? openblas_get_config() : "unknown", context));
  PetscFunctionReturn(0);
}

PetscErrorCode ProvenanceVisit(PetscErrorCode (*visit)(const char *, const char *, void *), void *context) {
  char text[MPI_MAX_PROCESSOR_NAME + 1];
  int ranks, length;
  const time_t now = time(NULL);
  struct tm utc;
  PetscFunctionBeginUser;
  PetscCall(VisitBuild(visit, context));
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &ranks));
  snprintf(text, sizeof(text), "%d", ranks);
  PetscCall(visit("ranks", text, context));
  PetscCallMPI(MPI_Get_processor_name(text, &length));
  PetscCall(visit("host", text, context));
  gmtime_r(&now, &utc);
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  PetscCall(visit("date", text, context));
  PetscCall(visit("command_line", command_line, context));
  for (int i = 0; i < INPUTS && inputs[i].key; i++) {
    snprintf(text, sizeof(text), "%s_crc32", inputs[i].key);
    if (inputs[i].crc[0]) PetscCall(visit(text, inputs[i].crc, context));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode PrintLine(const char *name, const char *value, void *context) {
  (void)context;
  if (!strcmp(name, "version"))
    printf("chorale %s\n", value);
  else
    printf("  %-9s %s\n", name, value);
  return 0;
}

PetscErrorCode ProvenancePrintVersion(void) {
  PetscFunctionBeginUser;
  PetscCall(VisitBuild(PrintLine, NULL));
  fflush(stdout);
  PetscFunctionReturn(0);
}
