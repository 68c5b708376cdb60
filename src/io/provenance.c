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
enum { INPUTS = 8, PIECE = 1 << 20, PIECES = 256 /* from one sign to the other ranks to the next */ };
static struct {
  const char *key;
  char crc[12];
} inputs[INPUTS];

/* Goes on with the CRC-32 of a file; is there more? */
static int ReadPieces(FILE *file, unsigned char *bytes, unsigned long *sum) {
  size_t n = 1;

  for (int i = 0; i < PIECES && n; i++) {
    n = fread(bytes, 1, PIECE, file);
    *sum = crc32(*sum, bytes, (uInt)n);
  }
  return n > 0;
}

/* The CRC-32 of a file, read by rank 0; nothing for what is no file, or cannot be read. The others, which may have to
 * wait for long, hear that it reads. */
static PetscErrorCode ReadCrc(const char *path, PetscMPIInt rank, char crc[12]) {
  struct stat status;
  FILE *file = !rank && !stat(path, &status) && S_ISREG(status.st_mode) ? fopen(path, "rb") : NULL;
  unsigned char *bytes = file ? malloc(PIECE) : NULL;
  unsigned long sum = 0;
  int more = 1;

  PetscFunctionBeginUser;
  while (more) {
    more = bytes ? ReadPieces(file, bytes, &sum) : 0;
    PetscCallMPI(MPI_Bcast(&more, 1, MPI_INT, 0, PETSC_COMM_WORLD));
  }
  if (bytes && !ferror(file)) (void)snprintf(crc, 12, "%08lx", sum);
  free(bytes);
  if (file) (void)fclose(file);
  PetscCallMPI(MPI_Bcast(crc, 12, MPI_CHAR, 0, PETSC_COMM_WORLD));
  PetscFunctionReturn(0);
}

PetscErrorCode ProvenanceReadInputs(void) {
  const OptionKey *key;
  const char *path;
  PetscMPIInt rank;
  PetscBool set;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (PetscInt i = 0; n < INPUTS && (key = DeckKeyGet(i)); i++) {
    if (!key->input) continue;
    PetscCall(DeckKeyValue(key, &path, &set));
    inputs[n].key = key->name;
    if (*path) PetscCall(ReadCrc(path, rank, inputs[n].crc));
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
