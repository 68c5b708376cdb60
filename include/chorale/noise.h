/* The law of the random field that moves all tokens alike. Types: mlp, the paper's random one-hidden-layer network
 * G(y) = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W with fresh weights in every layer (THEORY.md (1.3)), where W may
 * have entries of another law than the Gaussian (THEORY.md (2.10)); spectral,
 * its limit of infinite width as a Karhunen-Loeve sum of harmonics up to noise_degree or where the tail falls under
 * noise_tol k(1) (THEORY.md (3.3)); gram, the same limit exact at the tokens by factorization of their kernel
 * matrix, N up to 2048; values, V x with a fresh random matrix V; none. */
#ifndef CHORALE_NOISE_H
#define CHORALE_NOISE_H

#include <chorale/deck.h>
#include <chorale/field.h>
#include <chorale/kernel.h>

typedef struct _p_Noise *Noise;

typedef struct {
  const char *type, *activation; /* names */
  PetscInt64 width;
  const char *weights; /* law of the entries of W, a name; NULL for gaussian */
  PetscReal bias_u, bias_w;
  PetscInt64 degree; /* -1: by tol */
  PetscReal tol;
  uint64_t seed;
  PetscReal independent; /* kappa: of what moves every token on its own, beside the field (tokens.h) */
} NoiseOptions;
extern const OptionKey MlpKeys[], NoiseKeys[];
/* mlp_*, noise_* and ensemble_seed. */
PetscErrorCode NoiseOptionsRead(NoiseOptions *options);

/* Refuses (user input) a spectral noise of more than 20000 harmonics. Not collective. */
PetscErrorCode NoiseCreate(PetscInt dim, const NoiseOptions *options, Noise *noise);
PetscErrorCode NoiseDestroy(Noise *noise);
/* From now on what one of two noises has drawn is there for the other, until something else is drawn, if that saves
 * time and memory allows it (*shared): fields of two MLPs whose weights have one law and seed, whatever their
 * activations. Values are the same either way. Not collective. */
PetscErrorCode NoiseShare(Noise noise, Noise other, PetscBool *shared);
/* Type, parameters and flops per token and step, on stdout of rank 0 of comm. Collective on comm. */
PetscErrorCode NoiseView(Noise noise, MPI_Comm comm);
/* The same in a phrase each, of at most `room` bytes: what it is, and how exact where that is in question. Pure. */
PetscErrorCode NoiseBrief(Noise noise, size_t room, char model[], char accuracy[]);
/* Refuses (user input) a number of tokens that fields of this law cannot be evaluated at: gram beyond 2048. Evaluation
 * checks too, but a study should ask before it writes anything. Not collective. */
PetscErrorCode NoiseCheckCount(Noise noise, PetscInt64 count);
/* Refuses (user input) a number of different points that one draw cannot be evaluated at over its life: gram beyond
 * 8192, since it remembers them all. `what` names in the message the keys that they come from. Not collective. */
PetscErrorCode NoiseCheckPoints(Noise noise, PetscInt64 points, const char *what);
/* Memory that one draw takes once it has been evaluated at so many points; 0 where draws remember nothing, so that a
 * draw of the same key is the same function again. Not collective. */
PetscErrorCode NoiseDrawBytes(Noise noise, PetscReal points, PetscReal *bytes);
/* What one evaluation of a draw costs a rank that has `mine` of `count` tokens: flops, not counting those of random
 * numbers, and memory. Not collective. */
PetscErrorCode NoiseGetCost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes);
/* Name of the type, static. */
PetscErrorCode NoiseGetType(Noise noise, const char **name);
PetscErrorCode NoiseIsZero(Noise noise, PetscBool *zero);
/* True when G(-x) = -G(x) for every draw: an odd activation without biases. */
PetscErrorCode NoiseIsOdd(Noise noise, PetscBool *odd);
/* Refuses (user input) laws that are those of a field on the sphere alone, for a scheme that asks inside it, at
 * barycentres. Not collective. */
PetscErrorCode NoiseCheckBall(Noise noise);
/* Highest degree of G as a sum of harmonics: of spectral; -1 for none, NOISE_DEGREE_NONE for laws that are no such sum.
 * Not collective. */
PetscErrorCode NoiseGetDegree(Noise noise, PetscInt *degree);

/* k(1) of the law that is really drawn (truncated kernel for spectral): the variance of each component of G. Not
 * collective. */
PetscErrorCode NoiseGetVariance(Noise noise, PetscReal *k1);
/* The covariance kernel that is really drawn, owned by noise; NULL for none. */
PetscErrorCode NoiseGetKernel(Noise noise, Kernel *kernel);

/* An empty field of this law. The caller destroys it before the noise. Not collective. */
PetscErrorCode NoiseCreateField(Noise noise, Field *field);
/* field <- the draw for (realization, step). Not collective: draws are functions of their keys. */
PetscErrorCode NoiseDraw(Noise noise, PetscInt realization, PetscInt step, Field field);

#endif
