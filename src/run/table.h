/* The table of results: printed in readable columns and written as CSV with 17 digits. Private to
 * results and its tests. */
#ifndef CHORALE_RUN_TABLE_H
#define CHORALE_RUN_TABLE_H

#include <petscsys.h>

typedef struct {
  const char *columns;     /* names, separated by commas: the CSV's first line */
  PetscInt width;          /* numbers in a row */
  PetscInt integers;       /* so many of them, the first, are whole numbers */
  PetscInt64 rows;         /* of all kinds */
  const PetscReal *values; /* [rows][width], NaN for an empty cell */
  PetscInt texts;          /* columns of texts, the first ones */
  char *const *labels;     /* [rows] what stands in them, separated by commas; NULL where there are none */
} Table;

/* On one rank: at most `shown` evenly chosen rows (first and last included; 0 for all) on stdout. */
PETSC_INTERN PetscErrorCode TablePrint(const Table *table, PetscInt64 shown);
/* On one rank: complete or not at all. The error number, 0 for success. */
PETSC_INTERN int TableWrite(const Table *table, const char *path);

#endif
