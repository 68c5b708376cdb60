/* Values at new points X given the values at the points P of before, by extending a Cholesky factor:
 *
 *     [ k(P,P)        ]   [ L     ] [ L     ]^T           V = k(X,P) L^{-T}
 *     [ k(X,P) k(X,X) ] = [ V   M ] [ V   M ]     with    M M^T = k(X,X) - V V^T  (the conditional covariance)
 *
 * and G(X) = V z + M z' where G(P) = L z and z' are fresh normals. k(X,X) is singular when tokens coincide and nearly
 * so when they are close or the kernel is smooth: M comes from Cholesky with pivots, which stops where no point has
 * more conditional variance than rounding leaves, and only its pivots join P. The others follow from P and need no
 * normals. */
#include "noise/gram_draw.h"

#include <petscblaslapack.h>
#include <string.h>

/* LAPACK's Cholesky with complete pivoting, which PETSc does not declare. */
extern void dpstrf_(const char *uplo, const PetscBLASInt *n, double *a, const PetscBLASInt *lda, PetscBLASInt *pivots,
                    PetscBLASInt *rank, const double *tol, double *work, PetscBLASInt *info);

struct _p_GramDraw {
  Kernel kernel;
  PetscInt dim;
  RngStream stream;
  PetscReal k1;
  /* Points with a value. */
  PetscInt count, room;
  double *points, *values; /* [room][d] */
  PetscInt *table;         /* [4 room]: open hash table of points, -1 for empty */
  /* P: those that were pivots. */
  PetscInt rank, stride;
  double *pivots;  /* [stride][d] */
  double *normals; /* [stride][d]: z */
  double *factor;  /* [stride][stride], column-major: L in its lower triangle */
};

PetscErrorCode GramDrawCreate(Kernel kernel, PetscInt dim, RngStream stream, GramDraw *draw) {
  PetscReal derivative;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(draw));
  (*draw)->kernel = kernel;
  (*draw)->dim = dim;
  (*draw)->stream = stream;
  PetscCall(KernelAtOne(kernel, &(*draw)->k1, &derivative));
  PetscFunctionReturn(0);
}

PetscErrorCode GramDrawDestroy(GramDraw *draw) {
  PetscFunctionBeginUser;
  if (!*draw) PetscFunctionReturn(0);
  PetscCall(PetscFree((*draw)->points));
  PetscCall(PetscFree((*draw)->values));
  PetscCall(PetscFree((*draw)->table));
  PetscCall(PetscFree((*draw)->pivots));
  PetscCall(PetscFree((*draw)->normals));
  PetscCall(PetscFree((*draw)->factor));
  PetscCall(PetscFree(*draw));
  PetscFunctionReturn(0);
}

/* The place of a point in the table: its own, or the empty one where it belongs. */
static PetscInt *Slot(GramDraw draw, const double *point) {
  const size_t size = (size_t)draw->dim * sizeof(double), slots = 4 * (size_t)draw->room;
  uint64_t hash = 14695981039346656037u;
  for (PetscInt c = 0; c < draw->dim; c++) {
    uint64_t bits;
    memcpy(&bits, &point[c], sizeof(bits));
    hash = (hash ^ bits) * 1099511628211u;
    hash ^= hash >> 29;
  }
  for (size_t slot = (size_t)hash % slots;; slot = (slot + 1) % slots) {
    const PetscInt i = draw->table[slot];
    if (i < 0 || !memcmp(draw->points + (size_t)i * (size_t)draw->dim, point, size)) return &draw->table[slot];
  }
}

/* Room for `needed` points in all. */
static PetscErrorCode GrowPoints(GramDraw draw, PetscInt needed) {
  PetscFunctionBeginUser;
  if (needed <= draw->room) PetscFunctionReturn(0);
  draw->room = PetscMax(needed, 2 * draw->room);
  PetscCall(PetscRealloc((size_t)(draw->room * draw->dim) * sizeof(double), &draw->points));
  PetscCall(PetscRealloc((size_t)(draw->room * draw->dim) * sizeof(double), &draw->values));
  PetscCall(PetscRealloc(4 * (size_t)draw->room * sizeof(PetscInt), &draw->table));
  for (PetscInt i = 0; i < 4 * draw->room; i++) draw->table[i] = -1;
  for (PetscInt i = 0; i < draw->count; i++) *Slot(draw, draw->points + i * draw->dim) = i;
  PetscFunctionReturn(0);
}

