/* What study chaos measures at one time. */
#include <chorale/distance.h>
#include <chorale/sum.h>

#include <string.h>

#include "study/chaos/chaos.h"

/* (1/N) sum_i |x_i - y_i|^2 of two sets of one layout. */
static PetscErrorCode Coupling(Tokens a, Tokens b, PetscReal *distance) {
  const PetscReal scale = SumScale(4.0); /* of the largest value */
  TokensLayout layout;
  PetscInt64 total = 0;
  const double *x, *y;
  Vec vx, vy;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(a, &layout));
  PetscCall(TokensGetVec(a, &vx));
  PetscCall(TokensGetVec(b, &vy));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArrayRead(vy, &y));
  const PetscInt length = layout.dim * layout.block;
  for (PetscInt k = 0; k < layout.owned; k++) { /* padding adds 0: it is e_1 in both */
    double part = 0;

    for (PetscInt i = k * length; i < (k + 1) * length; i++) part += (x[i] - y[i]) * (x[i] - y[i]);
    total += SumRound(part / (double)layout.count, scale);
  }
  PetscCall(VecRestoreArrayRead(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  PetscCall(SumAllreduce(layout.comm, 1, &total));
  *distance = (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* What system i is compared with. */
static Tokens Measure(const ChaosSystems *s, PetscInt i) {
  if (s->kind == CHAOS_TWIN) return s->twin[i].tokens;
  return s->kind == CHAOS_QUADRATURE ? s->nodes : s->reference.tokens;
}

PetscErrorCode ChaosMeasure(const ChaosDesign *design, ChaosSystems *s, PetscInt stride, PetscReal number[]) {
  const PetscInt64 first = s->kind == CHAOS_QUADRATURE ? s->size : 0; /* of the copies */
  const char *method;

  PetscFunctionBeginUser;
  if (s->kind == CHAOS_QUADRATURE) PetscCall(TokensExtract(s->reference.tokens, 0, s->nodes));
  for (PetscInt i = 0; i < s->counts; i++) {
    const Tokens tokens = s->system[i].tokens, measure = Measure(s, i);
    PetscReal *w2sq = &number[CHAOS_W2SQ * stride + i], *coupling = &number[CHAOS_COUPLING * stride + i];

    *w2sq = *coupling = NAN;
    if (ChaosHasTransport(design, i)) PetscCall(DistanceTransport(tokens, measure, w2sq, &method));
    PetscCall(DistanceMMD(tokens, measure, design->beta, &number[CHAOS_MMD2 * stride + i]));
    if (s->kind == CHAOS_TWIN) continue;
    PetscCall(TokensExtract(s->reference.tokens, first, s->partner[i]));
    PetscCall(Coupling(tokens, s->partner[i], coupling));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosMethods(const ChaosDesign *design, ChaosSystems *s, size_t size, char methods[]) {
  const char *method = "none", *last = "";

  PetscFunctionBeginUser;
  methods[0] = '\0';
  for (PetscInt i = 0; i < s->counts; i++) {
    if (ChaosHasTransport(design, i))
      PetscCall(DistanceTransportMethod(s->system[i].tokens, Measure(s, i), &method));
    else
      method = "none";
    if (!strcmp(method, last)) continue;
    if (i > 0) PetscCall(PetscStrlcat(methods, ", ", size));
    PetscCall(PetscStrlcat(methods, method, size));
    last = method;
  }
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
