#include "run/control.h"

#include <chorale/deck.h>
#include <chorale/observables.h>
#include <chorale/sum.h>
#include <math.h>
#include <petscblaslapack.h>
#include <string.h>

#include "law/stats/controlled.h"
#include "law/stats/interval.h"

enum {
  WINDOWS = 8,   /* of time, each with the sums of two degrees */
  DEGREES = 2,   /* of |m|^2 and of tr Q^2 */
  MANY = 16,     /* realizations for each sum of the fit */
  DIM_MOST = 512 /* Q has d x d numbers */
};
#define NAME "control_sums"

const OptionKey ControlKeys[] = {
    CHOICE_KEY(ControlOptions, type, "ensemble_control", "none", .words = OPTION_WORDS("none", "noise"),
               .needs = {{"noise_type", "!none"}, {"scheme_levels", "0"}},
               .help = "noise: means at the end with smaller intervals, from realizations without the part of their "
                       "noise that is linear, whose mean is zero."),
    {.name = NULL}};

struct _p_Control {
  PetscInt dim, steps, windows;
  PetscReal start; /* mean of |m|^2 at the start; NaN where it is not known */
  PetscReal size;  /* sqrt(dt) */
  PetscReal *sums; /* [DEGREES] of the window of the step that comes */
};

PetscErrorCode ControlCreate(Results results, const StartOptions *start, PetscInt steps, PetscReal dt,
                             Control *control) {
  const PetscInt dim = (PetscInt)start->dim;
  ControlOptions options;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(ControlKeys, &options));
  if (!strcmp(options.type, "none")) PetscFunctionReturn(0);
  PetscCheck(dim <= DIM_MOST, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": must be at most %d with ensemble_control", dim, DIM_MOST);
  PetscCall(PetscNew(control));
  **control = (struct _p_Control){.dim = dim,
                                  .steps = steps,
                                  .windows = PetscMin(steps, WINDOWS),
                                  .start = strcmp(start->init, "uniform") ? NAN : 1 / (PetscReal)start->count,
                                  .size = sqrt(dt)};
  PetscCall(ResultsDeclare(
      results,
      &(Quantity){.name = NAME,
                  .unit = "1",
                  .description = "parts of |m|^2 and tr Q^2, m and Q the mean of x and of x x^T, "
                                 "that are linear in the noise of each of equal parts of the time; the first has "
                                 "that of a uniform start, too",
                  .kind = QUANTITY_REALIZATION,
                  .rank = 2,
                  .shape = {(*control)->windows, DEGREES}}));
  PetscFunctionReturn(0);
}

PetscErrorCode ControlDestroy(Control *control) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(*control));
  PetscFunctionReturn(0);
}

PetscErrorCode ControlView(Control control, MPI_Comm comm) {
  PetscFunctionBeginUser;
  if (control)
    PetscCall(PetscPrintf(comm,
                          "control    of the noise, linear parts of order and nematic order: %" PetscInt_FMT
                          " sums of each realization\n",
                          DEGREES * control->windows));
  PetscFunctionReturn(0);
}

/* The start has mean zero like a step, and acts on the end as the first one does. */
PetscErrorCode ControlBegin(Control control, PetscReal order, PetscReal sums[]) {
  PetscFunctionBeginUser;
  if (!control) PetscFunctionReturn(0);
  PetscCall(PetscArrayzero(sums, DEGREES * control->windows));
  if (!isnan(control->start)) sums[0] = PetscSqr(order) - control->start;
  PetscFunctionReturn(0);
}

PetscErrorCode ControlSetStep(Control control, PetscInt l, PetscReal sums[]) {
  PetscFunctionBeginUser;
  if (control) control->sums = sums + DEGREES * (PetscInt)((PetscInt64)l * control->windows / control->steps);
  PetscFunctionReturn(0);
}

/* ---- on the way ---- */

/* Sums over the tokens of w y and w x y^T, as integers. */
typedef struct {
  PetscInt64 *first, *second; /* [d], [d][d] */
} Moments;

/* Those of a block; the whole sums are at most 1 in units of 1/scale of SumScale(1). wx [d][B], square [d][d]. */
static PetscErrorCode AddBlock(PetscInt dim, PetscInt block, PetscReal unit, const double *w, const double *wx,
                               const double *y, double *square, Moments moments) {
  const PetscReal scale = SumScale(1) / unit;
  const double one = 1, zero = 0;
  PetscBLASInt B, d;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(block, &B));
  PetscCall(PetscBLASIntCast(dim, &d));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &d, &d, &B, &one, wx, &B, y, &B, &zero, square, &d));
  for (PetscInt i = 0; i < dim * dim; i++) moments.second[i] += SumRound(square[i], scale);
  for (PetscInt c = 0; c < dim; c++) {
    double sum = 0;
    for (PetscInt t = 0; t < block; t++) sum += w[t] * y[c * block + t];
    moments.first[c] += SumRound(sum, scale);
  }
  PetscFunctionReturn(0);
}

