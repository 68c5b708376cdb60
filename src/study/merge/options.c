/* What study merge reads; the study of the files brings its own keys. */
#include "study/options.h"

const OptionKey MergeKeys[] = {
    STRING_KEY(MergeOptions, files, "merge_files", "", .shown = "(needed)", .lists = PETSC_TRUE, .reads = PETSC_TRUE,
               .help = "Results files to join, in the order in which their realizations shall stand, separated by "
                       "commas: of one study and deck, but with other seeds."),
    {.name = NULL}};

const OptionTable MergeTable = {
    .study = "merge",
    .single = PETSC_TRUE,
    .groups =
        (const OptionGroup[]){{.keys = MergeKeys}, {OutputKeys, OUTPUT_FILES}, {RunKeys, RUN_ALONE}, {.keys = NULL}}};
