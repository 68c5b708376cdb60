/* Keys that several studies take. */
#include "study/options.h"

const OptionKey LayersKeys[] = {INT_KEY(LayersOptions, depth, "layers_depth", "150", 1, 100000000, "layers",
                                        .help = "Number L of layers, that is of steps."),
                                REAL_KEY(LayersOptions, horizon, "layers_horizon", "5", 0, 1e9, "time",
                                         .above = PETSC_TRUE, .help = "Time T that the L layers take: a step is T/L."),
                                REAL_KEY(LayersOptions, adaptive, "layers_adaptive", "0", 0, 1, "1/time",
                                         .needs = {{"scheme_type", "flow"}, {"noise_type", "none"}},
                                         .help =
                                             "Error per time that substeps of a layer are fitted to, the largest of "
                                             "any token; 0 for one step a layer."),
                                {.name = NULL}};

/* Of studies that compute W2^2. On the circle its bounds are as near as its method makes them. */
const OptionKey DistanceKeys[] = {
    REAL_KEY(DistanceOptions, tol, "distance_tol", "1e-4", 1e-12, 0.99, "-",
             .needs = {{"tokens_dim", "!2"}, {"analyze_distance", "!none"}, {"analyze_transport", "auto"}},
             .help = "Off the circle: largest certified gap of W2^2, the distance of its upper end, which is the cost "
                     "of a plan, from its lower end, in units of the upper one."),
    {.name = NULL}};

const OptionKey RunKeys[] = {
    FLAG_KEY(RunOptions, dry, "dry_run", .question = PETSC_TRUE,
             .help = "Check the deck, print resolved parameters, memory per rank, how long it would take, and stop."),
    INT_KEY(RunOptions, ranks, "dry_ranks", "0", 0, 1000000, "ranks", .needs = {{"dry_run", "true"}},
            .help =
                "Ranks that a run is planned for; one rank then takes the part of one of them. 0 for those there are."),
    REAL_KEY(RunOptions, latency, "dry_latency", "2", 0, 1e6, "us", .needs = {{"dry_ranks", "!0"}},
             .help = "Of the network between them: the time that a small message takes."),
    REAL_KEY(RunOptions, bandwidth, "dry_bandwidth", "10", 0, 1e6, "GB/s", .above = PETSC_TRUE,
             .needs = {{"dry_ranks", "!0"}}, .help = "And how much a rank sends or receives in a second."),
    FLAG_KEY(RunOptions, verbose, "verbose", .question = PETSC_TRUE,
             .help = "Say before the run all that -dry_run says of the model, in place of five lines."),
    {.name = NULL}};

PetscErrorCode LayersOptionsRead(LayersOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(LayersKeys, options));
  PetscFunctionReturn(0);
}
