/* What study limits reads: lists of numbers of tokens, depths and widths, and a limit SDE beside the transformers. */
#include <stdlib.h>

#include "study/limits/limits.h"

/* Steps of the limit SDE: 8 times the deepest. */
static PetscErrorCode ResolveReference(MPI_Comm world, char *value, size_t size) {
  PetscInt64 depth[LIMITS_LIST], deepest = 0;
  PetscInt n = LIMITS_LIST;

  PetscFunctionBeginUser;
  (void)world;
  PetscCall(DeckGetIntList("layers_depth", &n, depth));
  for (PetscInt j = 0; j < n; j++) deepest = PetscMax(deepest, depth[j]);
  PetscCall(PetscSNPrintf(value, size, "%" PetscInt64_FMT, 8 * deepest));
  PetscFunctionReturn(0);
}

/* Harmonics to the usual tolerance are few for d <= 5. */
static PetscErrorCode ResolveNoise(MPI_Comm world, char *value, size_t size) {
  char dim[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  (void)world;
  PetscCall(DeckReadText(StartKeys, "tokens_dim", dim));
  PetscCall(PetscStrncpy(value, atoi(dim) <= 5 ? "spectral" : "gram", size));
  PetscFunctionReturn(0);
}

static const char *Supremum(PetscInt i) {
  static const char *const names[] = {"layers", "all"};

  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(names) ? names[i] : NULL;
}

const OptionKey LimitsKeys[] = {
    INT_KEY(LimitsOptions, reference, "limits_reference", "", 1, 100000000, "steps", .shown = "8 x depth",
            .resolve = ResolveReference,
            .help = "Steps of the limit SDE that the transformers are compared with; every layers_depth divides it. "
                    "Its scheme is scheme_type, its noise noise_type."),
    CHOICE_KEY(LimitsOptions, supremum, "limits_supremum", "layers", .choices = Supremum,
               .help =
                   "Times over which the error is the largest: layers, the layer times; all, all t in [0, T], where "
                   "a transformer stands still between layer times and the limit SDE goes on as a Brownian bridge "
                   "between its steps: (log L)/L in place of 1/L."),
    {.name = NULL}};

const OptionTable LimitsTable = {
    .study = "limits",
    .groups = (const OptionGroup[]){COMMON_MODEL_KEYS,
                                    {OutputKeys, OUTPUT_FILES},
                                    {.keys = LimitsKeys},
                                    {.keys = CouplingKeys},
                                    {CheckpointKeys, "!checkpoint_keep"},
                                    RUN_KEYS,
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){
        {.name = "tokens_count", .lists = PETSC_TRUE},
        {.name = "layers_depth", .lists = PETSC_TRUE},
        {.name = "mlp_width", .lists = PETSC_TRUE, .words = OPTION_WORDS("inf"), .needs = {{"", ""}}},
        {.name = "mlp_weights", .needs = {{"mlp_width", "!inf"}}, .note = "limits: of finite widths."},
        {.name = "noise_type",
         .preset = "",
         .shown = "by dim",
         .resolve = ResolveNoise,
         .note = "limits: that of the limit SDE, spectral (up to d = 5 unless given) or gram."},
        {.name = "scheme_type", .preset = "heun", .note = "limits: that of the limit SDE, any but layer."},
        NORM_OF_THEORY,
        {.name = NULL}}};
