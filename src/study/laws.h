/* Laws of the MLP, from lists of the deck: every activation, dimension and bias of studies kernel and sync_map. */
#ifndef CHORALE_STUDY_LAWS_H
#define CHORALE_STUDY_LAWS_H

#include <chorale/kernel.h>

enum { LAWS_LIST = 256 };

/* Without kernel_bias the two standard deviations are the single mlp_bias_u and mlp_bias_w. */
typedef struct {
  PetscInt activations, dims, biases;
  const char *activation[LAWS_LIST];
  char *storage; /* of the activations' names; freed with PetscFree */
  PetscInt64 dim[LAWS_LIST];
  PetscReal bias_u[LAWS_LIST], bias_w[LAWS_LIST];
} Laws;

/* One of them; all are counted activation outermost, bias innermost. */
typedef struct {
  const char *name; /* of the activation */
  const Activation *activation;
  PetscInt dim;
  PetscReal bias_u, bias_w;
} Law;

PetscErrorCode LawsRead(Laws *laws);
PetscInt LawsCount(const Laws *laws);
Law LawsGet(const Laws *laws, PetscInt i);

#endif
