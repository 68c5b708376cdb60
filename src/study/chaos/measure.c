/* What study chaos measures at one time. */
#include <chorale/distance.h>
#include <chorale/sum.h>

#include "base/plan.h"
#include "study/chaos/chaos.h"

#define SAMPLE 0.1 /* seconds */

/* What system i is compared with. */
static Tokens Compared(const Chaos *chaos, PetscInt i) {
  return chaos->nodes ? chaos->nodes : chaos->reference.tokens ? chaos->reference.tokens : chaos->twin[i].tokens;
}

PetscErrorCode ChaosMeasure(const Chaos *chaos, PetscReal number[]) {
  const ChaosDesign *design = &chaos->design;
  const PetscInt64 first = chaos->nodes ? design->size : 0; /* of the copies */
  const PetscInt stride = design->frames * design->counts;

  PetscFunctionBeginUser;
  if (chaos->nodes) PetscCall(TokensExtract(chaos->reference.tokens, 0, chaos->nodes));
  for (PetscInt i = 0; i < design->counts; i++) {
    const Tokens tokens = chaos->system[i].tokens, compared = Compared(chaos, i);
    PetscReal *coupling = &number[CHAOS_COUPLING * stride + i];

    PetscCall(DistanceTransport(tokens, compared, design->tol, &number[CHAOS_W2SQ_LOW * stride + i],
                                &number[CHAOS_W2SQ * stride + i]));
    PetscCall(DistanceMMD(tokens, compared, design->beta, &number[CHAOS_MMD2 * stride + i]));
    *coupling = NAN;
    if (!chaos->partner[i]) continue;
    PetscCall(TokensExtract(chaos->reference.tokens, first, chaos->partner[i]));
    PetscCall(TokensMeanSquare(tokens, chaos->partner[i], PETSC_FALSE, coupling));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosTransportPace(const Chaos *chaos, PetscReal *pace) {
  const ChaosDesign *design = &chaos->design;
  PetscReal low, high;
  PetscInt i = 0;
  PetscBool part;

  PetscFunctionBeginUser;
  *pace = 1;
  PetscCall(PlanIsPart(chaos->layout.shards, &part));
  if (part) PetscFunctionReturn(0); /* a distance is between all tokens */
  while (i + 1 < design->counts && ChaosTransportSecondsOf(design, i + 1) < SAMPLE) i++;
  const PetscReal seconds = ChaosTransportSecondsOf(design, i);
  if (seconds > 2 * SAMPLE) PetscFunctionReturn(0); /* no set is small */
  if (chaos->nodes) PetscCall(TokensExtract(chaos->reference.tokens, 0, chaos->nodes));
  const double begun = MPI_Wtime();
  PetscCall(DistanceTransport(chaos->system[i].tokens, Compared(chaos, i), design->tol, &low, &high));
  *pace = (MPI_Wtime() - begun) / seconds;
  PetscCallMPI(MPI_Bcast(pace, 1, MPIU_REAL, 0, chaos->layout.shards));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosMeanToken(Tokens tokens, PetscReal mean[]) {
  const PetscReal scale = SumScale(1.0);
  TokensLayout layout;
  PetscInt64 *total;
  const double *x;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(PetscCalloc1(layout.dim, &total));
  PetscCall(VecGetArrayRead(v, &x));
  for (PetscInt k = 0; k < layout.owned; k++) {
    for (PetscInt c = 0; c < layout.dim; c++) {
      const double *row = x + (k * layout.dim + c) * layout.block;
      double part = 0;

      for (PetscInt t = 0; t < TokensFilled(&layout, k); t++) part += row[t];
      total[c] += SumRound(part / (double)layout.count, scale);
    }
  }
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(SumAllreduce(layout.comm, layout.dim, total));
  for (PetscInt c = 0; c < layout.dim; c++) mean[c] = (PetscReal)total[c] / scale;
  PetscCall(PetscFree(total));
  PetscFunctionReturn(0);
}

/* Given the noise, tokens are exchangeable over the starts: with mean m, variance v = 1 - |m|^2 and covariance c of a
 * pair, the mean of N tokens has the variance V = v/N + (N-1)/N c, so that c/v = (N V/v - 1)/(N - 1). Estimated from V,
 * all pairs serve, which is what makes a correlation of order 1/N visible: one tagged pair alone would take N^2 starts.
 */
PetscReal ChaosCorrelation(PetscInt64 N, PetscInt dim, PetscInt starts, PetscInt stride, const PetscReal mean[]) {
  PetscReal V = 0, square = 0;

  for (PetscInt c = 0; c < dim; c++) {
    PetscReal m = 0;

    for (PetscInt s = 0; s < starts; s++) m += mean[s * stride + c];
    m /= starts;
    for (PetscInt s = 0; s < starts; s++) V += (mean[s * stride + c] - m) * (mean[s * stride + c] - m);
    square += m * m;
  }
  V /= starts - 1;
  const PetscReal v = 1 - (square - V / starts); /* |m|^2 without the bias of its estimate */

  return ((PetscReal)N * V / v - 1) / ((PetscReal)N - 1);
}
