/* For loops in vector types (GCC and Clang have them on every machine): how many doubles a register holds. */
#ifndef CHORALE_BASE_LANES_H
#define CHORALE_BASE_LANES_H

#if defined(__AVX512F__)
#define LANES 8
#elif defined(__AVX__)
#define LANES 4
#else
#define LANES 2
#endif

/* A register of doubles: of an array that begins anywhere, and of one that begins on a multiple of the register. */
typedef double Lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef double AlignedLanes __attribute__((vector_size(8 * LANES), may_alias));

/* Registers live through the small functions of a loop only if these are part of it. */
#define INLINE static inline __attribute__((always_inline))

#endif
