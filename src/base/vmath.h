/* Vectorised elementwise math: include it instead of <math.h> where functions of <math.h> are called inside `#pragma
 * omp simd` loops.
 *
 * glibc on x86-64 has vector versions of them in libmvec (at most 4 ulp), but its <math.h> declares them only under
 * -ffast-math, which would set flush-to-zero for the whole process. The declarations below tell GCC the same. Other
 * compilers, machines and C libraries do without: the loops then call the scalar functions, with other last bits.
 *
 * A vector body and a scalar tail give different bits, so let every such loop run over a multiple of 8 elements; and
 * call without conditions ("notinbranch"): select between results instead. */
#ifndef CHORALE_BASE_VMATH_H
#define CHORALE_BASE_VMATH_H

#include <math.h>

#if defined(__GNUC__) && !defined(__clang__) && !defined(__INTEL_COMPILER) && defined(__x86_64__) && defined(__GLIBC__)
#define VMATH_DECLARE(function) __attribute__((simd("notinbranch"))) double function(double)
VMATH_DECLARE(exp);
VMATH_DECLARE(log);
VMATH_DECLARE(sin);
VMATH_DECLARE(cos);
#if __GLIBC_PREREQ(2, 35)
VMATH_DECLARE(expm1);
VMATH_DECLARE(log1p);
VMATH_DECLARE(tanh);
VMATH_DECLARE(erf);
VMATH_DECLARE(erfc);
__attribute__((simd("notinbranch"))) double atan2(double, double);
#endif
#undef VMATH_DECLARE
#endif

#endif
