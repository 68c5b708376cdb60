/* chorale --self-test: does an installation work? */
#ifndef CHORALE_STUDY_SELF_TEST_H
#define CHORALE_STUDY_SELF_TEST_H

#include <petscsys.h>

/* Checks numbers of the theory and of a layer, that they have the same bits on these ranks as on one, and files in the
 * working directory; a line for each on rank 0, in seconds. An error when one fails. Collective on the world. */
PetscErrorCode SelfTest(void);

#endif
