/* Keys of what a run writes, when it stops and what it says meanwhile. */
#include "run/options.h"

const OptionKey OutputKeys[] = {
    STRING_KEY(OutputOptions, file, "output_file", "", .shown = "STUDY.h5", .help = "Results file (HDF5)."),
    FLAG_KEY(OutputOptions, overwrite, "output_overwrite", .help = "Replace an existing results file."),
    INT_KEY(OutputOptions, every, "output_every", "1", 1, 100000000, "layers",
            .help = "Layers from one recorded frame to the next."),
    INT_KEY(OutputOptions, trajectories, "output_trajectories", "0", 0, 10000000, "runs",
            .help = "Realizations (the first ones) whose token positions are recorded; at most ensemble_realizations."),
    CHOICE_KEY(OutputOptions, precision, "output_precision", "double", .words = OPTION_WORDS("double", "single"),
               .needs = {{"output_trajectories", "!0"}}, .help = "Precision of recorded positions."),
    INT_KEY(OutputOptions, compress, "output_compress", "0", 0, 9, "-", .needs = {{"output_trajectories", "!0"}},
            .help = "Compression level of recorded positions, 0 for none."),
    STRING_KEY(OutputOptions, table, "output_table", "", .shown = "(none)",
               .help = "CSV file for the rows of the study's table, with 17 digits; it may replace an earlier one, no "
                       "other file."),
    {.name = NULL}};

const OptionKey CheckpointKeys[] = {
    INT_KEY(CheckpointOptions, every, "checkpoint_every", "0", 0, 1000000000000, "steps",
            .help = "Steps between checkpoints, counted in the group of ranks that is ahead; 0 for none by steps."),
    REAL_KEY(CheckpointOptions, interval, "checkpoint_interval", "600", 0, 1e9, "s",
             .help = "Seconds between checkpoints; 0 for none by time."),
    FLAG_KEY(CheckpointOptions, resume, "checkpoint_resume",
             .help = "Go on from the last checkpoint of output_file, from the beginning if there is none."),
    REAL_KEY(CheckpointOptions, wall, "checkpoint_walltime", "0", 0, 1e9, "s",
             .help = "Seconds after which the run is killed: it writes a checkpoint and stops in time (exit code 85); "
                     "0 for no limit."),
    STRING_KEY(CheckpointOptions, stop_file, "checkpoint_stop_file", "", .shown = "(none)",
               .help = "The run writes a checkpoint and stops (exit code 85) when this file appears."),
    {.name = NULL}};

const OptionKey ProgressKeys[] = {
    REAL_KEY(ProgressOptions, interval, "progress", "auto", 0, 1e6, "s", .above = PETSC_TRUE,
             .words = OPTION_WORDS("auto", "off"),
             .help = "Progress on stderr: a bar on a terminal and a line every 30 s in a log; off; or seconds between "
                     "lines."),
    {.name = NULL}};
