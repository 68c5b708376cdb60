/* What a study of the theory leaves behind: its table (printed, CSV), the same columns as arrays, further arrays and
 * the scalars it prints, in the results file under /study/<name>, with /parameters and /provenance (the layout:
 * tools/README.md). Reads output_file, output_overwrite, output_table. */
#ifndef CHORALE_FINDINGS_H
#define CHORALE_FINDINGS_H

#include <petscsys.h>

#include <chorale/fit.h>

typedef struct _p_Findings *Findings;

/* columns: comma-separated names of the study's table (all numbers). Refuses (user input) an existing output file
 * without output_overwrite and files that cannot be written: create it before a long run. Collective on comm. */
PetscErrorCode FindingsCreate(MPI_Comm comm, const char *study, const char *columns, Findings *findings);
PetscErrorCode FindingsDestroy(Findings *findings);
/* The files it will write, on stdout of rank 0 (-dry_run). Collective. */
PetscErrorCode FindingsView(Findings findings);

/* Begins the results so far of a run that goes on or is about to stop: those of so many realizations, which are done.
 * The file that FindingsFinish then writes says so (/provenance: complete = false, realizations_done), and nothing is
 * printed. Called alike on all ranks. */
PetscErrorCode FindingsBeginPartial(Findings findings, PetscInt realizations);
/* Between FindingsBeginPartial and FindingsFinish: a report then has no words to say. Pure. */
PetscBool FindingsArePartial(Findings findings);

/* One row of the table, values[columns]; NaN is an empty cell. The labeled kind puts a text into
 * the first column, which then has no entry in values; a table has rows of one kind. Called alike on all ranks. */
PetscErrorCode FindingsRow(Findings findings, const PetscReal values[]);
PetscErrorCode FindingsLabeledRow(Findings findings, const char *label, const PetscReal values[]);
/* Attribute /study/<name>@key. All ranks pass the same value. */
PetscErrorCode FindingsScalar(Findings findings, const char *key, PetscReal value);
PetscErrorCode FindingsText(Findings findings, const char *key, const char *value);
/* Attributes key, key_low, key_high. */
PetscErrorCode FindingsFit(Findings findings, const char *key, FitValue value);
/* Dataset /study/<name>/<key> of this shape (rank <= 4); copied. All ranks pass the same values. */
PetscErrorCode FindingsArray(Findings findings, const char *key, int rank, const PetscInt64 shape[],
                             const PetscReal values[]);

/* Writes the results file (temporary, fsync, rename), prints the table to stdout of rank 0 (at most `rows` evenly
 * chosen rows, 0 for all) and writes output_table; partial results are written only. Empty afterwards. Collective. */
PetscErrorCode FindingsFinish(Findings findings, PetscInt rows);

#endif
