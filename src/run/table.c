#include <chorale/table.h>

#include <chorale/deck.h>

#include "run/impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  enum { CELL_EMPTY, CELL_STRING, CELL_INT, CELL_REAL } type;
  union {
    char *text;
    PetscInt64 integer;
    PetscReal real;
  } value;
} Cell;

struct _p_Table {
  MPI_Comm comm;
  char *columns;      /* the CSV header */
  const char **names; /* of each column, in a copy of it */
  char *storage;
  PetscInt width; /* number of columns */
  PetscInt64 count, room;
  Cell *cells; /* [count], row-major */
};

PetscErrorCode TableCreate(MPI_Comm comm, const char *columns, Table *table) {
  Table t;
  PetscFunctionBeginUser;
  PetscCall(PetscNew(&t));
  t->comm = comm;
  PetscCall(PetscStrallocpy(columns, &t->columns));
  PetscCall(PetscStrallocpy(columns, &t->storage));
  t->width = 1;
  for (const char *c = columns; *c; c++) t->width += *c == ',';
  PetscCall(PetscMalloc1(t->width, &t->names));
  for (PetscInt i = 0; i < t->width; i++) {
    t->names[i] = i ? t->names[i - 1] + strlen(t->names[i - 1]) + 1 : t->storage;
    t->storage[t->names[i] - t->storage + (ptrdiff_t)strcspn(t->names[i], ",")] = '\0';
  }
  *table = t;
  PetscFunctionReturn(0);
}

PetscErrorCode TableDestroy(Table *table) {
  Table t = *table;
  PetscFunctionBeginUser;
  if (!t) PetscFunctionReturn(0);
  for (PetscInt64 i = 0; i < t->count; i++) {
    if (t->cells[i].type == CELL_STRING) PetscCall(PetscFree(t->cells[i].value.text));
  }
  free(t->cells);
  PetscCall(PetscFree(t->names));
  PetscCall(PetscFree(t->storage));
  PetscCall(PetscFree(t->columns));
  PetscCall(PetscFree(*table));
  PetscFunctionReturn(0);
}

/* Does the file hold nothing, or a table that begins with the same two columns? Those that follow may depend on the
 * deck. */
static PetscBool IsTable(const char *path, const char *columns) {
  const size_t length = strcspn(columns, ","), both = length + 1 + strcspn(columns + length + 1, ",");
  char line[128] = "";
  FILE *file = fopen(path, "r");
  size_t n;
  if (!file) return PETSC_FALSE;
  n = fread(line, 1, sizeof(line) - 1, file);
  fclose(file);
  return !n || (both < n && !strncmp(line, columns, both) && strchr(",\n", line[both])) ? PETSC_TRUE : PETSC_FALSE;
}

/* On one rank: what stands against writing the file, empty if nothing does. */
static PetscErrorCode Inspect(const char *path, const char *columns, char *reason, size_t room) {
  struct stat status;
  int code;
  PetscFunctionBeginUser;
  PetscCall(OutputOthers("output_table", path, reason, room));
  if (*reason) PetscFunctionReturn(0);
  if (!stat(path, &status) && !S_ISREG(status.st_mode))
    snprintf(reason, room, "output_table = %s: is not a regular file", path);
  else if (!access(path, F_OK) && !IsTable(path, columns))
    snprintf(reason, room,
             "output_table = %s: exists and is no earlier table of this study; remove it or choose another name", path);
  else if ((code = OutputProbe(path)))
    snprintf(reason, room, "output_table = %s: cannot be written: %s", path, strerror(code));
  PetscFunctionReturn(0);
}

PetscErrorCode TableCheckOutput(MPI_Comm comm, const char *columns) {
  char path[PETSC_MAX_PATH_LEN], reason[2 * PETSC_MAX_PATH_LEN] = "";
  PetscMPIInt rank;
  PetscFunctionBeginUser;
  PetscCall(DeckGetString("output_table", path));
  if (!*path) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) PetscCall(Inspect(path, columns, reason, sizeof(reason)));
  PetscCallMPI(MPI_Bcast(reason, sizeof(reason), MPI_CHAR, 0, comm));
  PetscCheck(!*reason, comm, PETSC_ERR_USER_INPUT, "%s", reason);
  PetscFunctionReturn(0);
}

PetscReal TableBytes(PetscInt64 rows, PetscInt columns) {
  return 2 * sizeof(Cell) * (PetscReal)rows * columns; /* room is doubled when it is full */
}

