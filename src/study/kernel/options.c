/* What study kernel reads: lists, whose combinations are the rows of its table. */
#include "study/options.h"

const OptionKey KernelKeys[] = {
    {.name = "kernel_bias",
     .type = KEY_REAL,
     .preset = "",
     .low = 0,
     .high = 1e3,
     .unit = "-",
     .lists = PETSC_TRUE,
     .help = "Both standard deviations at once: each value stands for mlp_bias_u = mlp_bias_w."},
    INT_KEY(KernelOptions, degree, "kernel_degree", "-1", -1, 1000, "-",
            .help = "Adds the Schoenberg coefficients c_0 .. c_n to the table; -1 for none."),
    FLAG_KEY(KernelOptions, values, "kernel_values",
             .help =
                 "Adds, for random values at barycentres (of tokens_dim and attention_beta alone), the exponent of "
                 "two opposite tokens, which attract where it is negative, and the share of uniform pairs that ends "
                 "there."),
    {.name = NULL}};

const OptionTable KernelTable = {.study = "kernel",
                                 .groups = (const OptionGroup[]){{StartKeys, "tokens_dim"},
                                                                 {AttentionKeys, "attention_beta"},
                                                                 {MlpKeys, "!mlp_width"},
                                                                 {OutputKeys, "output_table"},
                                                                 {.keys = KernelKeys},
                                                                 {.keys = RunKeys},
                                                                 {.keys = NULL}},
                                 .changes = (const OptionKey[]){{.name = "tokens_dim", .lists = PETSC_TRUE},
                                                                {.name = "attention_beta", .lists = PETSC_TRUE},
                                                                {.name = "mlp_activation", .lists = PETSC_TRUE},
                                                                {.name = "mlp_bias_u", .needs = {{"kernel_bias", ""}}},
                                                                {.name = "mlp_bias_w", .needs = {{"kernel_bias", ""}}},
                                                                {.name = NULL}}};
