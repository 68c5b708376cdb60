/* Private to results.c, report.c and results_file.c. */
#ifndef CHORALE_RUN_RESULTS_IMPL_H
#define CHORALE_RUN_RESULTS_IMPL_H

#include <chorale/results.h>

#include "io/hdf.h"
#include "run/output.h"
#include "run/table.h"

#include <stdio.h>

#define RESULTS_NAME       96
#define RESULTS_RANK       4
#define RESULTS_QUANTITIES 32

/* A named part of the results beside the table: a text, a number (rank 0) or an array. */
typedef struct {
  char name[RESULTS_NAME];
  const char *group; /* of a text; NULL: /study/STUDY */
  const char *unit;  /* NULL: not explained */
  char description[QUANTITY_TEXT];
  char *text; /* NULL: numbers */
  int rank;
  PetscInt64 shape[RESULTS_RANK];
  PetscReal *values;
} Item;

struct _p_Results {
  ResultsForm form;
  PetscInt cell; /* of a sweep; -1 without */
  char *columns;
  Ensemble ensemble;
  EnsembleLayout layout;
  PetscMPIInt shard; /* of the group */
  const Frames *frames;
  PetscInt trajectories;
  Output output;
  PetscInt quantities;
  Quantity quantity[RESULTS_QUANTITIES];
  char described[RESULTS_QUANTITIES][QUANTITY_TEXT]; /* descriptions found in the form's list */
  PetscInt first[RESULTS_QUANTITIES];                /* where each begins in a frame or in the tail */
  PetscInt observed;                                 /* quantities that are observables */
  PetscInt frame, tail;                              /* numbers of a frame and of a realization */
  PetscBool scratch; /* values that are not kept: on other shards, and where ResultsAllocate was told so */
  PetscReal *values; /* [owned][frames][frame] + [tail]; of scratch one frame and tail */

  PetscBool complete;
  Samples samples;       /* those that are done, as far as rows are gathered */
  PetscReal *mean, *sem; /* [frames][frame] of observables, on rank 0 */
  PetscInt64 rows, room;
  PetscReal *row; /* [rows][numbers of the table] */
  char **labels;  /* [rows], NULL for tables of numbers */
  Item *items;
  PetscInt count, items_room;
  FILE *paper; /* that writes words, a string of `said` characters */
  char *words;
  size_t said, place; /* place: of the table among the words */
};

/* Numbers in a row of the table. */
PETSC_INTERN PetscInt ResultsTableWidth(Results results);
/* Columns with those of the keys that are swept over in front; the caller frees them. */
PETSC_INTERN PetscErrorCode ResultsSweepColumns(const char *columns, char **all);
/* Means, errors and the table of observables, when there are any. Collective on all ranks. */
PETSC_INTERN PetscErrorCode ResultsMeans(Results results);
/* /observables, /ensemble, and the samples of a report. Collective on the ranks that have the file open. */
PETSC_INTERN PetscErrorCode ResultsWriteQuantities(Results results, Hdf hdf, const char *group);
/* Unit and description of a column. */
PETSC_INTERN PetscErrorCode ResultsDescribeColumn(Results results, const char *name, const char **unit,
                                                  char description[QUANTITY_TEXT]);
/* The factor of a mean's interval. */
PETSC_INTERN PetscErrorCode ResultsWriteFactor(Results results, Hdf hdf, const char *group);
/* Deck and provenance, when so many realizations are done. Collective on comm, whose file it is. */
PETSC_INTERN PetscErrorCode ResultsWriteOrigin(Results results, MPI_Comm comm, PetscInt done, Hdf hdf);
/* A table into output_table, unless that is empty, and onto paper, words around it. Collective on all ranks. */
PETSC_INTERN PetscErrorCode ResultsTellTable(Results results, const Table *all, const Table *printed);
/* Nothing is said yet. */
PETSC_INTERN PetscErrorCode ResultsClear(Results results);
/* Are rows gathered: is there more than observables? */
PETSC_INTERN PetscBool ResultsAreGathered(Results results);
/* The unit and the description of a name; a name that is not declared is an error of the program. */
PETSC_INTERN PetscErrorCode ResultsDescribe(Results results, const char *name, const char **unit,
                                            char description[QUANTITY_TEXT]);
#endif
