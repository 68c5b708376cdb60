/* What study simulate reads. */
#include "study/options.h"

const OptionTable SimulateTable = {.study = "simulate",
                                   .groups = (const OptionGroup[]){MODEL_KEYS,
                                                                   {.keys = TargetKeys},
                                                                   {.keys = EnergyKeys},
                                                                   {.keys = OutputKeys},
                                                                   {.keys = ExtrasKeys},
                                                                   {.keys = CheckpointKeys},
                                                                   RUN_KEYS,
                                                                   {.keys = NULL}}};
