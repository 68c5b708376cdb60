/* What study spde reads. */
#include "study/options.h"

const OptionKey SpdeKeys[] = {
    CHOICE_KEY(SpdeOptions, particles, "spde_particles", "iid", .words = OPTION_WORDS("iid", "quadrature"),
               .help = "The tokens coupled to the density: independent draws of its initial law, or nodes of a "
                       "quadrature rule with the density in their weights (tokens_count 2 n^2 for d = 3)."),
    INT_KEY(SpdeOptions, snapshots, "spde_snapshots", "64", 0, 100000, "frames",
            .help = "Most frames of realization 0 whose density, spectrum and tokens are recorded; they are chosen "
                    "evenly."),
    {.name = NULL}};

const OptionTable SpdeTable = {
    .study = "spde",
    .groups = (const OptionGroup[]){MODEL_KEYS,
                                    {.keys = EnergyKeys},
                                    {OutputKeys, OUTPUT_FRAMES},
                                    {.keys = DensityKeys},
                                    {.keys = SpdeKeys},
                                    {CheckpointKeys, "!checkpoint_keep"},
                                    RUN_KEYS,
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){
        {.name = "noise_type", .preset = "spectral", .note = "spde: spectral or none."},
        {.name = "scheme_type", .preset = "flow", .note = "spde: flow or euler."},
        {.name = "noise_independent", .needs = {{"spde_particles", "!quadrature"}, {"tokens_init", "!quadrature"}}},
        NORM_OF_THEORY,
        {.name = NULL}}};
