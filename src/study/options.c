/* Keys that several studies take. */
#include "study/options.h"

const OptionKey LayersKeys[] = {INT_KEY(LayersOptions, depth, "layers_depth", "150", 1, 100000000, "layers",
                                        .help = "Number L of layers, that is of steps."),
                                REAL_KEY(LayersOptions, horizon, "layers_horizon", "5", 0, 1e9, "time",
                                         .above = PETSC_TRUE, .help = "Time T that the L layers take: a step is T/L."),
                                {.name = NULL}};

const OptionKey RunKeys[] = {
    FLAG_KEY(RunOptions, dry, "dry_run", .question = PETSC_TRUE,
             .help = "Check the deck, print resolved parameters, memory and cost per rank, and stop."),
    {.name = NULL}};

PetscErrorCode LayersOptionsRead(LayersOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(LayersKeys, options));
  PetscFunctionReturn(0);
}
