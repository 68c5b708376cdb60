/* Keys of attention. beta stops where positions rounded to double precision are still good for 12 digits of e^{beta
 * (<x,y> - 1)}. */
#include <chorale/ensemble.h>
#include <math.h>
#include <string.h>

#include "attention/impl.h"

/* NEIGHBOURS.md (18.1) */
static PetscReal LogarithmOfCount(PetscReal c, PetscReal count) {
  return c * log(count);
}

static PetscErrorCode ResolveTol(MPI_Comm world, char *value, size_t size);

const OptionKey AttentionKeys[] = {
    CHOICE_KEY(AttentionOptions, type, "attention_type", "softmax", .choices = AttentionTypeName,
               .help = "Attention map: softmax; usa, without its denominator; l2, with exp(-|Qx-Ky|^2); sinkhorn, "
                       "scaled to be bistochastic; none."),
    CHOICE_KEY(AttentionOptions, mask, "attention_mask", "none", .words = OPTION_WORDS("none", "causal"),
               .needs = {{"attention_type", "!none"}},
               .help = "Which tokens a token sees: none hides nothing; causal hides those after it in the order of "
                       "tokens (not with sinkhorn)."),
    REAL_KEY(AttentionOptions, beta, "attention_beta", "1", 1e-6, 1e4, "-",
             .prefix = "logN:", .settle_by = "tokens_count", .settle = LogarithmOfCount,
             .help = "Inverse temperature: Q'K = beta I; logN:c is c log N. Also the beta of the energy E_beta, unless "
                     "energy_beta is given."),
    REAL_KEY(AttentionOptions, value, "attention_value", "1", -1e6, 1e6, "1/time",
             .needs = {{"attention_type", "!none"}},
             .help = "Value scale v, V = v I: 1 attracts, -1 repels, 0 switches attention off."),
    STRING_KEY(AttentionOptions, weights, "attention_weights", "", .shown = "(none)", .reads = PETSC_TRUE,
               .input = PETSC_TRUE, .needs = {{"attention_type", "!none"}},
               .help =
                   "HDF5 file with heads/<h>/{Q,K,V}, Q and K k x d, V d x d or with an O beside it, and biases (or "
                   "layers/<l>/heads/<h>): in "
                   "place of sqrt(beta) I, v I; heads add up, times v. Or random: fresh Q and K in every layer, "
                   "whose logits have the standard deviation beta."),
    INT_KEY(AttentionOptions, heads, "attention_heads", "1", 1, 4096, "heads",
            .needs = {{"attention_weights", ATTENTION_RANDOM}}, .help = "Number of random heads."),
    INT_KEY(AttentionOptions, head_dim, "attention_head_dim", "-1", -1, 100000, "-",
            .needs = {{"attention_weights", ATTENTION_RANDOM}},
            .help = "Rows of Q and K of random heads, at most tokens_dim; -1 for tokens_dim."),
    FLAG_KEY(AttentionOptions, random_value, "attention_random_value",
             .needs = {{"attention_weights", ATTENTION_RANDOM}},
             .help = "Random heads draw V, too, with entries of variance 1/d, in place of I."),
    CHOICE_KEY(AttentionOptions, engine, "attention_engine", "auto", .choices = AttentionEngineName,
               .help = "How kernel sums are made: direct visits all pairs of tokens, moments expands them in at most "
                       "20000 harmonics (default weights only), mixture takes clusters of tokens as Gaussian measures "
                       "(tokens_dim at least 8; not sinkhorn, no mask), auto takes the cheapest, mixture where "
                       "attention_tol is at least 1e-6."),
    REAL_KEY(AttentionOptions, tol, "attention_tol", "1e-12", 1e-14, 1e-1, "-",
             .needs = {{"attention_engine", "!direct"}}, .resolve = ResolveTol,
             .help = "Largest error of the kernel e^{beta (u - 1)}, whose maximum is 1, by which attention_engine "
                     "moments chooses its degree, and from 1e-6 on makes a table of attention and noise on the sphere "
                     "in single precision; largest rms error of Att of a mixture, measured in every step, whose "
                     "default is 1e-3."),
    INT_KEY(AttentionOptions, iterations, "attention_sinkhorn_iterations", "100", 1, 1000000, "sweeps",
            .needs = {{"attention_type", "sinkhorn"}},
            .help = "Most iterations that attention_type sinkhorn may take in one step before the run fails."),
    REAL_KEY(AttentionOptions, sinkhorn_tol, "attention_sinkhorn_tol", "1e-12", 1e-14, 1e-1, "-",
             .needs = {{"attention_type", "sinkhorn"}},
             .help = "Largest deviation of a row sum from 1 at which attention_type sinkhorn stops."),
    {.name = NULL}};

/* A mixture has no error near that of moments. */
static PetscErrorCode ResolveTol(MPI_Comm world, char *value, size_t size) {
  char engine[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  (void)world;
  PetscCall(DeckReadText(AttentionKeys, "attention_engine", engine));
  if (!strcmp(engine, AttentionMixture.name)) PetscCall(PetscStrncpy(value, "1e-3", size));
  PetscFunctionReturn(0);
}

static PetscErrorCode ResolveEnergy(MPI_Comm world, char *value, size_t size) {
  char beta[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  (void)world;
  PetscCall(DeckReadText(AttentionKeys, "attention_beta", beta));
  PetscCall(PetscStrncpy(value, beta, size));
  PetscFunctionReturn(0);
}

const OptionKey EnergyKeys[] = {
    REAL_KEY(AttentionOptions, energy_beta, "energy_beta", "", 1e-6, 1e4, "-", .shown = "(same)",
             .resolve = ResolveEnergy,
             .help = "The beta of the energy E_beta; attention_beta unless given. Beyond 700, where e^beta leaves "
                     "double precision, the observable energy is E_beta e^{-beta}."),
    {.name = NULL}};

PetscErrorCode AttentionOptionsRead(AttentionOptions *options) {
  EnsembleOptions ensemble;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(AttentionKeys, options));
  PetscCall(DeckRead(EnergyKeys, options));
  PetscCall(EnsembleOptionsRead(&ensemble));
  options->seed = (uint64_t)ensemble.seed;
  options->depth = 0;
  options->study = NULL;
  PetscFunctionReturn(0);
}
