/* The coefficients behind a spectral noise. Private to the folder. */
#ifndef CHORALE_NOISE_SPECTRAL_H
#define CHORALE_NOISE_SPECTRAL_H

#include <chorale/harmonics.h>
#include <chorale/noise.h>

/* The basis and its degree, owned by the noise. */
PetscErrorCode SpectralGetBasis(Noise noise, Harmonics *harmonics, PetscInt *degree);
/* The coefficients [d][K] of a field, owned by it and open to change. */
PetscErrorCode SpectralGetCoefficients(Field field, double **coefficients);

#endif
