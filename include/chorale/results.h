/* What a run leaves behind: its numbers, declared one by one (quantity.h), the results file (tools/README.md has its
 * layout), the table on stdout and as CSV, and what a report says below it.
 *
 * Numbers of frames and realizations are kept in rows: [frames][columns] of every frame, then the tail, of the
 * realization. A report turns the rows of all realizations into a table, arrays and scalars. */
#ifndef CHORALE_RESULTS_H
#define CHORALE_RESULTS_H

#include <chorale/ensemble.h>
#include <chorale/fit.h>
#include <chorale/frames.h>
#include <chorale/output.h>
#include <chorale/quantity.h>

typedef struct _p_Results *Results;

typedef struct {
  const char *study;    /* /study/STUDY, and the default STUDY.h5 of output_file */
  const char *columns;  /* of the table; NULL: step,time and COLUMN_mean,COLUMN_sem of the observables */
  PetscInt integers;    /* so many of its numbers, the first, are whole */
  PetscInt rows;        /* of the table that are printed, 0 for all */
  PetscBool only_table; /* there is no results file */
  const char *headline; /* what the printed table of a sweep has of a cell: scalars, texts, or columns at their last
                           row; NULL: the last row */
  const QuantityText *texts; /* all that the report names; ends with {0} */
} ResultsForm;

/* Rows of the realizations that are done, in their order. */
typedef struct {
  PetscInt realizations;
  PetscInt columns, width; /* numbers of a frame and of a row */
  const Frames *frames;
  PetscReal *all; /* [realizations][width]; NULL when there are only observables, which stay where they are */
} Samples;

/* Strings of the form stay the caller's. */
PetscErrorCode ResultsCreate(const ResultsForm *form, Results *results);
/* The same of a cell of a sweep; its file and its table are those of all cells. */
PetscErrorCode ResultsCreateCell(const ResultsForm *form, PetscInt cell, Results *results);
PetscErrorCode ResultsDestroy(Results *results);
/* A quantity of frames or realizations; its unit and description are those of the form's list where it has none. Before
 * ResultsSetUp. Strings stay the caller's. */
PetscErrorCode ResultsDeclare(Results results, const Quantity *quantity);
/* Columns that depend on the deck. Copied. */
PetscErrorCode ResultsSetColumns(Results results, const char *columns);
/* Refuses (user input) an existing output file without output_overwrite and files that cannot be written. output and
 * frames stay the caller's. trajectories: how many realizations have one beside the file. Collective on all ranks. */
PetscErrorCode ResultsSetUp(Results results, Ensemble ensemble, const Frames *frames, Output output,
                            PetscInt trajectories);
/* Files and sizes on stdout of rank 0 (-dry_run). Collective. */
PetscErrorCode ResultsView(Results results);
/* Memory of the rank that has most. Not collective. */
PetscErrorCode ResultsGetBytes(Results results, PetscReal *bytes);

/* Room for rows, all NaN: not measured yet; scratch alone unless they are kept. Later the ensemble may have fewer
 * realizations (EnsembleSetCount). */
PetscErrorCode ResultsAllocate(Results results, PetscBool kept);
/* Numbers of frame f, and of the whole, of the i-th realization of this group. The first shard keeps them; on others
 * they are scratch. Pure. */
PetscReal *ResultsFrame(Results results, PetscInt i, PetscInt f);
PetscReal *ResultsTail(Results results, PetscInt i);
/* Numbers of a frame, and of a row. Pure. */
PetscInt ResultsColumns(Results results);
PetscInt ResultsWidth(Results results);
/* Datasets that it writes of what is declared: a step, a time, values, means and errors of an observable. Pure. */
PetscInt ResultsArrays(Results results);
const Frames *ResultsGetFrames(Results results);
/* The i-th declared quantity and where its numbers begin in a frame or in the tail; NULL past the end. Pure. */
const Quantity *ResultsGetQuantity(Results results, PetscInt i, PetscInt *first);

/* Begins the results: complete, or those so far of a run that goes on or is about to stop. *samples, of all
 * realizations and on all ranks, belong to results; the caller may move those that are done to the front and say how
 * many they are. Collective on all ranks. */
PetscErrorCode ResultsBegin(Results results, PetscBool complete, Samples **samples);

/* What a report says; called alike on all ranks, with names from the form's list. One row of the table, NaN for an
 * empty cell. The labeled kind puts a text into the first column, which then has no number; a table has rows of one
 * kind. */
PetscErrorCode ResultsRow(Results results, const PetscReal values[]);
PetscErrorCode ResultsLabeledRow(Results results, const char *label, const PetscReal values[]);
/* Attribute /study/STUDY@key, explained in /quantities; a text may do without. */
PetscErrorCode ResultsScalar(Results results, const char *key, PetscReal value);
PetscErrorCode ResultsText(Results results, const char *key, const char *value);
/* The same with an explanation of its own, copied but for the unit. */
PetscErrorCode ResultsExplained(Results results, const QuantityText *text, PetscReal value);
/* Attributes key, key_low, key_high. */
PetscErrorCode ResultsFit(Results results, const char *key, FitValue value);
/* Dataset /study/STUDY/key of this shape (rank <= 4); copied. */
PetscErrorCode ResultsArray(Results results, const char *key, int rank, const PetscInt64 shape[],
                            const PetscReal values[]);
/* Words on stdout of rank 0, below the table or, before ResultsPlaceTable, above it. Those of partial results are not
 * printed. */
PetscErrorCode ResultsSay(Results results, const char *format, ...) __attribute__((format(printf, 2, 3)));
PetscErrorCode ResultsPlaceTable(Results results);
/* In place of what the deck says, or beside it: attribute key of the group /parameters or /provenance, a literal. May
 * be called before ResultsBegin. */
PetscErrorCode ResultsSetOrigin(Results results, const char *group, const char *key, const char *value);

/* Writes the results file: temporary, fsync, rename. Collective on all ranks. */
PetscErrorCode ResultsCommit(Results results);
/* The same for the cells of a sweep; fill begins the results of a cell and has its report made. */
typedef PetscErrorCode (*ResultsFill)(void *context, PetscInt cell);
PetscErrorCode ResultsCommitCells(PetscInt n, const Results cells[], ResultsFill fill, void *context);
PetscErrorCode ResultsTellCells(PetscInt n, const Results cells[]);
/* Refuses (user input) a sweep in which this cell records something else than the first one. Collective. */
PetscErrorCode ResultsCheckCell(Results first, Results cell);
/* Of complete results: output_table, the table and the words. Collective on all ranks. */
PetscErrorCode ResultsTell(Results results);

#endif
