/* Tokens drawn by key, on every rank alike. The draw is the same in all steps and realizations: attention is then a
 * function of the tokens alone, so that a run goes on from anywhere with the same bits. */
#include "attention/mixture.h"

#include <chorale/rng.h>

#include <string.h>

#include "base/plan.h"

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

/* Rows from `from` on of the tokens, or of those apart, of all ranks: n of them, of the tokens of the sample in their
 * order for which place[i] >= from. Collective. */
static PetscErrorCode GetRows(Attention attention, Tokens tokens, PetscInt from, PetscInt n, const PetscInt place[],
                              MixtureSample *sample) {
  const PetscInt d = sample->dim, B = attention->layout.block;
  const PetscInt64 first = (PetscInt64)attention->layout.first * B, own = (PetscInt64)attention->layout.owned * B;
  double *rows = sample->row + (size_t)from * (size_t)(d + 1);
  const double *x, *weights;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(rows, (size_t)n * (size_t)(d + 1)));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt i = 0; i < sample->count; i++) {
    const PetscInt64 at = sample->token[i] - first;
    if (at < 0 || at >= own || place[i] < from) continue;
    const PetscInt b = (PetscInt)(at / B), t = (PetscInt)(at % B), s = from ? MixtureApart(t, weights + b * B) : t;
    double *row = rows + (size_t)(place[i] - from) * (size_t)(d + 1);

    for (PetscInt c = 0; c < d; c++) row[c] = x[(b * d + c) * B + s];
    row[d] = weights[b * B + s];
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  /* Of each number all ranks but one have 0: their bits add up to its own. */
  PetscCall(AttentionReduce(attention, n * (d + 1), (PetscInt64 *)rows));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureSampleCreate(Attention attention, Tokens tokens, PetscInt most, MixtureSample *sample) {
  const PetscInt d = attention->layout.dim, count = (PetscInt)PetscMin(most, attention->layout.count);
  PetscInt more = 0;
  PetscBool part;

  PetscFunctionBeginUser;
  sample->count = count;
  sample->dim = d;
  PetscCall(PetscMalloc1(count, &sample->token));
  PetscCall(PetscMalloc1(count, &sample->apart));
  PetscCall(PetscMalloc1((size_t)count * (size_t)(d + 1), &sample->row));
  PetscCall(PetscMalloc1(2 * MIXTURE_TESTED, &sample->u));
  RngUniform((RngStream){attention->seed, 2, 0, RNG_MIXTURE}, 0, 2 * MIXTURE_TESTED, sample->u);
  PetscCall(Draw(attention, count, sample->token));
  for (PetscInt i = 0; i < count; i++) sample->apart[i] = i;
  PetscCall(GetRows(attention, tokens, 0, count, sample->apart, sample));
  PetscCall(PlanIsPart(attention->layout.comm, &part)); /* which lacks tokens of others */
  for (PetscInt i = 0; i < count && !part; i++)
    if (sample->row[(size_t)i * (size_t)(d + 1) + (size_t)d] == 0) sample->apart[i] = count + more++;
  if (!more) PetscFunctionReturn(0);
  PetscCall(PetscRealloc(sizeof(double) * (size_t)(count + more) * (size_t)(d + 1), &sample->row));
  PetscCall(GetRows(attention, tokens, count, more, sample->apart, sample));
  PetscFunctionReturn(0);
}

const double *MixtureSampleRow(const MixtureSample *sample, PetscInt i, PetscBool apart) {
  return sample->row + (size_t)(apart ? sample->apart[i] : i) * (size_t)(sample->dim + 1);
}

PetscErrorCode MixtureSampleDestroy(MixtureSample *sample) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(sample->row));
  PetscCall(PetscFree(sample->apart));
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
    const double *row = MixtureSampleRow(sample, MixtureSamplePlace(sample, count, i), apart);

    for (PetscInt c = 0; c < d; c++) panel[c * block + i] = row[c];
  }
}
