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

/* Registers live through the small functions of a loop only if these are part of it. */
#define INLINE static inline __attribute__((always_inline))

#endif
