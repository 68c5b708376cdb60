/* What study chaos is asked to do: lists, references, restarts. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include <chorale/distance.h>

#include "study/chaos/chaos.h"
#include "study/report.h"

#define BLOCK   256  /* nodes come in whole blocks */
#define NODES   4096 /* at least so many on the circle */
#define HEIGHTS 48   /* at least so many Gauss nodes in z on the sphere: 2 HEIGHTS^2 nodes */
/* W2^2 between the nodes and the measure they stand for, in units of that of N tokens, on the circle and the sphere */
#define ROUGH        1e-3
#define ROUGH_SPHERE 0.05

static PetscErrorCode ReadCounts(ChaosDesign *design) {
  PetscFunctionBeginUser;
  design->counts = CHAOS_COUNTS;
  PetscCall(DeckGetIntList("tokens_count", &design->counts, design->count));
  PetscCheck(design->counts >= 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_count is empty: study chaos needs a list");
  for (PetscInt i = 1; i < design->counts; i++)
    PetscCheck(design->count[i - 1] < design->count[i], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "tokens_count = %" PetscInt64_FMT ",%" PetscInt64_FMT
               ": the values of a list must ascend, none twice, for study chaos",
               design->count[i - 1], design->count[i]);
  for (PetscInt i = 0; i < design->counts; i++) design->total += design->count[i];
  PetscFunctionReturn(0);
}

/* What moments and fields of degree n see of the limit is exact for M > n nodes on the circle and for more than n/2
 * heights on the sphere, up to the spectrally small tail that the flow of smooth fields makes. W2^2 sees the nodes
 * themselves: (2 pi/M)^2/12 on the circle, where N tokens have (2 pi)^2/(12 N), and about 2/M on the sphere (half
 * the cell's area over pi), where N tokens have about log(N)/N. As many nodes are taken as make the first ROUGH times
 * the second. */
static PetscInt64 ChooseNodes(PetscInt dim, PetscInt64 most, PetscReal kappa) {
  const PetscReal N = PetscMax((PetscReal)most, 2);
  PetscInt64 nodes = NODES, n = HEIGHTS;

  if (dim == 2) {
    while ((PetscReal)nodes * (PetscReal)nodes * ROUGH < (PetscReal)most || (PetscReal)nodes < 64 * sqrt(kappa))
      nodes *= 2;
    return nodes;
  }
  while ((PetscReal)n < 16 * sqrt(kappa) || (PetscReal)(n * n) * ROUGH_SPHERE * log(N) < N) n += 16;
  return 2 * n * n;
}

static PetscErrorCode SetNodes(ChaosDesign *design, PetscInt64 asked, PetscReal kappa) {
  const PetscInt64 most = design->count[design->counts - 1];

  PetscFunctionBeginUser;
  PetscCheck(design->dim <= 3, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_reference = quadrature: needs tokens_dim 2 or 3, not %" PetscInt_FMT "; take twin or a number",
             design->dim);
  design->size = asked > 0 ? asked : ChooseNodes(design->dim, most, kappa);
  const PetscInt64 n = (PetscInt64)llround(sqrt((double)design->size / 2));
  PetscCheck(design->size % BLOCK == 0 && (design->dim == 2 || 2 * n * n == design->size), PETSC_COMM_WORLD,
             PETSC_ERR_USER_INPUT, "chaos_nodes = %" PetscInt64_FMT ": must be a multiple of 256%s", design->size,
             design->dim == 2 ? "" : " of the form 2 n^2, that is 512 k^2, for tokens_dim 3");
  PetscFunctionReturn(0);
}

static PetscErrorCode SetReference(ChaosDesign *design, const ChaosOptions *options, const StartOptions *start) {
  const PetscInt64 most = design->count[design->counts - 1];

  PetscFunctionBeginUser;
  if (options->reference == CHAOS_REFERENCE_TWIN) {
    design->reference = CHAOS_TWIN;
    design->largest = most;
    design->compared = design->total;
  } else if (options->reference == CHAOS_REFERENCE_QUADRATURE) {
    design->reference = CHAOS_QUADRATURE;
    PetscCall(SetNodes(design, options->nodes, strcmp(start->init, "vmf") ? 0 : start->kappa));
    design->largest = design->compared = design->size + most;
  } else {
    design->reference = CHAOS_NESTED;
    PetscCheck(options->reference > most, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "tokens_count = %" PetscInt64_FMT ": must be below chaos_reference = %" PetscInt64_FMT, most,
               options->reference);
    design->size = design->largest = design->compared = options->reference;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode SetRestarts(ChaosDesign *design, PetscInt64 restarts, PetscInt64 realizations) {
  PetscFunctionBeginUser;
  PetscCheck(realizations <= INT_MAX / (restarts + 2), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_restarts = %" PetscInt64_FMT ": with %" PetscInt64_FMT
             " realizations there are more starts than can be numbered (%d)",
             restarts, realizations, INT_MAX);
  PetscCheck(restarts == 0 || design->count[0] >= 2, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": must be at least 2 with chaos_restarts, a pair of tokens",
             design->count[0]);
  design->restarts = (PetscInt)restarts;
  design->walks = design->restarts + 1;
  PetscCheck(design->depth <= INT_MAX / design->walks, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_restarts = %" PetscInt64_FMT ": with layers_depth = %" PetscInt_FMT
             " these are more steps than can be counted (%d)",
             restarts, design->depth, INT_MAX);
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosDesignRead(const ModelOptions *model, ChaosDesign *design) {
  const char *init = model->start.init;
  DistanceOptions distance;
  ChaosOptions options;

  PetscFunctionBeginUser;
  PetscCall(ModelCheckBeta(model->attention.beta));
  PetscCheck(!strcmp(model->attention.mask, "none"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_mask = %s: study chaos needs exchangeable tokens, so it must be none", model->attention.mask);
  PetscCheck(!strcmp(init, "uniform") || !strcmp(init, "vmf"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_init = %s: study chaos needs independent tokens, uniform or vmf", init);
  PetscCall(DeckRead(ChaosKeys, &options));
  PetscCall(DeckRead(DistanceKeys, &distance));
  *design = (ChaosDesign){.tol = distance.tol,
                          .dim = (PetscInt)model->start.dim,
                          .depth = (PetscInt)model->layers.depth,
                          .horizon = model->layers.horizon,
                          .dt = ModelStepSize(model),
                          .beta = model->attention.beta,
                          .attracts = strcmp(model->attention.type, "none") ? PETSC_TRUE : PETSC_FALSE,
                          .noisy = strcmp(model->noise.type, "none") ? PETSC_TRUE : PETSC_FALSE};
  PetscCall(ReadCounts(design));
  PetscCall(SetReference(design, &options, &model->start));
  PetscCall(SetRestarts(design, options.restarts, model->ensemble.realizations));
  PetscFunctionReturn(0);
}

PetscInt64 ChaosComparedCount(const ChaosDesign *design, PetscInt i) {
  return design->reference == CHAOS_TWIN ? design->count[i] : design->size;
}

PetscReal ChaosTransportSecondsOf(const ChaosDesign *design, PetscInt i) {
  const PetscBool equal = design->reference == CHAOS_QUADRATURE ? PETSC_FALSE : PETSC_TRUE;

  return DistanceTransportSeconds(design->dim, design->count[i], ChaosComparedCount(design, i), equal, design->tol);
}

PetscReal ChaosTransportSeconds(const ChaosDesign *design) {
  PetscReal seconds = 0;

  for (PetscInt i = 0; i < design->counts; i++) seconds += ChaosTransportSecondsOf(design, i);
  return seconds;
}

/* Common noise makes the density uneven, and auctions harder, until tokens have gathered: fits to runs with relu. */
PetscReal ChaosTransportGrowth(const ChaosDesign *design) {
  const PetscReal rate = design->dim > 3 ? 0.25 : design->attracts ? 0.85 : 0.7;
  const PetscReal most = design->dim > 3 ? 0.5 : design->attracts ? 2.5 : 1.5;
  PetscReal sum = 0;

  if (!design->noisy || design->dim == 2) return 1;
  for (PetscInt f = 0; f < design->frames; f++)
    sum += exp(PetscMin(most, rate * design->horizon * f / PetscMax(1, design->frames - 1)));
  return sum / PetscMax(1, design->frames);
}

/* How W2^2 is found and how long that takes, in every frame of the first start. Nodes have a distance to the limit of
 * their own. */
static PetscErrorCode ViewTransport(const ChaosDesign *design, const EnsembleLayout *layout) {
  const MPI_Comm comm = layout->world;

  PetscFunctionBeginUser;
  PetscCall(ReportTransport(layout, design->dim, design->tol,
                            ChaosTransportSeconds(design) * ChaosTransportGrowth(design) * (PetscReal)design->frames));
  if (design->reference == CHAOS_QUADRATURE) {
    const PetscReal M = (PetscReal)design->size, own = design->dim == 2 ? PetscSqr(2 * PETSC_PI / M) / 12 : 2 / M;

    PetscCall(
        PetscPrintf(comm, "           W2^2 of the nodes themselves to a uniform limit: about %.2g\n", (double)own));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosDesignView(const ChaosDesign *design, const EnsembleLayout *layout) {
  const PetscInt64 most = design->count[design->counts - 1], total = design->total, compared = design->compared;
  const MPI_Comm comm = layout->world;
  const PetscReal steps =
      (PetscReal)design->depth * ((PetscReal)(total + compared) + (PetscReal)design->restarts * (PetscReal)total);
  PetscReal bytes = (PetscReal)(total + compared) * 2 * (design->dim + 1) * sizeof(double);

  PetscFunctionBeginUser;
  if (design->reference != CHAOS_TWIN) bytes += (PetscReal)total * (design->dim + 1) * sizeof(double);
  PetscCall(PetscPrintf(comm,
                        "chaos      %" PetscInt_FMT " systems of N = %" PetscInt64_FMT " .. %" PetscInt64_FMT
                        " tokens along one noise path, %" PetscInt_FMT " frames\n",
                        design->counts, design->count[0], most, design->frames));
  if (design->reference == CHAOS_TWIN)
    PetscCall(PetscPrintf(comm, "           compared with twins: second starts of N tokens\n"));
  else if (design->reference == CHAOS_NESTED)
    PetscCall(PetscPrintf(
        comm, "           compared with one system of %" PetscInt64_FMT " tokens, N are its first N\n", design->size));
  else
    PetscCall(PetscPrintf(comm,
                          "           compared with the limit: %" PetscInt64_FMT
                          " quadrature nodes, and %" PetscInt64_FMT " independent copies moved by them\n",
                          design->size, most));
  if (design->restarts)
    PetscCall(PetscPrintf(comm, "           %" PetscInt_FMT " fresh starts of every N along the same noise\n",
                          design->restarts));
  PetscCall(PetscPrintf(comm,
                        "           per realization: %.3g token steps, and %" PetscInt_FMT
                        " distances of each kind; about %.3g MB for all tokens and their fields\n",
                        (double)steps, design->frames * design->counts, (double)bytes / 1e6));
  PetscCall(ViewTransport(design, layout));
  PetscFunctionReturn(0);
}
