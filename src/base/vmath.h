/* Vectorised elementwise math.
 *
 * glibc on x86-64 has vector versions of the functions of <math.h> in libmvec (at most 4 ulp), but its <math.h>
 * declares them only under -ffast-math, which would set flush-to-zero for the whole process. The declarations below
 * give GCC the same under names of their own, vexp for exp. Other compilers, machines and C libraries do without: there
 * vexp is exp, with other last bits.
 *
 * A version for 8 numbers at a time gives other bits than the one for 4, 2 or 1, and compilers mix them: they take
 * smaller ones for the end of a loop, or make several of a loop that they inline. So these names are only for the
 * expressions of VMATH, whose loop has no end to be treated otherwise and which is never part of another function. A
 * number then becomes the same whatever its place in an array and however long that is. Call without conditions
 * ("notinbranch"): select between results instead. */
#ifndef CHORALE_BASE_VMATH_H
#define CHORALE_BASE_VMATH_H

#include <math.h>
#include <petscsystypes.h>

#define VMATH_LANES 8 /* of the widest registers; a whole number of all others */

#if defined(__GNUC__) && !defined(__clang__) && !defined(__INTEL_COMPILER) && defined(__x86_64__) && defined(__GLIBC__)
#define VMATH_VECTOR __attribute__((const, simd("notinbranch")))
VMATH_VECTOR double vexp(double) __asm__("exp");
VMATH_VECTOR double vlog(double) __asm__("log");
VMATH_VECTOR double vsin(double) __asm__("sin");
#if __GLIBC_PREREQ(2, 35)
#define VMATH_LATER VMATH_VECTOR
#else
#define VMATH_LATER
#endif
VMATH_LATER double vlog1p(double) __asm__("log1p");
VMATH_LATER double vtanh(double) __asm__("tanh");
VMATH_LATER double verf(double) __asm__("erf");
VMATH_LATER double verfc(double) __asm__("erfc");
VMATH_LATER double vatan2(double, double) __asm__("atan2");
#define VMATH_ALONE __attribute__((noipa))
#else
#define vexp        exp
#define vlog        log
#define vsin        sin
#define vlog1p      log1p
#define vtanh       tanh
#define verf        erf
#define verfc       erfc
#define vatan2      atan2
#define VMATH_ALONE __attribute__((noinline))
#endif

/* static void name(n, x, y, out): out = the expression in s = x[i] and t = y[i], any n; the arrays may be the same.
 * What is left at the end is made whole. */
#define VMATH2(name, expression)                                                                                       \
  static inline __attribute__((always_inline)) void name##Lanes(const double *x, const double *y, double *out) {       \
    _Pragma("omp simd") for (int k = 0; k < VMATH_LANES; k++) {                                                        \
      const double s = x[k], t = y[k];                                                                                 \
      (void)s;                                                                                                         \
      out[k] = (expression);                                                                                           \
    }                                                                                                                  \
  }                                                                                                                    \
  static VMATH_ALONE void name(PetscInt n, const double *x, const double *y, double *out) {                            \
    const PetscInt whole = n / VMATH_LANES * VMATH_LANES;                                                              \
    double last[3][VMATH_LANES] = {{0}};                                                                               \
                                                                                                                       \
    for (PetscInt i = 0; i < whole; i += VMATH_LANES) name##Lanes(x + i, y + i, out + i);                              \
    if (whole == n) return;                                                                                            \
    for (PetscInt i = whole; i < n; i++) last[0][i - whole] = x[i], last[1][i - whole] = y[i];                         \
    name##Lanes(last[0], last[1], last[2]);                                                                            \
    for (PetscInt i = whole; i < n; i++) out[i] = last[2][i - whole];                                                  \
  }

/* static void name(n, x, y): y = the expression in t = x[i]. */
#define VMATH(name, expression)                                                                                        \
  VMATH2(name##Of, expression)                                                                                         \
  static void name(PetscInt n, const double *x, double *y) {                                                           \
    name##Of(n, x, x, y);                                                                                              \
  }

#endif