/* Room for `needed` pivots in all. */
static PetscErrorCode GrowFactor(GramDraw draw, PetscInt needed) {
  const PetscInt old = draw->stride;
  double *factor;

  PetscFunctionBeginUser;
  if (needed <= old) PetscFunctionReturn(0);
  draw->stride = PetscMin(PetscMax(needed, 2 * old), PetscMax(needed, GRAM_POINTS));
  PetscCall(PetscRealloc((size_t)(draw->stride * draw->dim) * sizeof(double), &draw->pivots));
  PetscCall(PetscRealloc((size_t)(draw->stride * draw->dim) * sizeof(double), &draw->normals));
  PetscCall(PetscMalloc1((size_t)draw->stride * (size_t)draw->stride, &factor));
  for (PetscInt j = 0; j < draw->rank; j++)
    PetscCall(
        PetscArraycpy(factor + (size_t)j * (size_t)draw->stride, draw->factor + (size_t)j * (size_t)old, draw->rank));
  PetscCall(PetscFree(draw->factor));
  draw->factor = factor;
  PetscFunctionReturn(0);
}

/* Replaces n cosines by their kernel values; rounding may have left [-1,1]. */
static PetscErrorCode ApplyKernel(Kernel kernel, PetscInt n, double *u) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < n; i++) PetscCall(KernelEvaluate(kernel, PetscMax(-1, PetscMin(1, u[i])), &u[i]));
  PetscFunctionReturn(0);
}

/* V[q][r], column-major, for the q points X. */
static PetscErrorCode SolveOld(GramDraw draw, PetscBLASInt q, const double *X, double *V) {
  const PetscScalar zero = 0, one = 1;
  PetscBLASInt d, r, stride;

  PetscFunctionBeginUser;
  if (draw->rank == 0) PetscFunctionReturn(0);
  PetscCall(PetscBLASIntCast(draw->dim, &d));
  PetscCall(PetscBLASIntCast(draw->rank, &r));
  PetscCall(PetscBLASIntCast(draw->stride, &stride));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &q, &r, &d, &one, X, &d, draw->pivots, &d, &zero, V, &q));
  PetscCall(ApplyKernel(draw->kernel, q * r, V));
  PetscCallBLAS("BLAStrsm", BLAStrsm_("R", "L", "T", "N", &q, &r, &one, draw->factor, &stride, V, &q));
  PetscFunctionReturn(0);
}

/* M[q][rank], column-major with leading dimension q, its rows in the order of pivots[q] (counted from 1). */
static PetscErrorCode FactorNew(GramDraw draw, PetscBLASInt q, const double *X, const double *V, double *M,
                                PetscBLASInt *pivots, PetscBLASInt *rank) {
  const PetscScalar zero = 0, one = 1, minus = -1;
  const double tol = 1e-14 * (double)(draw->rank + q) * draw->k1;
  PetscBLASInt d, r, info;
  double *work, largest = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(draw->dim, &d));
  PetscCall(PetscBLASIntCast(draw->rank, &r));
  PetscCallBLAS("BLASsyrk", BLASsyrk_("L", "T", &q, &d, &one, X, &d, &zero, M, &q));
  for (PetscInt j = 0; j < q; j++) {
    M[(size_t)j * (size_t)(q + 1)] = 1; /* |x| = 1 but for rounding */
    PetscCall(ApplyKernel(draw->kernel, q - j, M + (size_t)j * (size_t)(q + 1)));
  }
  if (r > 0) PetscCallBLAS("BLASsyrk", BLASsyrk_("L", "N", &q, &r, &minus, V, &q, &one, M, &q));
  for (PetscInt j = 0; j < q; j++) largest = PetscMax(largest, M[(size_t)j * (size_t)(q + 1)]);
  *rank = 0;
  if (largest <= tol) PetscFunctionReturn(0); /* dpstrf takes its first pivot unseen */
  PetscCall(PetscMalloc1(2 * q, &work));
  PetscCallBLAS("LAPACKpstrf", dpstrf_("L", &q, M, &q, pivots, rank, &tol, work, &info));
  PetscCheck(info >= 0 && *rank >= 1, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK dpstrf failed with info = %d", (int)info);
  PetscCall(PetscFree(work));
  for (PetscInt j = 1; j < *rank; j++) PetscCall(PetscArrayzero(M + (size_t)j * (size_t)q, j)); /* above the diagonal */
  PetscFunctionReturn(0);
}