/* p <- P_x g, tangent, and wx <- w x, of a block. Returns the largest |p| of tokens that have weight. */
static PetscReal Tangent(PetscInt dim, PetscInt block, const double *x, const double *w, const double *g, double *p,
                         double *wx) {
  double radial[TOKENS_BLOCK] = {0}, square[TOKENS_BLOCK] = {0}, most = 0;

  for (PetscInt c = 0; c < dim; c++)
    for (PetscInt t = 0; t < block; t++) radial[t] += x[c * block + t] * g[c * block + t];
  for (PetscInt c = 0; c < dim; c++)
    for (PetscInt t = 0; t < block; t++) {
      const PetscInt i = c * block + t;
      wx[i] = w[t] * x[i];
      p[i] = g[i] - radial[t] * x[i];
      square[t] += p[i] * p[i];
    }
  for (PetscInt t = 0; t < block; t++)
    if (w[t] > 0) most = PetscMax(most, square[t]);
  return sqrt(most);
}

/* The sums of the tokens of all ranks: of y = x, whose are at most 1, and of y = P G in units of the largest. */
static PetscErrorCode AddTokens(Tokens tokens, const double *x, const double *g, PetscInt64 *sums, PetscReal *unit) {
  const double *w;
  double *p, *wx, *square;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetWeights(tokens, &w));
  const PetscInt d = layout.dim, B = layout.block, each = d * B, n = d + d * d;
  PetscCall(PetscMalloc3((size_t)layout.owned * each, &p, (size_t)layout.owned * each, &wx, d * d, &square));
  *unit = 0;
  for (PetscInt b = 0; b < layout.owned; b++)
    *unit = PetscMax(*unit, Tangent(d, B, x + b * each, w + b * B, g + b * each, p + b * each, wx + b * each));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, unit, 1, MPIU_REAL, MPI_MAX, layout.comm));
  for (PetscInt b = 0; b<layout.owned && * unit> 0; b++) {
    const Moments of_x = {sums, sums + d}, of_p = {sums + n, sums + n + d};
    PetscCall(AddBlock(d, B, 1, w + b * B, wx + b * each, x + b * each, square, of_x));
    PetscCall(AddBlock(d, B, *unit, w + b * B, wx + b * each, p + b * each, square, of_p));
  }
  PetscCall(SumAllreduce(layout.comm, 2 * n, sums));
  PetscCall(PetscFree3(p, wx, square));
  PetscFunctionReturn(0);
}

PetscErrorCode ControlWatch(void *context, Tokens tokens, Vec noise) {
  const Control control = context;
  const PetscInt d = control->dim, n = d + d * d;
  const PetscReal scale = SumScale(1);
  PetscReal unit, first = 0, second = 0;
  PetscInt64 *sums;
  const double *x, *g;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(2 * n, &sums));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayRead(noise, &g));
  PetscCall(AddTokens(tokens, x, g, sums, &unit));
  PetscCall(VecRestoreArrayRead(noise, &g));
  PetscCall(VecRestoreArrayRead(positions, &x));
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal product = ((PetscReal)sums[i] / scale) * ((PetscReal)sums[n + i] / scale) * unit;
    if (i < d)
      first += product; /* <m, sum w P G> */
    else
      second += product; /* sum w <Q x, P G> */
  }
  control->sums[0] += 2 * control->size * first;
  control->sums[1] += 4 * control->size * second;
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(0);
}

/* ---- at the end ---- */

PetscInt ControlFind(Results results, PetscInt *first) {
  const Quantity *quantity;

  for (PetscInt q = 0; (quantity = ResultsGetQuantity(results, q, first)); q++)
    if (quantity->name && !strcmp(quantity->name, NAME)) return QuantitySize(quantity);
  return 0;
}

