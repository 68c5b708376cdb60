/* What a type of noise implements, and the fields that it draws. A new type is one file like none.c and a word in
 * NOISES. */
#ifndef CHORALE_NOISE_IMPL_H
#define CHORALE_NOISE_IMPL_H

#include <chorale/noise.h>
#include <chorale/rng.h>

/* What can be done with a field. */
typedef struct {
  /* Its own data, field->data: fields start as 0. NULL when there is none. */
  PetscErrorCode (*create)(Field field);
  PetscErrorCode (*destroy)(Field field);
  /* field <- 0; y <- y + scale x, where x may be y. NULL where such fields have no sums. */
  PetscErrorCode (*clear)(Field field);
  PetscErrorCode (*add)(Field y, PetscReal scale, Field x);
  /* g_i = G(x_i) for every token of the owned blocks; values on the padding are finite and have no meaning. NULL: as
   * one piece. */
  PetscErrorCode (*evaluate)(Field field, Tokens tokens, Vec g);
  /* The same in pieces, see field.h: both NULL where all tokens are needed at once, prepare where nothing is to be
   * prepared. */
  PetscErrorCode (*prepare)(Field field, Tokens tokens);
  PetscErrorCode (*evaluate_piece)(Field field, PetscInt blocks, PetscInt B, const double *x, double *g);
  /* The same at few points; NULL where G is no sum of harmonics up to the degree of the noise. */
  PetscErrorCode (*evaluate_at)(Field field, PetscInt blocks, PetscInt B, const double *x, double *g);
} FieldType;

typedef struct {
  const char *name; /* value of noise_type */
  PetscBool zero;   /* G is identically zero */
  PetscBool ball;   /* G is defined inside the sphere, too */
  PetscInt most;    /* tokens that a field can be evaluated at; 0 for any number */
  PetscInt points;  /* different points that a draw can be evaluated at, all in all; 0 for any number */
  /* Makes noise->data of the type's own options. NULL when there is nothing to do, as for destroy. */
  PetscErrorCode (*create)(Noise noise, const NoiseOptions *options);
  PetscErrorCode (*destroy)(Noise noise);
  PetscErrorCode (*view)(Noise noise, MPI_Comm comm);
  /* model, which is "TYPE noise, ACTIVATION", with what else the law has, and how exact it is. NULL for no more. */
  PetscErrorCode (*brief)(Noise noise, size_t room, char model[], char accuracy[]);
  /* As NoiseGetCost; NULL where it is nothing. */
  PetscErrorCode (*cost)(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes);
  /* As NoiseGetDegree; NULL where G is no sum of harmonics. */
  PetscErrorCode (*degree)(Noise noise, PetscInt *degree);
  /* field <- the draw of this key; NULL where all draws are the same. */
  PetscErrorCode (*draw)(Field field, PetscInt realization, PetscInt step);
  /* What a keyed draw must remember as long as some field holds it (terms.h); NULL when a key is all. */
  PetscErrorCode (*acquire)(Noise noise, PetscInt realization, PetscInt step, void **draw);
  PetscErrorCode (*release)(Noise noise, void *draw);
  /* As NoiseShare, of two noises of this type with one seed and dimension; NULL where nothing is shared. */
  PetscErrorCode (*share)(Noise noise, Noise other, PetscBool *shared);
  FieldType field;
} NoiseType;

struct _p_Noise {
  const NoiseType *type;
  PetscInt dim;
  uint64_t seed;
  const Activation *activation; /* the law, from mlp_activation, mlp_bias_u, mlp_bias_w */
  PetscReal bias_u, bias_w;
  RngLaw weights; /* of the entries of W at finite width */
  Kernel kernel;  /* of the law that is drawn; NULL until NoiseGetKernel is first called */
  void *data;
};

struct _p_Field {
  const FieldType *type;
  Noise noise;     /* whose law it has */
  PetscBool drawn; /* somebody has said what the field is */
  void *data;
};

/* The stream of a purpose for one draw. */
static inline RngStream NoiseStream(Noise noise, PetscInt realization, PetscInt step, RngPurpose purpose) {
  return (RngStream){noise->seed, (uint32_t)realization, (uint32_t)step, purpose};
}

/* The i-th name of the registry, NULL past the end (noise.c). */
const char *NoiseTypeName(PetscInt i);

/* The i-th name of mlp_weights, which is that of RngLaw i, NULL past the end; the law of a name, gaussian for NULL
 * (weights.c). */
const char *NoiseWeightsName(PetscInt i);
PetscErrorCode NoiseWeightsFind(const char *name, RngLaw *law);

/* A field that is not drawn yet. */
PetscErrorCode FieldCreate(const FieldType *type, Noise noise, Field *field);

/* All types: NAME stands for the NoiseTypeNAME of its file. */
#define NOISES(TYPE)     TYPE(Mlp), TYPE(Spectral), TYPE(Gram), TYPE(Values), TYPE(None)
#define NOISE_TYPE(name) NoiseType##name
extern const NoiseType NOISES(NOISE_TYPE);

#endif
