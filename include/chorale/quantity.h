/* What the numbers of a results file are: a study declares each once, and file, table and merging follow. */
#ifndef CHORALE_QUANTITY_H
#define CHORALE_QUANTITY_H

#include <petscsys.h>

typedef enum {
  QUANTITY_OBSERVABLE, /* of every frame: /observables/NAME, mean and standard error in /ensemble/NAME */
  QUANTITY_FRAME,      /* of every frame: dataset [frames][R] + shape of /study/STUDY */
  QUANTITY_REALIZATION /* of every realization: dataset [R] + shape of /study/STUDY */
} QuantityKind;

/* What a report names: a scalar, an array or a column of the table. */
typedef struct {
  const char *name, *unit, *description;
} QuantityText;

/* What is measured. */
typedef struct {
  const char *name;               /* in the file; NULL: the numbers are kept, but are no dataset of their own */
  const char *unit, *description; /* NULL: as the study's list of texts has them */
  QuantityKind kind;
  PetscInt rank, shape[3]; /* of one frame or realization; rank 0: one number */
  const char *column;      /* observables: COLUMN_mean and COLUMN_sem of the table, NULL for none */
} Quantity;

/* Numbers of one frame or realization. Pure. */
PetscInt QuantitySize(const Quantity *quantity);

#define QUANTITY_TEXT 512
/* What a name stands for, from a list that ends with {0}: its own entry or that of NAME behind NAME_mean, NAME_sem,
 * NAME_low, NAME_high, NAME_realization, NAME_realizations, NAME_frames and NAME_tokens. unit is NULL when the list has
 * neither. */
PetscErrorCode QuantityDescribe(const QuantityText list[], const char *name, const char **unit,
                                char description[QUANTITY_TEXT]);

#endif
