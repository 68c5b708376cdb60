/* What study analyze reads. */
#include "study/options.h"

const OptionKey AnalyzeKeys[] = {
    STRING_KEY(AnalyzeOptions, file, "analyze_file", "", .shown = "(needed)", .reads = PETSC_TRUE,
               .help = "What to analyze: a trajectory (.h5md) of simulate, or a results file with the trajectories of "
                       "its realizations beside it; that of a running or killed job counts as far as it goes."),
    INT_KEY(AnalyzeOptions, first, "analyze_first", "0", 0, 2147483647, "frames",
            .help = "First frame, counting recorded frames from 0."),
    INT_KEY(AnalyzeOptions, last, "analyze_last", "-1", -1, 2147483647, "frames",
            .help = "Last frame; -1 for the last recorded one."),
    INT_KEY(AnalyzeOptions, every, "analyze_every", "1", 1, 2147483647, "frames",
            .help = "Frames from one that is analyzed to the next."),
    CHOICE_KEY(AnalyzeOptions, distance, "analyze_distance", "none",
               .words = OPTION_WORDS("none", "first", "previous", "other"),
               .help = "Adds W2^2 and MMD^2 (with attention_beta) of each frame's token measure to that of the first "
                       "analyzed frame, of the one analyzed before, or of the same frame of analyze_other."),
    STRING_KEY(AnalyzeOptions, other, "analyze_other", "", .shown = "(none)", .reads = PETSC_TRUE,
               .needs = {{"analyze_distance", "other"}},
               .help = "File like analyze_file of as many tokens, components and realizations, for analyze_distance "
                       "other."),
    CHOICE_KEY(AnalyzeOptions, transport, "analyze_transport", "auto", .words = OPTION_WORDS("auto", "sliced"),
               .needs = {{"analyze_distance", "!none"}},
               .help = "W2^2: auto, certified, on the circle by its best plan and else by auction to distance_tol; "
                       "sliced, d times the mean over 16 or more projections, a lower bound for very many tokens."),
    FLAG_KEY(AnalyzeOptions, pairs, "analyze_pairs",
             .help = "Adds pair_hist: the histogram of cosines over all pairs of tokens, however many (cosine_hist "
                     "stops at 4096 tokens)."),
    FLAG_KEY(AnalyzeOptions, coordinates, "analyze_coordinates",
             .help = "Adds coordinate_hist: the histogram of each coordinate of the tokens."),
    INT_KEY(AnalyzeOptions, bins, "analyze_bins", "64", 1, 4096, "bins",
            .needs = {{"analyze_pairs|analyze_coordinates", "true"}},
            .help = "Equal bins of [-1,1] of these two histograms."),
    {.name = NULL}};

const OptionTable AnalyzeTable = {
    .study = "analyze",
    .single = PETSC_TRUE,
    .groups = (const OptionGroup[]){{AttentionKeys, "attention_beta|attention_engine|attention_tol"},
                                    {.keys = EnergyKeys},
                                    {EnsembleKeys, "ensemble_groups"},
                                    {OutputKeys, OUTPUT_FILES},
                                    {ExtrasKeys, "!output_radius"},
                                    {.keys = AnalyzeKeys},
                                    {.keys = DistanceKeys},
                                    {.keys = ProgressKeys},
                                    {RunKeys, RUN_ALONE},
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){
        {.name = "attention_beta", .note = "analyze: as recorded unless given."},
        {.name = "energy_beta", .note = "analyze: as recorded unless it or attention_beta is given."},
        {.name = "attention_engine", .note = "analyze: as recorded unless given."},
        {.name = "attention_tol", .note = "analyze: as recorded unless given."},
        {.name = NULL}}};