/* Few realizations take windows together: a coefficient needs many of them. */
PetscErrorCode ControlCorrect(PetscInt R, PetscInt count, const PetscReal sums[], PetscReal x[]) {
  const PetscInt windows = count / DEGREES, joined = PetscMin(windows, R / (DEGREES * MANY));
  PetscReal *controls;

  PetscFunctionBeginUser;
  if (!joined) PetscFunctionReturn(0);
  PetscCall(PetscCalloc1((size_t)R * (size_t)(DEGREES * joined), &controls));
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt i = 0; i < count; i++)
      controls[r * DEGREES * joined + i / DEGREES * joined / windows * DEGREES + i % DEGREES] += sums[r * count + i];
  PetscCall(ControlledNumbers(R, DEGREES * joined, controls, x));
  PetscCall(PetscFree(controls));
  PetscFunctionReturn(0);
}

/* control_NAME, what follows the name, and its meaning. */
static PetscErrorCode Tell(Results results, const Quantity *quantity, const char *suffix, const char *unit,
                           const char *meaning, PetscReal value) {
  char name[128], description[QUANTITY_TEXT];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(name, sizeof(name), "control_%s%s", quantity->name, suffix));
  PetscCall(
      PetscSNPrintf(description, sizeof(description), "%s at the last frame: %s", meaning, quantity->description));
  PetscCall(ResultsExplained(results, &(QuantityText){name, unit, description}, value));
  PetscFunctionReturn(0);
}

static PetscReal Variance(PetscInt R, const PetscReal x[]) {
  PetscReal mean = 0, sum = 0;

  for (PetscInt r = 0; r < R; r++) mean += x[r] / (PetscReal)R;
  for (PetscInt r = 0; r < R; r++) sum += PetscSqr(x[r] - mean);
  return sum / (PetscReal)(R - 1);
}

/* One observable, plain numbers x[R]. */
static PetscErrorCode ReportOne(PetscInt R, PetscInt count, const PetscReal sums[], PetscReal x[],
                                const Quantity *quantity, Results results) {
  const PetscReal plain = Variance(R, x);

  PetscFunctionBeginUser;
  PetscCall(ControlCorrect(R, count, sums, x));
  const FitValue mean = IntervalOfMean(R, 1, x);
  const PetscReal gain = plain / Variance(R, x);
  PetscCall(ResultsSay(results, "           %s %.6g [%.6g, %.6g], of a variance %.3g times smaller\n", quantity->name,
                       (double)mean.value, (double)mean.low, (double)mean.high, (double)gain));
  PetscCall(Tell(results, quantity, "", quantity->unit, "mean of controlled realizations", mean.value));
  PetscCall(Tell(results, quantity, "_low", quantity->unit, "lower end of its 95% interval", mean.low));
  PetscCall(Tell(results, quantity, "_high", quantity->unit, "upper end of its 95% interval", mean.high));
  PetscCall(Tell(results, quantity, "_gain", "1", "plain realizations that a controlled one stands for", gain));
  PetscFunctionReturn(0);
}

PetscErrorCode ControlReport(Control control, const Samples *samples, Results results) {
  static const Observable watched[] = {OBSERVE_ENERGY, OBSERVE_ORDER, OBSERVE_COSINE_MEAN, OBSERVE_NEMATIC};
  const PetscInt R = samples->realizations;
  PetscReal *sums, *x;
  PetscInt first;

  PetscFunctionBeginUser;
  if (!control) PetscFunctionReturn(0);
  if (R < DEGREES * MANY) {
    PetscCall(ResultsSay(results, "control    takes at least %d realizations\n", DEGREES * MANY));
    PetscFunctionReturn(0);
  }
  const PetscInt count = ControlFind(results, &first), frames = samples->frames->count;
  const PetscReal *const last = samples->all + (size_t)(frames - 1) * (size_t)samples->columns;
  const PetscReal *const tail = samples->all + (size_t)frames * (size_t)samples->columns + first;
  PetscCall(PetscMalloc2((size_t)R * (size_t)count, &sums, R, &x));
  for (PetscInt r = 0; r < R; r++)
    PetscCall(PetscArraycpy(sums + (size_t)r * count, tail + (size_t)r * (size_t)samples->width, count));
  PetscCall(ResultsSay(results, "control    at the end, without the linear part of the noise:\n"));
  for (size_t w = 0; w < PETSC_STATIC_ARRAY_LENGTH(watched); w++) {
    const Quantity *const quantity = ObservableGetQuantity(watched[w]);
    for (PetscInt r = 0; r < R; r++) x[r] = last[(size_t)r * (size_t)samples->width + ObservableFirst(watched[w])];
    PetscCall(ReportOne(R, count, sums, x, quantity, results));
  }
  PetscCall(PetscFree2(sums, x));
  PetscFunctionReturn(0);
}
