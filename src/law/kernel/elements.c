#include "law/kernel/elements.h"
#include <complex.h>
#include <math.h>
#include <petscblaslapack.h>

/* LAPACK's banded LU of complex matrices, which a PETSc of real numbers does not declare. */
extern void zgbtrf_(const PetscBLASInt *m, const PetscBLASInt *n, const PetscBLASInt *kl, const PetscBLASInt *ku,
                    double complex *ab, const PetscBLASInt *ldab, PetscBLASInt *pivots, PetscBLASInt *info);
extern void zgbtrs_(const char *trans, const PetscBLASInt *n, const PetscBLASInt *kl, const PetscBLASInt *ku,
                    const PetscBLASInt *columns, const double complex *ab, const PetscBLASInt *ldab,
                    const PetscBLASInt *pivots, double complex *b, const PetscBLASInt *ldb, PetscBLASInt *info);

enum { P = ELEMENTS_DEGREE, BAND = 3 * P + 1, POLES = 3 }; /* BAND: rows that a banded matrix and its LU take */

/* e^z ~ sum over the poles of Re c/(p - z), the conjugate poles being counted in c: the Pade approximant of degree 4
 * over 5. */
static const struct {
  double pole[2], residue[2];
} pade[POLES] = {
    {{6.2867047517292766452, 0.0}, {273.34328946592193689, 0.0}},
    {{5.7009532986717894192, 3.2102656003085498884}, {2 * -149.99844659754692662, 2 * -68.042279522022687079}},
    {{3.6556943254635722582, 6.543736899360077294}, {2 * 15.82680186458595818, 2 * 24.125645782244380718}},
};

struct _p_Elements {
  PetscInt n;
  PetscBool bound; /* f_s(0) = 0 */
  PetscReal *A;    /* [n+1][2P+1]: row i holds the columns i-P .. i+P */
  double complex *lu[POLES], *right;
  PetscBLASInt *pivots[POLES];
};

/* In one element, on [0,1]: points sin^2(pi j/(2P)), whose differences are sin(pi (i+j)/(2P)) sin(pi (i-j)/(2P)), and
 * the first and second differentiation matrices. Rows add up to 0 by construction of the diagonal, which keeps
 * constants constant. */
static void Differentiation(PetscReal D1[P + 1][P + 1], PetscReal D2[P + 1][P + 1]) {
  const PetscReal unit = 0.5 * PETSC_PI / P;

  for (PetscInt i = 0; i <= P; i++) {
    D1[i][i] = D2[i][i] = 0.0;
    for (PetscInt pass = 0; pass < 2; pass++) { /* the second matrix needs the first one's diagonal */
      for (PetscInt j = 0; j <= P; j++) {
        if (j == i) continue;
        const PetscReal distance = sin(unit * (PetscReal)(i + j)) * sin(unit * (PetscReal)(i - j));
        const PetscReal ends = (i == 0 || i == P ? 2.0 : 1.0) / (j == 0 || j == P ? 2.0 : 1.0);
        if (pass == 0) {
          D1[i][j] = ((i + j) % 2 ? -ends : ends) / distance;
          D1[i][i] -= D1[i][j];
        } else {
          D2[i][j] = 2.0 * D1[i][j] * (D1[i][i] - 1.0 / distance);
          D2[i][i] -= D2[i][j];
        }
      }
    }
  }
}

PetscReal ElementsPoint(PetscInt elements, PetscInt i) {
  const PetscReal root = sin(0.5 * PETSC_PI * (PetscReal)(i % P) / P);

  return ((PetscReal)(i / P) + root * root) / (PetscReal)elements;
}

/* Rows of collocation; between elements the jump of f_s, at the ends f_s, both of which vanish; f(0) may stay. */
static void Generator(PetscInt n, const PetscReal a[], const PetscReal b[], PetscReal *A) {
  const PetscReal scale = (PetscReal)(n / P);
  PetscReal D1[P + 1][P + 1], D2[P + 1][P + 1];

  Differentiation(D1, D2);
  for (PetscInt l = 0; l <= P && a[0] > 0.0; l++) A[P + l] = D1[0][l];
  for (PetscInt i = 1; i <= n; i++) {
    PetscReal *row = A + i * (2 * P + 1) + P; /* row[m] belongs to column i + m */
    const PetscInt j = i % P;
    for (PetscInt l = 0; l <= P && j > 0; l++) row[l - j] = scale * (scale * a[i] * D2[j][l] + b[i] * D1[j][l]);
    for (PetscInt l = 0; l <= P && j == 0; l++) {
      row[l - P] += D1[P][l];
      if (i < n) row[l] -= D1[0][l];
    }
  }
}

