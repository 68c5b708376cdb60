/* f_t = a(s) f_ss + b(s) f_s on [0,1] with a(0) = b(0) = 0, so that f(0) stays, or a(0) > 0 and f_s(0) = 0; and
 * f_s(1) = 0. Piecewise polynomials:
 * equal elements, in each of them collocation at Chebyshev points, f and f_s continuous in between. All matrices are
 * banded, so the work grows like the number of points. Time steps: the Pade approximant [4/5] of the exponential,
 * L-stable and of order 9, in partial fractions. Private to src/law; no MPI. */
#ifndef CHORALE_LAW_KERNEL_ELEMENTS_H
#define CHORALE_LAW_KERNEL_ELEMENTS_H

#include <petscsys.h>

#define ELEMENTS_DEGREE 12

/* Points s_i, i = 0..n with n = elements * ELEMENTS_DEGREE. */
typedef struct _p_Elements *Elements;

/* a[n+1] and b[n+1] at the points are copied. */
PetscErrorCode ElementsCreate(PetscInt elements, const PetscReal a[], const PetscReal b[], Elements *out);
PetscErrorCode ElementsDestroy(Elements *elements);
/* s_i; 1 - s_i is s_{n-i}, both to full relative accuracy. */
PetscReal ElementsPoint(PetscInt elements, PetscInt i);
/* f[n+1] at the points advances by the time `length` in so many equal steps. */
PetscErrorCode ElementsAdvance(Elements elements, PetscReal length, PetscInt steps, PetscReal f[]);
/* f(s) from f[n+1] at the points, s in [0,1]. */
PetscReal ElementsInterpolate(PetscInt elements, const PetscReal f[], PetscReal s);

#endif
