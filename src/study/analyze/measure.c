#include "study/analyze/analyze.h"

#include <chorale/deck.h>
#include <chorale/distance.h>
#include <chorale/histogram.h>
#include <math.h>
#include <string.h>

#include "study/studies.h"

#define SINKHORN_MOST 4096 /* tokens whose pairs auto visits some hundred times per frame, on every rank whole */
#define DIRECTIONS    16   /* of sliced, rounded up to whole orthonormal frames */

PetscErrorCode AnalyzeGetReference(AnalyzeReference *reference) {
  static const char *const names[] = {"none", "first", "previous", "other"};
  char name[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("analyze_distance", name));
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, names[i])) *reference = (AnalyzeReference)i;
  PetscFunctionReturn(0);
}

static PetscErrorCode ChooseTransport(Tokens tokens, const char **transport) {
  char name[PETSC_MAX_PATH_LEN];
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DeckGetString("analyze_transport", name));
  if (!strcmp(name, "sinkhorn"))
    *transport = "sinkhorn";
  else if (!strcmp(name, "sliced"))
    *transport = "sliced";
  else {
    PetscCall(DistanceTransportMethod(tokens, tokens, transport));
    if (!strcmp(*transport, "sinkhorn") && layout.count > SINKHORN_MOST) *transport = "sliced";
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode AddDistances(AnalyzeMeasures *measures, Tokens tokens) {
  static const char *const to[] = {"", "the first frame", "the frame before", "the same frame of analyze_other"};

  PetscFunctionBeginUser;
  PetscCall(StudyCheckBeta()); /* MMD^2 is in units of e^beta */
  PetscCall(ChooseTransport(tokens, &measures->transport));
  PetscCall(PetscSNPrintf(measures->text[0], sizeof(measures->text[0]), "%s of the token measure to that of %s (%s)",
                          strcmp(measures->transport, "sliced") ? "W2^2" : "sliced W2^2, a lower bound of W2^2,",
                          to[measures->reference], measures->transport));
  PetscCall(PetscSNPrintf(measures->text[1], sizeof(measures->text[1]),
                          "MMD^2, with the kernel e^(beta <x,y>), of the token measure to that of %s",
                          to[measures->reference]));
  measures->quantity[measures->count++] =
      (Quantity){"w2sq", "1", measures->text[0], QUANTITY_OBSERVABLE, .column = "w2sq"};
  measures->quantity[measures->count++] =
      (Quantity){"mmd2", "1", measures->text[1], QUANTITY_OBSERVABLE, .column = "mmd2"};
  if (!strcmp(measures->transport, "circle"))
    measures->quantity[measures->count++] =
        (Quantity){"w2sq_bounds",       "1", "certified bounds of W2^2, from below and above, which is w2sq",
                   QUANTITY_OBSERVABLE, 1,   {2},
                   .column = NULL};
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasuresCreate(Tokens tokens, AnalyzeMeasures *measures) {
  TokensLayout layout;
  PetscInt64 bins;

  PetscFunctionBeginUser;
  *measures = (AnalyzeMeasures){0};
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(AnalyzeGetReference(&measures->reference));
  PetscCall(DeckGetFlag("analyze_pairs", &measures->pairs));
  PetscCall(DeckGetFlag("analyze_coordinates", &measures->coordinates));
  PetscCall(DeckGetInt("analyze_bins", &bins));
  PetscCall(DeckGetReal("attention_beta", &measures->beta));
  measures->bins = (PetscInt)bins;
  measures->dim = layout.dim;
  if (measures->reference != DISTANCE_NONE) PetscCall(AddDistances(measures, tokens));
  if (measures->pairs)
    measures->quantity[measures->count++] =
        (Quantity){"pair_hist",
                   "1",
                   "share of all pairs i < j of tokens in each of the equal bins of <x_i,x_j> in [-1,1]",
                   QUANTITY_OBSERVABLE,
                   .rank = 1,
                   .shape = {measures->bins}};
  if (measures->coordinates)
    measures->quantity[measures->count++] =
        (Quantity){"coordinate_hist",
                   "1",
                   "weight of the tokens in each of the equal bins of [-1,1], coordinate after coordinate",
                   QUANTITY_OBSERVABLE,
                   .rank = 1,
                   .shape = {measures->dim * measures->bins}};
  PetscFunctionReturn(0);
}

PetscErrorCode AnalyzeMeasuresView(const AnalyzeMeasures *measures, Tokens tokens) {
  TokensLayout l;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  PetscCall(PetscPrintf(l.comm, "measures   the observables\n"));
  for (PetscInt q = 0; q < measures->count; q++)
    PetscCall(
        PetscPrintf(l.comm, "           %s: %s\n", measures->quantity[q].name, measures->quantity[q].description));
  if (measures->pairs)
    PetscCall(PetscPrintf(l.comm, "           pair_hist takes %.3g Gflop per frame\n",
                          1e-9 * (PetscReal)l.count * (PetscReal)l.count * l.dim));
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
