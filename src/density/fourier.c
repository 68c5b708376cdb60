#include "density/impl.h"

PetscInt DensityFastSize(PetscInt least) {
  PetscInt unit = 8;

  while (unit < least / 8) unit *= 2; /* few odd factors: FFTW has no fast code for them in long real transforms */
  for (PetscInt n = (least + unit - 1) / unit * unit;; n += unit) {
    PetscInt rest = n;
    for (PetscInt p = 2; p <= 7; p += p == 2 ? 1 : 2)
      while (rest % p == 0) rest /= p;
    if (rest == 1) return n;
  }
}
