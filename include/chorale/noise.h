/* The law of the random field that moves all tokens alike. Types: mlp, the paper's random one-hidden-layer network
 * G(y) = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W with fresh weights in every layer (PAPER.md section 1); none. */
#ifndef CHORALE_NOISE_H
#define CHORALE_NOISE_H

#include <chorale/field.h>

typedef struct _p_Noise *Noise;

/* Reads noise_type, mlp_* and ensemble_seed. Not collective. */
PetscErrorCode NoiseCreate(PetscInt dim, Noise *noise);
PetscErrorCode NoiseDestroy(Noise *noise);
/* Type, parameters and flops per token and step, on stdout of rank 0 of comm. Collective on comm. */
PetscErrorCode NoiseView(Noise noise, MPI_Comm comm);
PetscErrorCode NoiseIsZero(Noise noise, PetscBool *zero);

/* An empty field of this law. The caller destroys it before the noise. Not collective. */
PetscErrorCode NoiseCreateField(Noise noise, Field *field);
/* field <- the draw for (realization, step). Not collective: draws are functions of their keys. */
PetscErrorCode NoiseDraw(Noise noise, PetscInt realization, PetscInt step, Field field);

#endif
