/* What a type of coupling implements, and what they share. Private to the folder. */
#ifndef CHORALE_NOISE_COUPLING_IMPL_H
#define CHORALE_NOISE_COUPLING_IMPL_H

#include "noise/impl.h"

#include "noise/coupling.h"

/* Hidden units at work at a time. */
#define COUPLING_CHUNK 256

/* The key of a draw: where its weights come from. */
typedef struct {
  Noise noise; /* the limit */
  PetscInt realization, step, width;
} CouplingKey;

typedef struct {
  const char *name;   /* value of limits_coupling */
  PetscInt most;      /* tokens that a field can be evaluated at; 0 for any number */
  PetscBool spectral; /* needs a limit in harmonics */
  PetscBool any;      /* W may have any law; else Gaussian, the same normals as the limit's */
  /* Makes coupling->made and the type's own coupling->data; the latter is all there is to destroy, NULL when none. */
  PetscErrorCode (*create)(Coupling coupling);
  PetscErrorCode (*destroy)(Coupling coupling);
  PetscErrorCode (*view)(Coupling coupling, MPI_Comm comm);
  /* coupling->made <- G^m of this key coupled to the limit field. */
  PetscErrorCode (*draw)(Coupling coupling, const CouplingKey *key, Field limit);
} CouplingType;

struct _p_Coupling {
  const CouplingType *type;
  Noise limit;
  Field made;
  void *data;
};

extern const CouplingType CouplingTypeTokens, CouplingTypeHarmonics, CouplingTypeNone;

/* coupling_key.c: units first .. first + count - 1 of a layer: U[count][d] and b_U[count]; the same for all widths. */
void CouplingDrawUnits(const CouplingKey *key, PetscInt first, PetscInt count, double U[], double bias_u[]);
/* The d fresh normals from which b_W is drawn given the limit field. */
void CouplingDrawBias(const CouplingKey *key, double normals[]);
/* Fresh normals z[n][d] where the limit field says nothing. */
void CouplingDrawRest(const CouplingKey *key, PetscInt n, double z[]);

/* coupling_root.c: eigenvalues[n], ascending, and eigenvectors, the columns in place of the symmetric matrix (lower
 * triangle). */
PetscErrorCode CouplingEigen(PetscInt n, double matrix[], double eigenvalues[]);
/* The components of the rows of values[n][d] along the eigenvectors, and back: out = vectors^T values, out = vectors
 * values. */
PetscErrorCode CouplingAnalyze(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]);
PetscErrorCode CouplingSynthesize(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]);
/* values[n][d] <- matrix^{1/2} values, the symmetric root of a positive semidefinite matrix, which is overwritten. */
PetscErrorCode CouplingApplyRoot(PetscInt n, double matrix[], PetscInt d, double values[]);

#endif
