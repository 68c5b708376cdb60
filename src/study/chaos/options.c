/* What study chaos reads. */
#include "study/options.h"

const OptionKey ChaosKeys[] = {
    INT_KEY(ChaosOptions, reference, "chaos_reference", "twin", 2, 10000000000, "tokens",
            .words = OPTION_WORDS("quadrature", "twin"),
            .help = "What the measure of N tokens is compared with: a number, one system of so many tokens, N being "
                    "its first N; quadrature, the limit as weighted nodes (d = 2 or 3); twin, a second system of N "
                    "tokens."),
    INT_KEY(ChaosOptions, nodes, "chaos_nodes", "-1", -1, 10000000000, "nodes",
            .needs = {{"chaos_reference", "quadrature"}},
            .help = "Nodes of chaos_reference quadrature, a multiple of 256 (512 k^2 for d = 3); -1 takes 4096 or more "
                    "on the circle and 4608 or more on the sphere, by the largest tokens_count and by "
                    "tokens_kappa."),
    INT_KEY(ChaosOptions, restarts, "chaos_restarts", "0", 0, 1000000, "starts",
            .help = "Fresh starts of every N along the same noise, for the correlation of two tokens given the "
                    "noise."),
    {.name = NULL}};

const OptionTable ChaosTable = {
    .study = "chaos",
    .groups = (const OptionGroup[]){MODEL_KEYS_FROM("!tokens_frame", NULL), /* it has starts beyond the ensemble */
                                    {OutputKeys, OUTPUT_FRAMES},
                                    {.keys = ChaosKeys},
                                    {.keys = DistanceKeys},
                                    {CheckpointKeys, "!checkpoint_keep"},
                                    RUN_KEYS,
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){{.name = "tokens_count", .lists = PETSC_TRUE},
                                   {.name = "noise_independent", .needs = {{"chaos_reference", "!quadrature"}}},
                                   {.name = NULL}}};
