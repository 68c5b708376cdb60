/* Columns that keys add to the table of study kernel: spectrum, moments, growth and the ends of two tokens under random
 * values, NEIGHBOURS.md sections 12, 15 and 16. */
#ifndef CHORALE_STUDY_KERNEL_ADDED_H
#define CHORALE_STUDY_KERNEL_ADDED_H

#include "study/laws.h"
#include "study/options.h"

typedef struct {
  PetscInt exponents; /* lambda2 .. lambda[exponents] and the dimension; 0 for none */
  PetscInt moments;   /* Lambda(p) of so many p, and the root; 0 for none */
  PetscReal p[LAWS_LIST];
  PetscInt degrees; /* growth of degrees 1 to this one; 0 for none */
  PetscReal value;  /* v of attention */
  PetscBool values; /* opposite tokens under random values */
} Added;

PetscErrorCode AddedRead(const Laws *laws, Added *added);
/* Number of columns; and their names, each with a comma before it, behind what stands in columns[room]. */
PetscInt AddedCount(const Added *added);
enum { ADDED_NAME = 32 };
PetscErrorCode AddedNames(const Added *added, size_t room, char columns[]);
/* values[AddedCount], NaN in the cells of exponents that this dimension does not have. */
PetscErrorCode AddedCompute(const Added *added, Kernel kernel, PetscInt dim, PetscReal beta, PetscReal values[]);

#endif
