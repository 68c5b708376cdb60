/* Keys of the noise, and of the MLP that is its law. */
#include <chorale/ensemble.h>

#include "noise/impl.h"

static const char *ActivationName(PetscInt i) {
  const Activation *activation = ActivationGet(i);
  return activation ? activation->name : NULL;
}

const OptionKey MlpKeys[] = {
    CHOICE_KEY(NoiseOptions, activation, "mlp_activation", "relu", .choices = ActivationName,
               .needs = {{"noise_type", "!values|none"}},
               .help = "Activation sigma of the hidden layer; leaky_relu has slope 0.01, gelu is exact."),
    INT_KEY(NoiseOptions, width, "mlp_width", "512", 1, 10000000, "units", .needs = {{"noise_type", "mlp"}},
            .help = "Number m of hidden units."),
    CHOICE_KEY(NoiseOptions, weights, "mlp_weights", "gaussian", .choices = NoiseWeightsName,
               .needs = {{"noise_type", "mlp"}},
               .help = "Law of the entries of W, of mean 0 and variance 1; U and the biases are Gaussian, so that k(u) "
                       "and the limit of infinite width are the same for all."),
    REAL_KEY(NoiseOptions, bias_u, "mlp_bias_u", "0", 0, 1e3, "-", .needs = {{"noise_type", "!values|none"}},
             .help = "Standard deviation of the hidden biases b_U."),
    REAL_KEY(NoiseOptions, bias_w, "mlp_bias_w", "0", 0, 1e3, "-", .needs = {{"noise_type", "!values|none"}},
             .help = "Standard deviation of the output bias b_W."),
    {.name = NULL}};

const OptionKey NoiseKeys[] = {
    CHOICE_KEY(NoiseOptions, type, "noise_type", "mlp", .choices = NoiseTypeName,
               .help =
                   "Random field that moves all tokens: mlp, a fresh random MLP in every layer; its limit of "
                   "infinite width as spectral, a sum of harmonics, or gram, exact at up to 2048 tokens; values, V x "
                   "with a fresh random matrix V; none."),
    INT_KEY(NoiseOptions, degree, "noise_degree", "-1", -1, 100000, "-", .needs = {{"noise_type", "spectral"}},
            .help = "Largest degree of the harmonics of noise_type spectral; -1 chooses it from noise_tol."),
    REAL_KEY(NoiseOptions, tol, "noise_tol", "1e-5", 1e-12, 0.5, "-",
             .needs = {{"noise_type", "spectral"}, {"noise_degree", "-1"}},
             .help = "Share of the variance k(1) that noise_type spectral may leave out when it chooses its degree."),
    REAL_KEY(NoiseOptions, independent, "noise_independent", "0", 0, 1e6, "1/time",
             .help = "Diffusion kappa of every token on its own, beside the field that is common to all: the density "
                     "gains kappa Laplacian."),
    {.name = NULL}};

PetscErrorCode NoiseOptionsRead(NoiseOptions *options) {
  EnsembleOptions ensemble;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(MlpKeys, options));
  PetscCall(DeckRead(NoiseKeys, options));
  PetscCall(EnsembleOptionsRead(&ensemble));
  options->seed = (uint64_t)ensemble.seed;
  PetscFunctionReturn(0);
}
