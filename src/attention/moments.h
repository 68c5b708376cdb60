/* What moments.c and moments_causal.c share. */
#ifndef CHORALE_ATTENTION_MOMENTS_H
#define CHORALE_ATTENTION_MOMENTS_H

#include <chorale/harmonics.h>

#include "attention/impl.h"
#include "attention/moments_grid.h"
#include "law/sphere/synthesis.h"

#define MOMENTS_TOGETHER 16 /* functions that an analysis takes at most */
/* Causal: tokens that are worked on together. Pairs within a piece cost less than moments, and a piece is long enough
 * for their loops. */
#define MOMENTS_PIECE 64
/* Harmonics and sums round: the error beside the tail. */
#define MOMENTS_ROUNDING 1e-14

/* Harmonics up to a degree and what makes their moments integers. */
typedef struct {
  Harmonics harmonics;
  PetscInt K;
  const PetscInt *degrees;
  PetscReal *inverse; /* [K] powers of two that make |M_k| <= sqrt(dim(n)/|S|) at most 1 */
} MomentsBasis;

typedef struct _p_MomentsCausal *MomentsCausal;

typedef struct {
  MomentsBasis basis, wide; /* wide: of the moments that the grid takes */
  MomentsGrid grid;         /* NULL where all d + 1 moments are better made from the tokens */
  PetscReal *factor;        /* [K] e_n |S|/dim(n) at the exponent of the sums */
  PetscReal *energy;        /* [degree + 1] e_n at beta */
  double *f;                /* [d + 1][B] */
  double *part;             /* moments of a block: [d + 1][K] or those of wide */
  PetscInt64 *fixed;        /* their sums in multiples of 2^-61 / inverse */
  double *moments;          /* [d + 1][K], of all tokens */
  double *coefficients;     /* moments times factor: those of the kernel sums */
  Synthesis sums;           /* of S and S0 */
  Synthesis scalar;         /* of S0 alone, for sinkhorn; else NULL */
  MomentsCausal causal;     /* NULL without the mask */
  PetscInt quotient;        /* degree of S/S0 as a function, 0 until it is asked for */
} Moments;

PetscErrorCode MomentsCreate(Attention attention);
PetscErrorCode MomentsDestroy(Attention attention);
/* Adds the moments of the functions f[n][B] at B <= HARMONICS_BLOCK tokens, rounded, to `fixed`. */
PetscErrorCode MomentsAdd(Moments *moments, const MomentsBasis *basis, PetscInt B, const double *x, PetscInt n,
                          const double *f);
/* out[n][K] <- the moments in `fixed`. */
void MomentsGet(const Moments *moments, const MomentsBasis *basis, PetscInt n, double *out);
/* coefficients <- moments[n][K] times factor. */
void MomentsCoefficients(Moments *moments, PetscInt n);
/* The energy by moments, from all tokens. */
PetscErrorCode MomentsEnergy(Attention attention, Tokens tokens, PetscBool current, PetscReal *gap);
/* What the engine sends and holds. */
void MomentsCost(Attention attention, double *travel, double *memory);

#endif
