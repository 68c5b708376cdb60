/* The limit of infinite width (THEORY.md (2.1)) exactly at the tokens: Gaussian with covariance k(<x_i,x_j>) I_d, by
 * factorization of the kernel matrix (gram_draw.c). Any d, no truncation, O(N^3): the reference for the other types.
 *
 * A draw is made up where it is evaluated, so it must be remembered: fields hold their draws by key, and fields of one
 * noise that hold the same key share one draw, hence one function. Once no field holds a key it is forgotten; drawn
 * again, it is the same function only if it is asked for the same points in the same order. All ranks gather all tokens
 * and factorize alike: the same bits for any number of ranks. */

#include "base/log.h"
#include "noise/gram_draw.h"
#include "noise/impl.h"
#include "noise/terms.h"

typedef struct Shared *SharedDraw;
struct Shared {
  PetscInt realization, step, holders;
  GramDraw draw;
  SharedDraw next;
};

/* noise->data is the list of shared draws. */

static PetscLogEvent apply_event;

static PetscErrorCode Acquire(Noise noise, PetscInt realization, PetscInt step, void **out) {
  SharedDraw shared = noise->data;
  Kernel kernel;

  PetscFunctionBeginUser;
  while (shared && (shared->realization != realization || shared->step != step)) shared = shared->next;
  if (!shared) {
    PetscCall(PetscNew(&shared));
    shared->realization = realization;
    shared->step = step;
    shared->next = noise->data;
    PetscCall(NoiseGetKernel(noise, &kernel));
    PetscCall(GramDrawCreate(kernel, noise->dim, NoiseStream(noise, realization, step, RNG_GRAM), &shared->draw));
    noise->data = shared;
  }
  shared->holders++;
  *out = shared;
  PetscFunctionReturn(0);
}

static PetscErrorCode Release(Noise noise, void *held) {
  SharedDraw shared = held, before = noise->data;

  PetscFunctionBeginUser;
  if (--shared->holders > 0) PetscFunctionReturn(0);
  if (before == shared)
    noise->data = shared->next;
  else {
    while (before->next != shared) before = before->next;
    before->next = shared->next;
  }
  PetscCall(GramDrawDestroy(&shared->draw));
  PetscCall(PetscFree(shared));
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(Field field, Tokens tokens, Vec g) {
  const FieldTerms *terms = field->data;
  double *points, *values;
  TokensLayout layout;
  PetscInt N;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(NoiseCheckCount(field->noise, layout.count));
  N = (PetscInt)layout.count;
  PetscCall(PetscMalloc1(N * layout.dim, &points));
  PetscCall(PetscCalloc1(N * layout.dim, &values));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGather(tokens, x, points));
  for (PetscInt i = 0; i < terms->count; i++) {
    const SharedDraw shared = terms->list[i].draw;
    PetscCall(GramDrawAdd(shared->draw, terms->list[i].scale, N, points, values));
  }
  PetscCall(TokensScatter(tokens, values, g));
  PetscCall(PetscFree(points));
  PetscCall(PetscFree(values));
  PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Noise noise, const NoiseOptions *options) {
  PetscFunctionBeginUser;
  (void)noise, (void)options;
  PetscCall(LogEvent("GramApply", &apply_event));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  PetscReal k1;

  PetscFunctionBeginUser;
  PetscCall(NoiseGetVariance(noise, &k1));
  PetscCall(PetscPrintf(comm, "noise      gram, activation %s, bias_u %.6g, bias_w %.6g, variance %.6g, exact\n",
                        noise->activation->name, (double)noise->bias_u, (double)noise->bias_w, (double)k1));
  PetscCall(PetscPrintf(comm,
                        "           N^2/3 + N d flops and N/2 kernel values per token and draw on every rank, N <= %d; "
                        "further points of a step see all points before\n",
                        GRAM_TOKENS));
  PetscFunctionReturn(0);
}

/* Every rank has all tokens. */
static PetscErrorCode Cost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes) {
  PetscFunctionBeginUser;
  (void)mine;
  *flops = count * (count * count / 3 + count * noise->dim);
  PetscCall(NoiseDrawBytes(noise, count, bytes));
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeGram = {.name = "gram",
                                 .most = GRAM_TOKENS,
                                 .points = GRAM_POINTS,
                                 .create = Create,
                                 .view = View,
                                 .cost = Cost,
                                 .draw = FieldTermsDraw,
                                 .acquire = Acquire,
                                 .release = Release,
                                 .field = {FIELD_TERMS, .evaluate = Evaluate}};
