/* Tokens drawn by key, on every rank alike. The draw is the same in all steps and realizations: attention is then a
 * function of the tokens alone, so that a run goes on from anywhere with the same bits. */
#include "attention/mixture.h"

#include <chorale/rng.h>

#include <string.h>

/* One token of each of equal parts of them, anywhere in it: tokens may be in a regular order. */
static PetscErrorCode Draw(Attention attention, PetscInt count, PetscInt64 *token) {
  const RngStream stream = {attention->seed, 0, 0, RNG_MIXTURE};
  const PetscReal N = (PetscReal)attention->layout.count;
  double *u;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(count, &u));
  RngUniform(stream, 0, (size_t)count, u);
  for (PetscInt i = 0; i < count; i++)
    token[i] = count == attention->layout.count
                   ? i
                   : PetscMin((PetscInt64)(((PetscReal)i + u[i]) / count * N), attention->layout.count - 1);
  PetscCall(PetscFree(u));
  PetscFunctionReturn(0);
}

PetscInt MixtureApart(PetscInt t, const double *w) {
  PetscInt s = t;

  while (s > 0 && w[s] == 0) s--;
  return w[s] > 0 ? s : t;
}

PetscErrorCode MixtureSampleCreate(Attention attention, Tokens tokens, PetscInt most, MixtureSample *sample) {
  const PetscInt d = attention->layout.dim, B = attention->layout.block, length = 2 * d + 2;
  const PetscInt64 first = (PetscInt64)attention->layout.first * B, own = (PetscInt64)attention->layout.owned * B;
  const double *x, *weights;
  Vec positions;

  PetscFunctionBeginUser;
  sample->count = (PetscInt)PetscMin(most, attention->layout.count);
  sample->dim = d;
  PetscCall(PetscMalloc1(sample->count, &sample->token));
  PetscCall(PetscCalloc1((size_t)sample->count * (size_t)length, &sample->row));
  PetscCall(PetscMalloc1(2 * MIXTURE_TESTED, &sample->u));
  RngUniform((RngStream){attention->seed, 2, 0, RNG_MIXTURE}, 0, 2 * MIXTURE_TESTED, sample->u);
  PetscCall(Draw(attention, sample->count, sample->token));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt i = 0; i < sample->count; i++) {
    const PetscInt64 at = sample->token[i] - first;
    if (at < 0 || at >= own) continue;
    const PetscInt b = (PetscInt)(at / B), t = (PetscInt)(at % B), s = MixtureApart(t, weights + b * B);
    double *row = sample->row + (size_t)i * (size_t)length;

    for (PetscInt c = 0; c < d; c++) {
      row[c] = x[(b * d + c) * B + t];
      row[d + c] = x[(b * d + c) * B + s];
    }
    row[2 * d] = weights[b * B + t];
    row[2 * d + 1] = weights[b * B + s];
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  /* Of each number all ranks but one have 0: their bits add up to its own. */
  PetscCall(AttentionReduce(attention, sample->count * length, (PetscInt64 *)sample->row));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureSampleDestroy(MixtureSample *sample) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(sample->row));
  PetscCall(PetscFree(sample->token));
  PetscCall(PetscFree(sample->u));
  PetscFunctionReturn(0);
}

PetscInt MixtureSamplePlace(const MixtureSample *sample, PetscInt count, PetscInt i) {
  const double place = (i + sample->u[count + i]) / count * sample->count;

  return PetscMin((PetscInt)place, sample->count - 1);
}

void MixtureSamplePanel(const MixtureSample *sample, PetscInt count, PetscInt block, PetscBool apart, double *panel) {
  const PetscInt d = sample->dim;

  memset(panel, 0, sizeof(double) * (size_t)block * (size_t)d);
  for (PetscInt i = 0; i < count; i++) {
    const double *row =
        sample->row + (size_t)MixtureSamplePlace(sample, count, i) * (size_t)(2 * d + 2) + (apart ? d : 0);

    for (PetscInt c = 0; c < d; c++) panel[c * block + i] = row[c];
  }
}
