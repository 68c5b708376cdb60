/* Register tiles of the fast analysis and synthesis: products of a few rows (coefficients, or functions at the tokens)
 * with columns (basis functions at the tokens). Vectors lie along the tokens. Written in vector types that every
 * machine has; their width is the machine's. */
#ifndef CHORALE_LAW_SPHERE_HARMONICS_TILE_H
#define CHORALE_LAW_SPHERE_HARMONICS_TILE_H

#include <stdint.h>

#include <petscsys.h>

#include "base/lanes.h"

#define GROUP            (2 * LANES) /* tokens of a synthesis tile */
#define STRIP            (4 * LANES) /* tokens whose recurrences run side by side to hide their latency */
#define PADDED_BLOCK     256         /* HARMONICS_BLOCK in whole strips */
#define TILE_ROWS        6           /* times 2 are 12 sums, which leaves registers for the operands among 16 */
#define ANALYSIS_COLUMNS 2

INLINE Lanes Load(const double *p) {
  return *(const Lanes *)p;
}

INLINE void Store(double *p, Lanes v) {
  *(Lanes *)p = v;
}

/* Vectors that lie across two cache lines cost twice: LINE more doubles than needed leave room to begin on a line. */
#define LINE 8
INLINE double *LineBegin(double *room) {
  return room + (64 - (uintptr_t)room % 64) % 64 / sizeof(double);
}

/* An array of rows: row i begins at data + i stride. */
typedef struct {
  double *data;
  PetscInt stride;
} Rows;
typedef struct {
  const double *data;
  PetscInt stride;
} ConstRows;

/* T[row][0..GROUP-1] = (or +=, when add) sum_col G[row][col] P[col][0..GROUP-1]. */
INLINE void SynthesisTile(PetscInt rows, PetscInt columns, ConstRows G, ConstRows P, PetscBool add, Rows T) {
  Lanes sum[TILE_ROWS][2];

  for (PetscInt r = 0; r < rows; r++) {
    for (int v = 0; v < 2; v++) sum[r][v] = add ? Load(T.data + r * T.stride + v * LANES) : (Lanes){0};
  }
  for (PetscInt c = 0; c < columns; c++) {
    const double *p = P.data + c * P.stride;
    const Lanes p0 = Load(p), p1 = Load(p + LANES);
    for (PetscInt r = 0; r < rows; r++) {
      const double g = G.data[r * G.stride + c];
      sum[r][0] += g * p0;
      sum[r][1] += g * p1;
    }
  }
  for (PetscInt r = 0; r < rows; r++) {
    for (int v = 0; v < 2; v++) Store(T.data + r * T.stride + v * LANES, sum[r][v]);
  }
}

/* All rows of a strip, in tiles of nearly equal heights. */
static inline void SynthesisStrip(PetscInt rows, PetscInt columns, ConstRows G, ConstRows P, PetscBool add, Rows T) {
  PetscInt tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

  for (PetscInt first = 0, height; first < rows; first += height, tiles--) {
    height = (rows - first) / tiles;
    const ConstRows g = {G.data + first * G.stride, G.stride};
    for (PetscInt t = 0; t < STRIP; t += GROUP) {
      const ConstRows p = {P.data + t, P.stride};
      const Rows out = {T.data + first * T.stride + t, T.stride};
      switch (height) {
      case 1:
        SynthesisTile(1, columns, g, p, add, out);
        break;
      case 2:
        SynthesisTile(2, columns, g, p, add, out);
        break;
      case 3:
        SynthesisTile(3, columns, g, p, add, out);
        break;
      case 4:
        SynthesisTile(4, columns, g, p, add, out);
        break;
      case 5:
        SynthesisTile(5, columns, g, p, add, out);
        break;
      default:
        SynthesisTile(6, columns, g, p, add, out);
      }
    }
  }
}

/* The halves of the vector are added until one number is left. */
INLINE double LaneSum(Lanes v) {
  double lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = v[i];
  for (int half = LANES / 2; half >= 1; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/* M[row][0..1] += sum_t F[row][t] P[0..1][t] over B tokens: one sum per lane, then LaneSum. */
INLINE void AnalysisTile(PetscInt rows, PetscInt B, ConstRows F, ConstRows P, Rows M) {
  Lanes sum[TILE_ROWS][ANALYSIS_COLUMNS];

  for (PetscInt r = 0; r < rows; r++) {
    for (int c = 0; c < ANALYSIS_COLUMNS; c++) sum[r][c] = (Lanes){0};
  }
  for (PetscInt t = 0; t < B; t += LANES) {
    Lanes p0 = Load(P.data + t), p1 = Load(P.data + P.stride + t);
    LANES_KEEP(p0);
    LANES_KEEP(p1);
    for (PetscInt r = 0; r < rows; r++) {
      Lanes f = Load(F.data + r * F.stride + t);
      LANES_KEEP(f);
      sum[r][0] += f * p0;
      sum[r][1] += f * p1;
    }
  }
  for (PetscInt r = 0; r < rows; r++) {
    for (int c = 0; c < ANALYSIS_COLUMNS; c++) M.data[r * M.stride + c] += LaneSum(sum[r][c]);
  }
}

static inline void AnalysisRows(PetscInt rows, PetscInt B, ConstRows F, ConstRows P, Rows M) {
  PetscInt tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

  for (PetscInt first = 0, height; first < rows; first += height, tiles--) {
    height = (rows - first) / tiles;
    const ConstRows f = {F.data + first * F.stride, F.stride};
    const Rows m = {M.data + first * M.stride, M.stride};
    switch (height) {
    case 1:
      AnalysisTile(1, B, f, P, m);
      break;
    case 2:
      AnalysisTile(2, B, f, P, m);
      break;
    case 3:
      AnalysisTile(3, B, f, P, m);
      break;
    case 4:
      AnalysisTile(4, B, f, P, m);
      break;
    case 5:
      AnalysisTile(5, B, f, P, m);
      break;
    default:
      AnalysisTile(6, B, f, P, m);
    }
  }
}

#endif
