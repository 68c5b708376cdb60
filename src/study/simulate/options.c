/* What study simulate reads. */
#include "study/options.h"
#include "study/simulate/levels.h"

const OptionTable SimulateTable = {
    .study = "simulate",
    .groups = (const OptionGroup[]){{.keys = StartKeys},
                                    {.keys = LayersKeys},
                                    {.keys = AttentionKeys},
                                    {.keys = MlpKeys},
                                    {.keys = NoiseKeys},
                                    {.keys = SchemeKeys},
                                    {.keys = LevelsKeys}, /* of the section scheme, too */
                                    {.keys = EnsembleKeys},
                                    {.keys = TargetKeys},
                                    {.keys = ControlKeys},
                                    {.keys = EnergyKeys},
                                    {.keys = OutputKeys},
                                    {.keys = ExtrasKeys},
                                    {.keys = CheckpointKeys},
                                    RUN_KEYS,
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){{.name = "output_every", .resolve = LevelsResolveEvery}, {.name = NULL}}};