PetscErrorCode ElementsCreate(PetscInt elements, const PetscReal a[], const PetscReal b[], Elements *out) {
  const PetscInt n = elements * P;
  Elements x;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&x));
  x->n = n;
  x->bound = a[0] > 0.0 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscCalloc1((n + 1) * (2 * P + 1), &x->A));
  PetscCall(PetscMalloc1(n + 1, &x->right));
  for (int p = 0; p < POLES; p++) {
    PetscCall(PetscMalloc1((n + 1) * BAND, &x->lu[p]));
    PetscCall(PetscMalloc1(n + 1, &x->pivots[p]));
  }
  Generator(n, a, b, x->A);
  *out = x;
  PetscFunctionReturn(0);
}

PetscErrorCode ElementsDestroy(Elements *handle) {
  Elements elements = *handle;

  PetscFunctionBeginUser;
  if (!elements) PetscFunctionReturn(0);
  for (int p = 0; p < POLES; p++) {
    PetscCall(PetscFree(elements->lu[p]));
    PetscCall(PetscFree(elements->pivots[p]));
  }
  PetscCall(PetscFree(elements->right));
  PetscCall(PetscFree(elements->A));
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

/* Does point i move by the equation, or is it bound to the others? */
static PetscBool Moves(Elements elements, PetscInt i) {
  return i % P != 0 || (i == 0 && !elements->bound) ? PETSC_TRUE : PETSC_FALSE;
}

/* LU of pole - tau A, with the pole on the rows of moving points alone. */
static PetscErrorCode Factorize(Elements elements, PetscReal tau, int p) {
  const PetscBLASInt size = (PetscBLASInt)elements->n + 1, band = P, leading = BAND;
  double complex *ab = elements->lu[p];
  PetscBLASInt info;

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < size * BAND; k++) ab[k] = 0.0;
  for (PetscInt i = 0; i < size; i++) {
    for (PetscInt j = PetscMax(0, i - P); j <= PetscMin(size - 1, i + P); j++)
      ab[j * BAND + 2 * P + i - j] = -tau * elements->A[i * (2 * P + 1) + P + j - i];
    if (Moves(elements, i)) ab[i * BAND + 2 * P] += pade[p].pole[0] + I * pade[p].pole[1];
  }
  PetscCallBLAS("LAPACKgbtrf", zgbtrf_(&size, &size, &band, &band, ab, &leading, elements->pivots[p], &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "two tokens: zgbtrf failed with %d", (int)info);
  PetscFunctionReturn(0);
}

PetscErrorCode ElementsAdvance(Elements elements, PetscReal length, PetscInt steps, PetscReal f[]) {
  const PetscBLASInt size = (PetscBLASInt)elements->n + 1, band = P, leading = BAND, one = 1;
  PetscReal *sum;
  PetscBLASInt info;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(size, &sum));
  for (int p = 0; p < POLES; p++) PetscCall(Factorize(elements, length / (PetscReal)steps, p));
  for (PetscInt step = 0; step < steps; step++) {
    PetscCall(PetscArrayzero(sum, size));
    for (int p = 0; p < POLES; p++) {
      for (PetscInt i = 0; i < size; i++) elements->right[i] = Moves(elements, i) ? f[i] : 0.0;
      PetscCallBLAS("LAPACKgbtrs", zgbtrs_("N", &size, &band, &band, &one, elements->lu[p], &leading,
                                           elements->pivots[p], elements->right, &size, &info));
      for (PetscInt i = 0; i < size; i++)
        sum[i] += pade[p].residue[0] * creal(elements->right[i]) - pade[p].residue[1] * cimag(elements->right[i]);
    }
    PetscCall(PetscArraycpy(f, sum, size));
  }
  PetscCall(PetscFree(sum));
  PetscFunctionReturn(0);
}

/* The barycentric formula. */
PetscReal ElementsInterpolate(PetscInt elements, const PetscReal f[], PetscReal s) {
  const PetscInt element = PetscMax(0, PetscMin(elements - 1, (PetscInt)(s * (PetscReal)elements)));
  const PetscReal local = s * (PetscReal)elements - (PetscReal)element;
  PetscReal numerator = 0.0, denominator = 0.0;

  for (PetscInt j = 0; j <= P; j++) {
    const PetscReal distance = local - (j == P ? 1.0 : ElementsPoint(1, j));
    if (distance == 0.0) return f[element * P + j];
    const PetscReal weight = (j % 2 ? -1.0 : 1.0) * (j == 0 || j == P ? 0.5 : 1.0) / distance;
    numerator += weight * f[element * P + j];
    denominator += weight;
  }
  return numerator / denominator;
}
