/* What the kinds of the harmonics share. */
#ifndef CHORALE_LAW_SPHERE_IMPL_H
#define CHORALE_LAW_SPHERE_IMPL_H

#include <chorale/harmonics.h>

/* One step of the recurrence in the degree: next = up x current - down r^2 before. */
typedef struct {
  double up, down;
} HarmonicsStep;

struct _p_Harmonics {
  PetscInt dim, degree, count;
  PetscInt *degrees; /* [count] */
  /* Dimensions 3 .. dim, see harmonics_tower.c. */
  HarmonicsStep *steps;           /* [dim - 2][pairs (l,k) with l + k <= degree] */
  double *seeds;                  /* [dim - 2][degree + 1]: the value at k = 0 */
  double *tails;                  /* [dim - 2]: product of the seeds of l = degree from here to dim */
  struct HarmonicsCircle *circle; /* dim = 2, see harmonics_circle.c */
  struct HarmonicsSphere *sphere; /* dim = 3, see harmonics_sphere.c */
};

/* Start of the pairs (l, 0 .. degree - l) within the triangle of all pairs. */
static inline size_t HarmonicsPair(PetscInt degree, PetscInt l) {
  return (size_t)l * (size_t)(2 * degree + 3 - l) / 2;
}

/* harmonics_tower.c: rows of Y in the order of the index, handed out in slices of whole rows. */
typedef struct {
  PetscInt first, count; /* indices first .. first + count - 1 */
  PetscInt B;
  const double *Y; /* [count][B] */
} HarmonicsSlice;
typedef PetscErrorCode (*HarmonicsUse)(const HarmonicsSlice *slice, void *context);

PETSC_INTERN PetscErrorCode HarmonicsTowerSetUp(Harmonics harmonics);
/* degrees[count]: the same walk without tokens. */
PETSC_INTERN PetscErrorCode HarmonicsTowerDegrees(Harmonics harmonics);
/* Y[room][B] is the room for a slice, at least degree + 1 rows. */
PETSC_INTERN PetscErrorCode HarmonicsTower(Harmonics harmonics, PetscInt B, const double *x, PetscInt room, double *Y,
                                           HarmonicsUse use, void *context);

/* The fast kinds, with the arguments of harmonics.h. */
#define HARMONICS_FAST(Kind)                                                                                           \
  PETSC_INTERN PetscErrorCode Harmonics##Kind##SetUp(Harmonics);                                                       \
  PETSC_INTERN PetscErrorCode Harmonics##Kind##Destroy(Harmonics);                                                     \
  PETSC_INTERN PetscReal Harmonics##Kind##Flops(Harmonics, PetscInt);                                                  \
  PETSC_INTERN PetscErrorCode Harmonics##Kind##Analyze(Harmonics, PetscInt, const double *, PetscInt, const double *,  \
                                                       double *);                                                      \
  PETSC_INTERN PetscErrorCode Harmonics##Kind##Synthesize(Harmonics, PetscInt, const double *, PetscInt,               \
                                                          const double *, double *)
HARMONICS_FAST(Circle);
HARMONICS_FAST(Sphere);

#endif
