/* What the files of the density share. */
#ifndef CHORALE_DENSITY_IMPL_H
#define CHORALE_DENSITY_IMPL_H

#include <chorale/density.h>
#include <chorale/harmonics.h>

/* The potential Z of attention (chorale/attention.h, THEORY.md (5.3)) has the coefficients zonal[n] rho_k, diagonal in
 * the harmonics. */
typedef struct {
  PetscInt degree;  /* of Z: at most the density's */
  PetscReal *zonal; /* [degree + 1]: e_n |S| / dim(n) */
} DensityPotential;

/* 1/Z. Z <= 1 is known to rounding errors of 1, and far from all mass, where it is less, 1/Z would be any number; there
 * is nothing to move there, but on the circle such a velocity would spread with its Fourier series. So 1/Z falls to 0
 * smoothly where Z is below 1e-10, which takes mass of that order. */
static inline double DensityInverse(double z) {
  return z / (z * z + 1e-20);
}

/* A kind of grid. Coefficients are arrays [K] in the order of chorale/harmonics.h. */
typedef struct {
  const char *name;
  PetscErrorCode (*create)(Density density);
  PetscErrorCode (*destroy)(Density density);
  /* The noise's velocity P scale G on the grid, until the next call; sets density->speed to the largest. field may be
   * NULL for 0. Collective. */
  PetscErrorCode (*freeze)(Density density, Field field, PetscReal scale);
  /* out = -div(rho (dt P Att[rho] + frozen velocity)), tested with every harmonic. Collective. */
  PetscErrorCode (*transport)(Density density, PetscReal dt, const double *rho, double *out);
  /* rho at the n points of the grid and the weights of its quadrature; valid until the next call. Collective. */
  PetscErrorCode (*grid)(Density density, const double *rho, PetscInt *n, const double **values,
                         const double **weights);
  PetscErrorCode (*view)(Density density);
} DensityKind;

/* e^{beta (u - 1)}. */
typedef struct {
  PetscReal beta;
  PetscInt degree;
  PetscReal *e; /* [degree + 1], e_n of NUMERICS.md (9.1) */
} DensityKernel;

struct _p_Density {
  const DensityKind *kind;
  MPI_Comm comm;
  PetscInt dim, degree, count;
  PetscReal area; /* |S| */
  Harmonics harmonics;
  const PetscInt *degrees; /* [count] */
  Vec state;
  PetscBool ito; /* scheme_type euler */
  DensityOptions options;
  AttentionPotential attention;
  DensityPotential potential;
  DensityKernel energy, mmd;
  PetscInt bandwidth; /* degree of the velocity that the grid holds */
  PetscInt needed;    /* degree that attention may have, which is more than bandwidth where it is too sharp */
  PetscReal speed;    /* of the frozen field, at most */
  double *work[3];    /* [count] */
  void *data;
};

extern const DensityKind DensityCircle, DensitySphere;

/* fourier.c: smallest n >= least that the fast Fourier transform likes: a multiple of 8, or 64 where it is long,
 * without prime factors above 7. */
PETSC_INTERN PetscInt DensityFastSize(PetscInt least);
/* initial.c: coefficients of the initial law for realization r, *key: the deck key that sets how sharp it is. */
PETSC_INTERN PetscErrorCode DensityInitial(Density density, PetscInt r, double *rho, const char **key);

#endif
