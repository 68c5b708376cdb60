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
    FLAG_KEY(KernelOptions, spectrum, "kernel_spectrum",
             .help = "Adds the other Lyapunov exponents of the noise, lambda2 to that of d - 1 for the largest "
                     "tokens_dim, and the Kaplan-Yorke dimension."),
    {.name = "kernel_moments",
     .type = KEY_REAL,
     .preset = "",
     .low = -1e3,
     .high = 1e3,
     .unit = "-",
     .lists = PETSC_TRUE,
     .help =
         "Adds for each value p the moment Lyapunov exponent Lambda(p), the growth of E|v|^p, and its root p*; in a "
         "map the bias beyond which Lambda(p) < 0 as well, with a row for each p > 0."},
    INT_KEY(KernelOptions, growth, "kernel_growth", "0", 0, 1000, "degrees",
            .help = "Adds for each degree n from 1 to this one the growth rate near the uniform law of the mean of "
                    "degree n under softmax attention alone, and beside the noise, and the n that grows fastest; 0 for "
                    "none."),
    FLAG_KEY(KernelOptions, values, "kernel_values",
             .help =
                 "Adds, for random values at barycentres (of tokens_dim and attention_beta alone), the exponent of "
                 "two opposite tokens, which attract where it is negative, and the share of uniform pairs that ends "
                 "there."),
    {.name = NULL}};

const OptionTable KernelTable = {
    .study = "kernel",
    .groups = (const OptionGroup[]){{StartKeys, "tokens_dim"},
                                    {AttentionKeys, "attention_beta|attention_value"},
                                    {MlpKeys, "!mlp_w*"},
                                    {OutputKeys, "output_table"},
                                    {.keys = KernelKeys},
                                    {RunKeys, RUN_ALONE},
                                    {.keys = NULL}},
    .changes = (const OptionKey[]){{.name = "tokens_dim", .lists = PETSC_TRUE},
                                   {.name = "attention_beta", .lists = PETSC_TRUE},
                                   {.name = "attention_value", .needs = {{"kernel_growth", "!0"}}},
                                   {.name = "mlp_activation", .lists = PETSC_TRUE},
                                   {.name = "mlp_bias_u", .needs = {{"kernel_bias", ""}}},
                                   {.name = "mlp_bias_w", .needs = {{"kernel_bias", ""}}},
                                   {.name = NULL}}};
