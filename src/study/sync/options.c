/* What study sync reads: a run, or lists for the map of the theory. */
#include "study/laws.h"
#include "study/sync/sync.h"

const OptionKey SyncKeys[] = {
    FLAG_KEY(SyncOptions, map, "sync_map",
             .help = "Draw the phase map of the theory over the lists mlp_activation, tokens_dim, kernel_bias; nothing "
                     "is simulated."),
    INT_KEY(SyncOptions, twins, "sync_twins", "auto", 0, 10000000000, "tokens", .words = OPTION_WORDS("auto"),
            .needs = {{"sync_starts", "0"}},
            .help = "Tokens (the first ones) with a twin that measures the Lyapunov exponent; auto gives one to every "
                    "token. Twins cost as much as tokens."),
    INT_KEY(SyncOptions, starts, "sync_starts", "0", 0, 1000, "starts",
            .help =
                "In place of energies and exponents: so many sets of tokens, each with a start of its own, along the "
                "noise of every realization, and the random attractor in which they meet; 0 for none."),
    FLAG_KEY(SyncOptions, spectrum, "sync_spectrum", .needs = {{"sync_twins", "!0"}, {"sync_starts", "0"}},
             .help = "Measure all d - 1 Lyapunov exponents, by d - 1 twins of each token; tokens_dim at most 256."),
    INT_KEY(SyncOptions, exponents, "sync_exponents", "0", 0, 1024, "-",
            .needs = {{"noise_type", "!gram"}, {"sync_starts", "0"}},
            .help =
                "Measure so many of the largest Lyapunov exponents of all tokens together, attention included, each "
                "by a copy of the tokens; at most N (d - 1)."),
    {.name = "sync_moments",
     .type = KEY_REAL,
     .preset = "",
     .low = -100,
     .high = 100,
     .unit = "-",
     .lists = PETSC_TRUE,
     .needs = {{"sync_twins", "!0"}, {"sync_starts", "0"}},
     .help = "Measure for each of these p, 16 at most, the moment Lyapunov exponent Lambda(p), the growth of the mean "
             "of |v|^p of the twins."},
    {.name = NULL}};

const OptionTable SyncTable = {
    .study = "sync",
    .groups = (const OptionGroup[]){COMMON_MODEL_KEYS,
                                    {.keys = TargetKeys},
                                    {.keys = EnergyKeys},
                                    {OutputKeys, OUTPUT_FRAMES},
                                    {KernelKeys, "kernel_bias|kernel_moments"},
                                    {CheckpointKeys, "!checkpoint_keep"},
                                    {.keys = SyncKeys},
                                    RUN_KEYS,
                                    {.keys = NULL}},
    .changes =
        (const OptionKey[]){{.name = "tokens_dim", .lists = PETSC_TRUE},
                            {.name = "mlp_activation", .lists = PETSC_TRUE},
                            {.name = "mlp_bias_u", .needs = {{"noise_type", "!values|none"}, {"kernel_bias", ""}}},
                            {.name = "mlp_bias_w", .needs = {{"noise_type", "!values|none"}, {"kernel_bias", ""}}},
                            {.name = "kernel_bias", .needs = {{"sync_map", "true"}}},
                            {.name = "energy_beta",
                             .lists = PETSC_TRUE,
                             .needs = {{"sync_starts", "0"}},
                             .note = "sync: a list of at most 16; the columns of the table are those of the first."},
                            {.name = "ensemble_target", .needs = {{"sync_starts", "0"}}},
                            {.name = "kernel_moments", .needs = {{"sync_map", "true"}}},
                            NORM_OF_THEORY,
                            {.name = NULL}},
    .idle = "tokens_[!d]*|tokens_dataset|layers_*|attention_[!b]*|mlp_w*|noise_*|scheme_*|ensemble_*|output_every|"
            "output_log|sync_twins|sync_starts|sync_spectrum|sync_exponents|sync_moments",
    .need = {"sync_map", "false"}};

PetscErrorCode SyncCheckOneBeta(void) {
  PetscReal beta[SYNC_BETAS];
  PetscInt n = SYNC_BETAS;

  PetscFunctionBeginUser;
  PetscCall(DeckGetRealList("energy_beta", &n, beta));
  PetscCheck(n == 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "energy_beta = %.6g,%.6g,...: must be one value with sync_map", (double)beta[0], (double)beta[1]);
  PetscFunctionReturn(0);
}

PetscErrorCode SyncCheckLists(void) {
  Laws laws;

  PetscFunctionBeginUser;
  PetscCall(LawsRead(&laws));
  PetscCheck(laws.activations == 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "mlp_activation = %s,%s,...: must be one value without sync_map", laws.activation[0], laws.activation[1]);
  PetscCheck(laws.dims == 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt64_FMT ",%" PetscInt64_FMT ",...: must be one value without sync_map",
             laws.dim[0], laws.dim[1]);
  PetscCall(PetscFree(laws.storage));
  PetscFunctionReturn(0);
}
