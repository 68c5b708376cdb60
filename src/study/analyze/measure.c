#include "study/analyze/analyze.h"

#include <chorale/distance.h>
#include <chorale/histogram.h>
#include <math.h>
#include <string.h>

#define SINKHORN_MOST 4096 /* tokens whose pairs auto visits some hundred times per frame, on every rank whole */
#define DIRECTIONS    16   /* of sliced, rounded up to whole orthonormal frames */

AnalyzeReference AnalyzeGetReference(const AnalyzeOptions *options) {
  static const char *const names[] = {"none", "first", "previous", "other"};
  int i = 0;

  while (strcmp(options->distance, names[i])) i++;
  return (AnalyzeReference)i;
}

static PetscErrorCode ChooseTransport(Tokens tokens, const char *asked, const char **transport) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  *transport = asked;
  if (strcmp(asked, "auto")) PetscFunctionReturn(0);
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DistanceTransportMethod(tokens, tokens, transport));
  if (!strcmp(*transport, "sinkhorn") && layout.count > SINKHORN_MOST) *transport = "sliced";
  PetscFunctionReturn(0);
}

/* A quantity of so many numbers: 0 for a single one, not an array. */
static void Add(AnalyzeMeasures *measures, const char *name, PetscInt size, const char *column,
                const char *description) {
  measures->quantity[measures->count++] =
      (Quantity){name, "1", description, QUANTITY_OBSERVABLE, size ? 1 : 0, {size}, column};
}

static PetscErrorCode AddDistances(AnalyzeMeasures *measures, Tokens tokens, const char *transport) {
  static const char *const to[] = {"", "the first frame", "the frame before", "the same frame of analyze_other"};

  PetscFunctionBeginUser;
  PetscCall(ModelCheckBeta(measures->beta)); /* MMD^2 is in units of e^beta */
  PetscCall(ChooseTransport(tokens, transport, &measures->transport));
  PetscCall(PetscSNPrintf(measures->text[0], sizeof(measures->text[0]), "%s of the token measure to that of %s (%s)",
                          strcmp(measures->transport, "sliced") ? "W2^2" : "sliced W2^2, a lower bound of W2^2,",
                          to[measures->reference], measures->transport));
  PetscCall(PetscSNPrintf(measures->text[1], sizeof(measures->text[1]),
                          "MMD^2, with the kernel e^(beta <x,y>), of the token measure to that of %s",
                          to[measures->reference]));
  Add(measures, "w2sq", 0, "w2sq", measures->text[0]);
  Add(measures, "mmd2", 0, "mmd2", measures->text[1]);
  if (!strcmp(measures->transport, "circle"))
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
  if (measures->reference != DISTANCE_NONE) PetscCall(AddDistances(measures, tokens, options->transport));
  if (measures->pairs)
    Add(measures, "pair_hist", bins, NULL,
        "share of all pairs i < j of tokens in each of the equal bins of <x_i,x_j> in [-1,1]");
  if (measures->coordinates)
    Add(measures, "coordinate_hist", layout.dim * bins, NULL,
        "weight of the tokens in each of the equal bins of [-1,1], coordinate after coordinate");
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasuresView(const AnalyzeMeasures *measures, Tokens tokens) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscPrintf(layout.comm, "measures   the observables\n"));
  for (PetscInt q = 0; q < measures->count; q++)
    PetscCall(
        PetscPrintf(layout.comm, "           %s: %s\n", measures->quantity[q].name, measures->quantity[q].description));
  if (measures->pairs)
    PetscCall(PetscPrintf(layout.comm, "           pair_hist takes %.3g Gflop per frame\n",
                          1e-9 * (PetscReal)layout.count * (PetscReal)layout.count * layout.dim));
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasure(const AnalyzeMeasures *measures, Tokens tokens, Tokens reference, PetscReal values[]) {
  const PetscBool circle = measures->transport && !strcmp(measures->transport, "circle") ? PETSC_TRUE : PETSC_FALSE;
  const char *method;

  PetscFunctionBeginUser;
  if (measures->reference != DISTANCE_NONE) {
    values[0] = values[1] = NAN;
    if (circle) values[2] = values[3] = NAN;
    if (!reference)
      ;
    else if (!strcmp(measures->transport, "sliced"))
      PetscCall(DistanceSliced(tokens, reference, DIRECTIONS, &values[0]));
    else if (!strcmp(measures->transport, "sinkhorn"))
      PetscCall(DistanceSinkhorn(tokens, reference, DISTANCE_SINKHORN_TOL, &values[0]));
    else if (circle) {
      PetscCall(DistanceCircleTransport(tokens, reference, &values[2], &values[3]));
      values[0] = values[3];
    } else
      PetscCall(DistanceTransport(tokens, reference, &values[0], &method));
    if (reference) PetscCall(DistanceMMD(tokens, reference, measures->beta, &values[1]));
    values += circle ? 4 : 2;
  }
  if (measures->pairs) {
    PetscCall(HistogramPairs(tokens, measures->bins, values));
    values += measures->bins;
  }
  if (measures->coordinates) PetscCall(HistogramCoordinates(tokens, measures->bins, values));
  PetscFunctionReturn(0);
}
