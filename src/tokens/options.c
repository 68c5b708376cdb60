/* Keys of the tokens' start and of the ensemble. */
#include <chorale/ensemble.h>
#include <chorale/start.h>

#include "tokens/start_impl.h"

#include <string.h>

/* The length of an axis of tokens_file, if that is what tokens start from. */
static PetscErrorCode Resolve(MPI_Comm world, PetscInt axis, char *value, size_t size) {
  char init[PETSC_MAX_PATH_LEN], path[PETSC_MAX_PATH_LEN], dataset[PETSC_MAX_PATH_LEN], frame[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[2];

  PetscFunctionBeginUser;
  PetscCall(DeckReadText(StartKeys, "tokens_init", init));
  if (strcmp(init, "file")) PetscFunctionReturn(0);
  PetscCall(DeckReadText(StartKeys, "tokens_file", path));
  PetscCall(DeckReadText(StartKeys, "tokens_dataset", dataset));
  PetscCall(DeckReadText(StartKeys, "tokens_frame", frame));
  if (frame[0])
    PetscCall(StartFrameShape(world, path, frame, shape));
  else
    PetscCall(StartFileShape(world, path, dataset, shape));
  PetscCall(PetscSNPrintf(value, size, "%" PetscInt64_FMT, shape[axis]));
  PetscFunctionReturn(0);
}

static PetscErrorCode ResolveCount(MPI_Comm world, char *value, size_t size) {
  PetscFunctionBeginUser;
  PetscCall(Resolve(world, 0, value, size));
  PetscFunctionReturn(0);
}

static PetscErrorCode ResolveDim(MPI_Comm world, char *value, size_t size) {
  PetscFunctionBeginUser;
  PetscCall(Resolve(world, 1, value, size));
  PetscFunctionReturn(0);
}

const OptionKey StartKeys[] = {
    INT_KEY(StartOptions, count, "tokens_count", "64", 1, 10000000000, "tokens", .resolve = ResolveCount,
            .help = "Number N of tokens. With tokens_init file: taken from the file."),
    INT_KEY(StartOptions, dim, "tokens_dim", "3", 2, 4096, "-", .resolve = ResolveDim,
            .help = "Dimension d; the unit sphere is S^(d-1). With tokens_init file: taken from the file."),
    CHOICE_KEY(StartOptions, init, "tokens_init", "uniform", .choices = StartLawName,
               .help =
                   "Law of the tokens at time 0: independent uniform; nodes and weights of a quadrature rule (d = 2 "
                   "or 3); von Mises-Fisher; a mixture of von Mises-Fisher clusters; uniform perturbed by a "
                   "harmonic; equiangular, all pairs at one cosine (N <= d); rows of a file."),
    REAL_KEY(StartOptions, kappa, "tokens_kappa", "10", 0, 1e8, "-", .above = PETSC_TRUE,
             .needs = {{"tokens_init", "vmf|clusters"}},
             .help = "Concentration of tokens_init vmf, and of each of its clusters."),
    INT_KEY(StartOptions, clusters, "tokens_clusters", "2", 1, 1000000, "clusters",
            .needs = {{"tokens_init", "clusters"}}, .help = "Number of clusters of tokens_init clusters."),
    INT_KEY(StartOptions, harmonic, "tokens_harmonic", "3", 1, 4096, "-", .needs = {{"tokens_init", "harmonic"}},
            .help = "Degree n of tokens_init harmonic: density 1 + a Re (x_1 + i x_2)^n times the uniform one."),
    REAL_KEY(StartOptions, amplitude, "tokens_amplitude", "0.5", -1, 1, "-", .needs = {{"tokens_init", "harmonic"}},
             .help = "Amplitude a of tokens_init harmonic."),
    REAL_KEY(StartOptions, cosine, "tokens_cosine", "0", -1, 1, "-", .needs = {{"tokens_init", "equiangular"}},
             .help = "Cosine of all pairs of tokens_init equiangular, above -1/(N-1) and below 1."),
    STRING_KEY(StartOptions, file, "tokens_file", "", .shown = "(none)", .reads = PETSC_TRUE, .input = PETSC_TRUE,
               .needs = {{"tokens_init", "file"}},
               .help = "File of tokens_init file: N x d numbers, one token per row (normalised), HDF5 or .npy."),
    STRING_KEY(StartOptions, dataset, "tokens_dataset", "tokens",
               .needs = {{"tokens_init", "file"}, {"tokens_file", "!*.npy"}, {"tokens_frame", ""}},
               .help = "Dataset of tokens_file if that is HDF5."),
    STRING_KEY(StartOptions, frame, "tokens_frame", "", .shown = "(none)",
               .needs = {{"tokens_init", "file"}, {"tokens_file", "!*.npy"}, {"sync_starts", "0"}},
               .help = "Frame of the trajectories of tokens_file that tokens start from: last, a number from 0, or "
                       "t=TIME. Realization r starts from realization r of a results file, all from an .h5md file."),
    {.name = NULL}};

const OptionKey EnsembleKeys[] = {
    INT_KEY(EnsembleOptions, realizations, "ensemble_realizations", "1", 1, 10000000, "runs", .whole = PETSC_TRUE,
            .help = "Number R of independent realizations."),
    INT_KEY(EnsembleOptions, seed, "ensemble_seed", "1", 0, 9223372036854775807, "-",
            .help = "Seed of all random draws."),
    INT_KEY(EnsembleOptions, groups, "ensemble_groups", "auto", 1, 2147483647, "groups", .words = OPTION_WORDS("auto"),
            .whole = PETSC_TRUE,
            .help = "Groups of ranks, each with one realization at a time; a divisor of the number of ranks."),
    {.name = NULL}};

PetscErrorCode EnsembleOptionsRead(EnsembleOptions *options) {
  PetscFunctionBeginUser;
  *options = (EnsembleOptions){0};
  PetscCall(DeckRead(EnsembleKeys, options));
  PetscFunctionReturn(0);
}

PetscErrorCode StartOptionsRead(StartOptions *options) {
  EnsembleOptions ensemble;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(StartKeys, options));
  PetscCall(EnsembleOptionsRead(&ensemble));
  options->seed = (uint64_t)ensemble.seed;
  options->realizations = ensemble.realizations;
  PetscFunctionReturn(0);
}
