#include "run/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/terminal.h"

#define CELL 256 /* characters */

/* The cell of a row in a column, numbers with so many digits. */
static const char *Cell(const Table *table, PetscInt64 row, PetscInt column, int digits, char *text, size_t room) {
  const PetscInt number = column - table->texts;
  const PetscReal value = number < 0 ? 0 : table->values[row * table->width + number];

  text[0] = '\0';
  if (number < 0) {
    const char *from = table->labels[row];
    for (PetscInt c = 0; c < column; c++) from += strcspn(from, ",") + 1;
    snprintf(text, room, "%.*s", (int)strcspn(from, ","), from);
    return text;
  }
  if (!PetscIsNanReal(value)) snprintf(text, room, "%.*g", number < table->integers ? 17 : digits, (double)value);
  return text;
}

static PetscInt Columns(const Table *table) {
  return table->width + table->texts;
}

/* Row i of `shown` evenly chosen ones among n, the first and the last included. */
static PetscInt64 Chosen(PetscInt64 i, PetscInt64 shown, PetscInt64 n) {
  return shown > 1 ? (i * (n - 1) + (shown - 1) / 2) / (shown - 1) : 0;
}

/* The columns first .. last - 1 of the names (row < 0) or of a row, each in its width, behind the first one. Empty
 * cells at the end take no room: blanks would wrap around. */
static void PrintRow(const Table *table, char *const names[], const int widths[], PetscInt64 row, PetscInt first,
                     PetscInt last) {
  char text[CELL];
  int blanks = 0;

  for (PetscInt c = 0; c < last; c = c ? c + 1 : PetscMax(first, 1)) {
    const char *cell = row < 0 ? names[c] : Cell(table, row, c, 6, text, sizeof(text));
    const int n = (int)strlen(cell);
    blanks += (c ? 2 : 0) + widths[c] - n;
    if (!n) continue;
    printf("%*s%s", blanks, "", cell);
    blanks = 0;
  }
  putchar('\n');
}

/* How far the columns from first on fit into so many characters (0: any number) behind the first one: at least one
 * does. */
static PetscInt Fit(const int widths[], PetscInt first, PetscInt columns, int most) {
  PetscInt last = PetscMax(first, 1);
  int used = widths[0];

  while (last < columns && (!most || last == PetscMax(first, 1) || used + 2 + widths[last] <= most))
    used += 2 + widths[last++];
  return PetscMin(last, columns);
}

PetscErrorCode TablePrint(const Table *table, PetscInt64 most) {
  const PetscInt64 n = table->rows, shown = most > 0 && n > most ? most : n;
  const PetscInt columns = Columns(table);
  const int terminal = TerminalWidth(STDOUT_FILENO);
  char text[CELL], **names;
  int *widths, n_names;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(columns, &widths));
  PetscCall(PetscStrToArray(table->columns, ',', &n_names, &names));
  for (PetscInt c = 0; c < columns; c++) {
    widths[c] = (int)strlen(names[c]);
    for (PetscInt64 i = 0; i < shown; i++)
      widths[c] = PetscMax(widths[c], (int)strlen(Cell(table, Chosen(i, shown, n), c, 6, text, sizeof(text))));
  }
  for (PetscInt first = 0, last; first < columns; first = last) {
    last = Fit(widths, first, columns, terminal);
    if (first) putchar('\n');
    for (PetscInt64 i = -1; i < shown; i++)
      PrintRow(table, names, widths, i < 0 ? i : Chosen(i, shown, n), first, last);
  }
  if (shown < n) printf("(%lld of %lld rows; -output_table FILE writes all)\n", (long long)shown, (long long)n);
  fflush(stdout);
  PetscCall(PetscStrToArrayDestroy(n_names, names));
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

int TableWrite(const Table *table, const char *path) {
  const PetscInt columns = Columns(table);
  char text[CELL], temporary[PETSC_MAX_PATH_LEN + 8];
  int error = 0;
  FILE *file = OpenTemporary(path, temporary, sizeof(temporary));

  if (!file) return errno;
  fprintf(file, "%s\n", table->columns);
  for (PetscInt64 row = 0; row < table->rows; row++)
    for (PetscInt c = 0; c < columns; c++)
      fprintf(file, "%s%c", Cell(table, row, c, 17, text, sizeof(text)), c + 1 < columns ? ',' : '\n');
  if (fflush(file) || ferror(file) || fsync(fileno(file))) error = errno ? errno : EIO;
  if (fclose(file) && !error) error = errno;
  if (!error && rename(temporary, path)) error = errno;
  if (error) remove(temporary);
  return error;
}
