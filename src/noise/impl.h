/* What a type of noise implements. A new type is one file like none.c and one line in the registry of noise.c. */
#ifndef CHORALE_NOISE_IMPL_H
#define CHORALE_NOISE_IMPL_H

#include <chorale/noise.h>

typedef struct {
  const char *name; /* value of noise_type */
  PetscBool zero;   /* G is identically zero */
  /* Reads the type's own deck keys into noise->data. NULL when there is nothing to do, as for destroy. */
  PetscErrorCode (*create)(Noise noise);
  PetscErrorCode (*destroy)(Noise noise);
  PetscErrorCode (*view)(Noise noise, MPI_Comm comm);
  /* g_i = G(x_i) for every token of the owned blocks; values on the padding are finite and have no meaning. */
  PetscErrorCode (*evaluate)(Field field, Tokens tokens, Vec g);
} NoiseType;

struct _p_Noise {
  const NoiseType *type;
  PetscInt dim;
  uint64_t seed;
  void *data;
};

/* A draw is its key: nothing is stored, since every rank can make the same weights again. */
struct _p_Field {
  Noise noise;
  PetscInt realization, step;
  PetscBool drawn;
};

extern const NoiseType NoiseTypeMlp, NoiseTypeNone;

#endif
