#include "study/analyze/analyze.h"

#include <chorale/distance.h>
#include <chorale/histogram.h>
#include <math.h>
#include <string.h>

#include "study/model.h"
#include "study/report.h"

#define DIRECTIONS 16 /* of sliced, rounded up to whole orthonormal frames */

AnalyzeReference AnalyzeGetReference(const AnalyzeOptions *options) {
  static const char *const names[] = {"none", "first", "previous", "other"};
  int i = 0;

  while (strcmp(options->distance, names[i])) i++;
  return (AnalyzeReference)i;
}

static PetscBool IsSliced(const AnalyzeMeasures *measures) {
  return strcmp(measures->transport, "sliced") ? PETSC_FALSE : PETSC_TRUE;
}

/* A quantity of so many numbers: 0 for a single one, not an array. */
static void Add(AnalyzeMeasures *measures, const char *name, PetscInt size, const char *column,
                const char *description) {
  measures->quantity[measures->count++] =
      (Quantity){name, "1", description, QUANTITY_OBSERVABLE, size ? 1 : 0, {size}, column};
}

static PetscErrorCode AddDistances(AnalyzeMeasures *measures, PetscInt dim, const char *transport) {
  static const char *const to[] = {"", "the first frame", "the frame before", "the same frame of analyze_other"};
  DistanceOptions options;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(DistanceKeys, &options));
  measures->tol = options.tol;
  measures->transport = strcmp(transport, "auto") ? transport : DistanceTransportMethod(dim);
  PetscCall(ModelCheckBeta(measures->beta)); /* MMD^2 is in units of e^beta */
  PetscCall(PetscSNPrintf(measures->text[0], sizeof(measures->text[0]), "%s of the token measure to that of %s (%s)",
                          IsSliced(measures) ? "sliced W2^2, a lower bound of W2^2," : "W2^2", to[measures->reference],
                          measures->transport));
  PetscCall(PetscSNPrintf(measures->text[1], sizeof(measures->text[1]),
                          "MMD^2, with the kernel e^(beta <x,y>), of the token measure to that of %s",
                          to[measures->reference]));
  Add(measures, "w2sq", 0, "w2sq", measures->text[0]);
  Add(measures, "mmd2", 0, "mmd2", measures->text[1]);
  if (!IsSliced(measures))
    Add(measures, "w2sq_bounds", 2, NULL, "certified bounds of W2^2, from below and above, which is w2sq");
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasuresCreate(Tokens tokens, const AnalyzeOptions *options, PetscReal beta,
                                     AnalyzeMeasures *measures) {
  const PetscInt bins = (PetscInt)options->bins;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  *measures = (AnalyzeMeasures){.reference = AnalyzeGetReference(options),
                                .pairs = options->pairs,
                                .coordinates = options->coordinates,
                                .bins = bins,
                                .beta = beta};
  if (measures->reference != DISTANCE_NONE) PetscCall(AddDistances(measures, layout.dim, options->transport));
  if (measures->pairs)
    Add(measures, "pair_hist", bins, NULL,
        "share of all pairs i < j of tokens in each of the equal bins of <x_i,x_j> in [-1,1]");
  if (measures->coordinates)
    Add(measures, "coordinate_hist", layout.dim * bins, NULL,
        "weight of the tokens in each of the equal bins of [-1,1], coordinate after coordinate");
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeGuess(const AnalyzeMeasures *measures, Tokens tokens, StudyGuess *guess) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  *guess = (StudyGuess){.step = 0};
  PetscCall(TokensGetLayout(tokens, &layout));
  if (measures->reference != DISTANCE_NONE && !IsSliced(measures))
    guess->transport = DistanceTransportSeconds(layout.dim, layout.count, layout.count, PETSC_TRUE, measures->tol);
  if (measures->pairs) guess->frame = ModelSeconds((PetscReal)layout.count * (PetscReal)layout.count * layout.dim);
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasuresView(const AnalyzeMeasures *measures, Tokens tokens, const EnsembleLayout *ensemble,
                                   PetscInt frames) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscPrintf(layout.comm, "measures   the observables\n"));
  for (PetscInt q = 0; q < measures->count; q++)
    PetscCall(
        PetscPrintf(layout.comm, "           %s: %s\n", measures->quantity[q].name, measures->quantity[q].description));
  if (measures->reference != DISTANCE_NONE && !IsSliced(measures))
    PetscCall(ReportTransport(
        ensemble, layout.dim, measures->tol,
        DistanceTransportSeconds(layout.dim, layout.count, layout.count, PETSC_TRUE, measures->tol) * frames));
  if (measures->pairs)
    PetscCall(PetscPrintf(layout.comm, "           pair_hist takes %.3g Gflop per frame\n",
                          1e-9 * (PetscReal)layout.count * (PetscReal)layout.count * layout.dim));
  PetscFunctionReturn(0);
}

/* W2^2, MMD^2 and, where W2^2 is certified, its bounds. */
static PetscErrorCode MeasureDistances(const AnalyzeMeasures *measures, Tokens tokens, Tokens reference,
                                       PetscReal values[]) {
  PetscReal bounds[2] = {NAN, NAN};

  PetscFunctionBeginUser;
  values[0] = values[1] = NAN;
  if (reference) {
    if (IsSliced(measures))
      PetscCall(DistanceSliced(tokens, reference, DIRECTIONS, &values[0]));
    else {
      PetscCall(DistanceTransport(tokens, reference, measures->tol, &bounds[0], &bounds[1]));
      values[0] = bounds[1];
    }
    PetscCall(DistanceMMD(tokens, reference, measures->beta, &values[1]));
  }
  if (!IsSliced(measures)) PetscCall(PetscArraycpy(values + 2, bounds, 2));
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasure(const AnalyzeMeasures *measures, Tokens tokens, Tokens reference, PetscReal values[]) {
  PetscFunctionBeginUser;
  if (measures->reference != DISTANCE_NONE) {
    PetscCall(MeasureDistances(measures, tokens, reference, values));
    values += IsSliced(measures) ? 2 : 4;
  }
  if (measures->pairs) {
    PetscCall(HistogramPairs(tokens, measures->bins, values));
    values += measures->bins;
  }
  if (measures->coordinates) PetscCall(HistogramCoordinates(tokens, measures->bins, values));
  PetscFunctionReturn(0);
}
