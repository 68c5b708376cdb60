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

/* Has v in a register from here on: GCC otherwise reads numbers from memory again for each of their uses. */
#if defined(__AVX512F__)
#define LANES_KEEP(v) __asm__("" : "+v"(v))
#elif defined(__x86_64__)
#define LANES_KEEP(v) __asm__("" : "+x"(v))
#else
#define LANES_KEEP(v) (void)(v)
#endif

/* Has an array in memory from here on: GCC otherwise takes single numbers out of the registers that it came from. */
#define LANES_WRITTEN(array) __asm__("" : "+m"(array))

/* Registers live through the small functions of a loop only if these are part of it. */
#define INLINE static inline __attribute__((always_inline))

#endif