static PetscErrorCode Append(Table t, Cell cell) {
  PetscFunctionBeginUser;
  if (t->count == t->room) {
    const PetscInt64 room = t->room ? 2 * t->room : 16 * (PetscInt64)t->width;
    Cell *cells = realloc(t->cells, (size_t)room * sizeof(*cells));
    PetscCheck(cells, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for the study's table");
    t->cells = cells;
    t->room = room;
  }
  t->cells[t->count++] = cell;
  PetscFunctionReturn(0);
}

PetscErrorCode TableAddString(Table t, const char *value) {
  Cell cell = {.type = CELL_STRING};
  PetscFunctionBeginUser;
  PetscCheck(!strpbrk(value, ",\"\n"), PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "a CSV cell cannot hold %s", value);
  PetscCall(PetscStrallocpy(value, &cell.value.text));
  PetscCall(Append(t, cell));
  PetscFunctionReturn(0);
}

PetscErrorCode TableAddInt(Table t, PetscInt64 value) {
  PetscFunctionBeginUser;
  PetscCall(Append(t, (Cell){.type = CELL_INT, .value.integer = value}));
  PetscFunctionReturn(0);
}

PetscErrorCode TableAddReal(Table t, PetscReal value) {
  PetscFunctionBeginUser;
  PetscCall(Append(t, (Cell){.type = CELL_REAL, .value.real = value}));
  PetscFunctionReturn(0);
}

PetscErrorCode TableAddEmpty(Table t) {
  PetscFunctionBeginUser;
  PetscCall(Append(t, (Cell){.type = CELL_EMPTY}));
  PetscFunctionReturn(0);
}

/* A cell as text: 6 digits for people, 17 for programs. */
static const char *Format(const Cell *cell, int digits, char *buffer, size_t size) {
  switch (cell->type) {
  case CELL_EMPTY:
    return "";
  case CELL_STRING:
    return cell->value.text;
  case CELL_INT:
    snprintf(buffer, size, "%lld", (long long)cell->value.integer);
    break;
  case CELL_REAL:
    snprintf(buffer, size, "%.*g", digits, cell->value.real);
    break;
  }
  return buffer;
}

/* Row i of `shown` evenly chosen ones among n, the first and the last included. */
static PetscInt64 Chosen(PetscInt64 i, PetscInt64 shown, PetscInt64 n) {
  return shown > 1 ? (i * (n - 1) + (shown - 1) / 2) / (shown - 1) : 0;
}

static PetscErrorCode Print(Table t, PetscInt rows) {
  char buffer[64];
  int *widths;
  const PetscInt64 n = t->count / t->width, shown = rows > 0 && n > rows ? rows : n;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(t->width, &widths));
  for (PetscInt c = 0; c < t->width; c++) {
    widths[c] = (int)strlen(t->names[c]);
    for (PetscInt64 i = 0; i < shown; i++) {
      const Cell *cell = &t->cells[Chosen(i, shown, n) * t->width + c];
      const int length = (int)strlen(Format(cell, 6, buffer, sizeof(buffer)));
      if (length > widths[c]) widths[c] = length;
    }
  }
  for (PetscInt c = 0; c < t->width; c++) printf("%s%*s", c ? "  " : "", widths[c], t->names[c]);
  putchar('\n');
  for (PetscInt64 i = 0; i < shown; i++) {
    for (PetscInt c = 0; c < t->width; c++) {
      const Cell *cell = &t->cells[Chosen(i, shown, n) * t->width + c];
      printf("%s%*s", c ? "  " : "", widths[c], Format(cell, 6, buffer, sizeof(buffer)));
    }
    putchar('\n');
  }
  if (shown < n) printf("(%lld of %lld rows; -output_table FILE writes all)\n", (long long)shown, (long long)n);
  fflush(stdout);
  PetscCall(PetscFree(widths));
  PetscFunctionReturn(0);
}

/* A new file beside path, with the permissions of any new file; NULL, and errno, if there can be none. */
static FILE *OpenTemporary(const char *path, char *name, size_t room) {
  const mode_t mask = umask(0);
  FILE *file = NULL;
  int fd;
  (void)umask(mask);
  snprintf(name, room, "%s.XXXXXX", path);
  if ((fd = mkstemp(name)) < 0) return NULL;
  (void)fchmod(fd, 0666 & ~mask);
  if (!(file = fdopen(fd, "w"))) close(fd);
  return file;
}

/* Complete or not at all: a temporary file takes the name when it is on disk. The error number, 0 for success. */
static int WriteCsv(Table t, const char *path) {
  char buffer[64], temporary[PETSC_MAX_PATH_LEN + 8];
  int error = 0;
  FILE *file = OpenTemporary(path, temporary, sizeof(temporary));
  if (!file) return errno;
  fprintf(file, "%s\n", t->columns);
  for (PetscInt64 i = 0; i < t->count; i++) {
    fputs(Format(&t->cells[i], 17, buffer, sizeof(buffer)), file);
    fputc((i + 1) % t->width ? ',' : '\n', file);
  }
  if (fflush(file) || ferror(file) || fsync(fileno(file))) error = errno ? errno : EIO;
  if (fclose(file) && !error) error = errno;
  if (!error && rename(temporary, path)) error = errno;
  if (error) remove(temporary);
  return error;
}

PetscErrorCode TableFinish(Table t, PetscInt rows) {
  char path[PETSC_MAX_PATH_LEN];
  PetscMPIInt rank;
  int error = 0;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(t->comm, &rank));
  PetscCall(DeckGetString("output_table", path));
  if (rank == 0) {
    PetscCheck(t->count % t->width == 0, PETSC_COMM_SELF, PETSC_ERR_PLIB, "the last row of the table is not complete");
    PetscCall(Print(t, rows));
    if (*path) error = WriteCsv(t, path);
  }
  PetscCallMPI(MPI_Bcast(&error, 1, MPI_INT, 0, t->comm));
  PetscCheck(!error, t->comm, PETSC_ERR_FILE_WRITE, "output_table = %s: cannot be written: %s", path, strerror(error));
  PetscFunctionReturn(0);
}
