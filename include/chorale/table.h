/* A study's table: printed to stdout of rank 0 in readable columns and, with -output_table, as CSV with 17 significant
 * digits. */
#ifndef CHORALE_TABLE_H
#define CHORALE_TABLE_H

#include <petscsys.h>

typedef struct _p_Table *Table;

/* columns: comma-separated names, the CSV header. Rows are kept on every rank that adds them; only rank 0 of comm
 * prints. */
PetscErrorCode TableCreate(MPI_Comm comm, const char *columns, Table *table);
PetscErrorCode TableDestroy(Table *table);
/* Refuses (user input) an output_table that cannot be written, is another file of the run, or exists and is neither
 * empty nor an earlier table with these first two columns; call before a long run. Collective. */
PetscErrorCode TableCheckOutput(MPI_Comm comm, const char *columns);
/* One row, cell by cell; a row is complete when every column has one. */
PetscErrorCode TableAddString(Table table, const char *value);
PetscErrorCode TableAddInt(Table table, PetscInt64 value);
PetscErrorCode TableAddReal(Table table, PetscReal value);
PetscErrorCode TableAddEmpty(Table table);
/* Memory that a table takes. */
PetscReal TableBytes(PetscInt64 rows, PetscInt columns);
/* Prints at most `rows` evenly chosen rows (first and last included; 0 prints all) and writes the CSV if the deck asks.
 * Collective. */
PetscErrorCode TableFinish(Table table, PetscInt rows);

#endif
