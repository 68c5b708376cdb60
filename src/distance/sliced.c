/* Sliced transport. For an orthonormal frame theta_1 .. theta_d and any plan, |x - y|^2 = sum_c <theta_c, x - y>^2, so
 * the sum over the frame of the W2^2 of the projections, each of which has its own best plan, is at most W2^2. The mean
 * over random frames is d times the mean over directions. */
#include <chorale/distance.h>
#include <chorale/rng.h>

#include <petscblaslapack.h>

#include "base/log.h"
#include "distance/impl.h"
#include "distance/line.h"

#define PLACES 0x1p58 /* per unit length; projections are in [-1,1] */

/* frame[d][d], rows of length 1 orthogonal to each other: the Q of a matrix of normals. */
static PetscErrorCode Frame(PetscInt d, PetscInt number, double *frame) {
  const RngStream stream = {.seed = 1, .step = (uint32_t)number, .purpose = RNG_SLICES};
  PetscBLASInt n, info, length;
  double *tau, *work;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(PetscBLASIntCast(d * 32, &length));
  PetscCall(PetscMalloc2(d, &tau, length, &work));
  RngNormal(stream, 0, (size_t)d * (size_t)d, frame);
  PetscCallBLAS("LAPACKgeqrf", LAPACKgeqrf_(&n, &n, frame, &n, tau, work, &length, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "dgeqrf returned %d", (int)info);
  PetscCallBLAS("LAPACKorgqr", LAPACKorgqr_(&n, &n, &n, frame, &n, tau, work, &length, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "dorgqr returned %d", (int)info);
  PetscCall(PetscFree2(tau, work));
  PetscFunctionReturn(0);
}

/* The measure of <theta, x>. */
static PetscErrorCode Project(Tokens tokens, const double *theta, Line *line) {
  const double *x;
  double p[TOKENS_BLOCK];
  PetscInt64 n = 0, *places;
  TokensLayout layout;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(PetscMalloc1((size_t)layout.owned * layout.block, &places));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    const double *block = x + (size_t)b * layout.dim * layout.block;

    for (PetscInt t = 0; t < layout.block; t++) p[t] = 0;
    for (PetscInt c = 0; c < layout.dim; c++)
      for (PetscInt t = 0; t < layout.block; t++) p[t] += theta[c] * block[c * layout.block + t];
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++)
      places[n++] = (PetscInt64)llrint((PetscMin(PetscMax(p[t], -1), 1) + 1) * PLACES);
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(LineCreate(tokens, places, line));
  PetscCall(PetscFree(places));
  PetscFunctionReturn(0);
}

static PetscErrorCode Slice(Tokens mu, Tokens nu, const double *theta, PetscReal *w2sq) {
  LinePair pair;
  Line a, b;

  PetscFunctionBeginUser;
  PetscCall(Project(mu, theta, &a));
  PetscCall(Project(nu, theta, &b));
  PetscCall(LinePairCreate(&a, &b, &pair));
  PetscCall(LineCost(&pair, 0, 1 / PLACES, w2sq, NULL));
  PetscCall(LinePairDestroy(&pair));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceSliced(Tokens mu, Tokens nu, PetscInt directions, PetscReal *w2sq) {
  static PetscLogEvent event;
  TokensLayout layout;
  PetscReal slice;
  double *frame;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistSliced", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  const PetscInt d = layout.dim, frames = PetscMax(1, (directions + d - 1) / d);
  PetscCall(PetscMalloc1((size_t)d * (size_t)d, &frame));
  *w2sq = 0;
  for (PetscInt k = 0; k < frames; k++) {
    PetscCall(Frame(d, k, frame));
    for (PetscInt c = 0; c < d; c++) {
      PetscCall(Slice(mu, nu, frame + c * d, &slice));
      *w2sq += slice / frames;
    }
  }
  PetscCall(PetscFree(frame));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