/* The first `rank` points of the pivot order join P, with their rows [V M] of the factor and fresh normals. */
static PetscErrorCode AppendPivots(GramDraw draw, PetscInt q, const double *X, const double *V, const double *M,
                                   const PetscBLASInt *pivots, PetscInt rank) {
  const PetscInt r = draw->rank, d = draw->dim;

  PetscFunctionBeginUser;
  PetscCall(GrowFactor(draw, r + rank));
  for (PetscInt i = 0; i < rank; i++) {
    const PetscInt point = pivots[i] - 1;
    double *row = draw->factor + r + i;
    PetscCall(PetscArraycpy(draw->pivots + (r + i) * d, X + point * d, d));
    for (PetscInt j = 0; j < r; j++) row[(size_t)j * (size_t)draw->stride] = V[(size_t)j * (size_t)q + (size_t)point];
    for (PetscInt j = 0; j <= i; j++)
      row[(size_t)(r + j) * (size_t)draw->stride] = M[(size_t)j * (size_t)q + (size_t)i];
  }
  RngNormal(draw->stream, (uint64_t)(r * d), (size_t)(rank * d), draw->normals + r * d);
  draw->rank += rank;
  PetscFunctionReturn(0);
}

/* G[q][d] = V z + M z' for the q > 0 points X[q][d]. */
static PetscErrorCode DrawNew(GramDraw draw, PetscBLASInt q, const double *X, double *G) {
  const PetscScalar zero = 0, one = 1;
  const PetscInt old = draw->rank;
  PetscBLASInt d, r, rank, *pivots;
  double *V, *M, *fresh;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(draw->dim, &d));
  PetscCall(PetscBLASIntCast(draw->rank, &r));
  PetscCall(PetscMalloc4((size_t)q * (size_t)r, &V, (size_t)q * (size_t)q, &M, q, &pivots, q * d, &fresh));
  PetscCall(SolveOld(draw, q, X, V));
  PetscCall(FactorNew(draw, q, X, V, M, pivots, &rank));
  PetscCall(AppendPivots(draw, q, X, V, M, pivots, rank));
  PetscCall(PetscArrayzero(G, q * d));
  if (r > 0) PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &d, &q, &r, &one, draw->normals, &d, V, &q, &zero, G, &d));
  if (rank > 0) {
    PetscCallBLAS("BLASgemm",
                  BLASgemm_("N", "T", &d, &q, &rank, &one, draw->normals + old * d, &d, M, &q, &zero, fresh, &d));
    for (PetscInt i = 0; i < q; i++)
      for (PetscInt c = 0; c < d; c++) G[(pivots[i] - 1) * d + c] += fresh[i * d + c];
  }
  PetscCall(PetscFree4(V, M, pivots, fresh));
  PetscFunctionReturn(0);
}

PetscErrorCode GramDrawAdd(GramDraw draw, PetscReal scale, PetscInt n, const double *points, double *g) {
  const PetscInt known = draw->count, d = draw->dim;
  PetscBLASInt q;
  PetscInt *index;

  PetscFunctionBeginUser;
  PetscCall(GrowPoints(draw, draw->count + n));
  PetscCall(PetscMalloc1(n, &index));
  for (PetscInt i = 0; i < n; i++) {
    PetscInt *slot = Slot(draw, points + i * d);
    if (*slot < 0) {
      *slot = draw->count;
      PetscCall(PetscArraycpy(draw->points + draw->count * d, points + i * d, d));
      draw->count++;
    }
    index[i] = *slot;
  }
  PetscCheck(draw->count <= GRAM_POINTS, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "noise gram: one draw is asked for at %" PetscInt_FMT " different points, more than the %d it can keep",
             draw->count, GRAM_POINTS);
  PetscCall(PetscBLASIntCast(draw->count - known, &q));
  if (q > 0) PetscCall(DrawNew(draw, q, draw->points + known * d, draw->values + known * d));
  for (PetscInt i = 0; i < n; i++)
    for (PetscInt c = 0; c < d; c++) g[i * d + c] += scale * draw->values[index[i] * d + c];
  PetscCall(PetscFree(index));
  PetscFunctionReturn(0);
}
