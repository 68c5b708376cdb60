/* What the two couplings share. Private to the folder. */
#ifndef CHORALE_NOISE_COUPLING_IMPL_H
#define CHORALE_NOISE_COUPLING_IMPL_H

#include <chorale/coupling.h>

#include "noise/impl.h"

/* Hidden units at work at a time. */
#define COUPLING_CHUNK 256

/* The key of a draw: where its weights come from. */
typedef struct {
  Noise noise; /* the coupled one */
  PetscInt realization, step, width;
} CouplingKey;

/* Units first .. first + count - 1 of a layer: U[count][d] and b_U[count]; the same for all widths. */
void CouplingDrawUnits(const CouplingKey *key, PetscInt first, PetscInt count, double U[], double bias_u[]);
/* The d fresh normals from which b_W is drawn given the limit field. */
void CouplingDrawBias(const CouplingKey *key, double normals[]);
/* Fresh normals z[n][d] where the limit field says nothing. */
void CouplingDrawRest(const CouplingKey *key, PetscInt n, double z[]);

/* Eigenvalues[n], ascending, and eigenvectors, the columns in place of the symmetric matrix (lower triangle). */
PetscErrorCode CouplingEigen(PetscInt n, double matrix[], double eigenvalues[]);
/* The components of the rows of values[n][d] along the eigenvectors, and back: out = vectors^T values, out = vectors
 * values. */
PetscErrorCode CouplingAnalyze(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]);
PetscErrorCode CouplingSynthesize(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]);
/* values[n][d] <- matrix^{1/2} values, the symmetric root of a positive semidefinite matrix, which is overwritten. */
PetscErrorCode CouplingApplyRoot(PetscInt n, double matrix[], PetscInt d, double values[]);

/* The basis of limits_coupling harmonics. */
typedef struct _p_HarmonicCoupling *HarmonicCoupling;
PetscErrorCode HarmonicCouplingCreate(Noise coupled, Noise limit, HarmonicCoupling *coupling);
PetscErrorCode HarmonicCouplingDestroy(HarmonicCoupling *coupling);
/* Harmonics in its eigenproblems. */
PetscErrorCode HarmonicCouplingGetSize(HarmonicCoupling coupling, PetscInt *size);
/* out, a field of the limit's noise, <- G^m coupled to the limit field. */
PetscErrorCode HarmonicCouplingDraw(HarmonicCoupling coupling, const CouplingKey *key, Field limit, Field out);

#endif
