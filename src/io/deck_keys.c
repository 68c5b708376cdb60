/* Every key that a study reads, and what a value of it may be. */
#include "io/deck_keys.h"

#include <chorale/deck.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIMULATE = 1, KERNEL = 2, LIMITS = 4, CHAOS = 8, SYNC = 16, SPDE = 32, ANALYZE = 64 };
enum { RUNS = SIMULATE | LIMITS | CHAOS | SYNC | SPDE, ALL = RUNS | KERNEL };
static const struct {
  const char *name;
  unsigned bit;
} studies[] = {{"simulate", SIMULATE}, {"kernel", KERNEL}, {"limits", LIMITS},  {"chaos", CHAOS},
               {"sync", SYNC},         {"spde", SPDE},     {"analyze", ANALYZE}};

#define INT(key, default_, min, max, unit_, studies_, lists_, help_)                                                   \
  {                                                                                                                    \
    .name = key, .type = KEY_INT, .preset = default_, .least = min, .most = max, .unit = unit_, .studies = studies_,   \
    .lists = lists_, .help = help_                                                                                     \
  }
#define REAL(key, default_, above_, min, max, unit_, studies_, lists_, help_)                                          \
  {                                                                                                                    \
    .name = key, .type = KEY_REAL, .preset = default_, .above = above_, .low = min, .high = max, .unit = unit_,        \
    .studies = studies_, .lists = lists_, .help = help_                                                                \
  }
#define CHOICE(key, default_, choices_, studies_, lists_, help_)                                                       \
  {                                                                                                                    \
    .name = key, .type = KEY_CHOICE, .preset = default_, .choices = choices_, .unit = "-", .studies = studies_,        \
    .lists = lists_, .help = help_                                                                                     \
  }
#define STRING(key, default_, shown_, studies_, help_)                                                                 \
  {                                                                                                                    \
    .name = key, .type = KEY_STRING, .preset = default_, .shown = shown_, .unit = "-", .studies = studies_,            \
    .help = help_                                                                                                      \
  }
#define FLAG(key, studies_, help_)                                                                                     \
  { .name = key, .type = KEY_FLAG, .preset = "false", .unit = "-", .studies = studies_, .help = help_ }

/* beta stops where positions rounded to double precision are still good for 12 digits of e^{beta (<x,y> - 1)}. */
static const DeckKey keys[] = {
    INT("tokens_count", "64", 1, 10000000000, "tokens", RUNS, LIMITS | CHAOS,
        "Number N of tokens. A file of tokens has its own."),
    INT("tokens_dim", "3", 2, 4096, "-", ALL, KERNEL | SYNC,
        "Dimension d; the unit sphere is S^(d-1). A file of tokens has its own."),
    CHOICE("tokens_init", "uniform", "uniform|quadrature|vmf|clusters|harmonic|file", RUNS, 0,
           "Law of the tokens at time 0: independent uniform; nodes and weights of a quadrature rule (d = 2 or 3); von "
           "Mises-Fisher; a mixture of von Mises-Fisher clusters; uniform perturbed by a harmonic; rows of a file."),
    REAL("tokens_kappa", "10", PETSC_TRUE, 0, 1e8, "-", RUNS, 0,
         "Concentration of tokens_init vmf, and of each of its clusters."),
    INT("tokens_clusters", "2", 1, 1000000, "clusters", RUNS, 0, "Number of clusters of tokens_init clusters."),
    INT("tokens_harmonic", "3", 1, 4096, "-", RUNS, 0,
        "Degree n of tokens_init harmonic: density 1 + a Re (x_1 + i x_2)^n times the uniform one."),
    REAL("tokens_amplitude", "0.5", PETSC_FALSE, -1, 1, "-", RUNS, 0, "Amplitude a of tokens_init harmonic."),
    STRING("tokens_file", "", "(none)", RUNS,
           "File of tokens_init file: N x d numbers, one token per row (normalised), HDF5 or .npy."),
    STRING("tokens_dataset", "tokens", NULL, RUNS, "Dataset of tokens_file if that is HDF5."),
    INT("layers_depth", "150", 1, 100000000, "layers", RUNS, LIMITS, "Number L of layers, that is of steps."),
    REAL("layers_horizon", "5", PETSC_TRUE, 0, 1e9, "time", RUNS, 0, "Time T that the L layers take: a step is T/L."),
    CHOICE("attention_type", "softmax", "softmax|usa|l2|sinkhorn|none", RUNS, 0,
           "Attention map: softmax; usa, without its denominator; l2, with exp(-|Qx-Ky|^2); sinkhorn, scaled to be "
           "bistochastic; "
           "none."),
    REAL(
        "attention_beta", "1", PETSC_FALSE, 1e-6, 1e4, "-", ALL | ANALYZE, KERNEL,
        "Inverse temperature: Q'K = beta I. Also the beta of the energy E_beta; beyond 700, where e^beta leaves double "
        "precision, the observable energy is E_beta e^{-beta}. analyze: as recorded unless given."),
    REAL("attention_value", "1", PETSC_FALSE, -1e6, 1e6, "1/time", RUNS, 0,
         "Value scale v, V = v I: 1 attracts, -1 repels, 0 switches attention off."),
    STRING("attention_weights", "", "(none)", RUNS,
           "HDF5 file with heads/<h>/{Q,K,V}, d x d each: Q, K, v V in place of sqrt(beta) I, v I; heads add up."),
    CHOICE("attention_engine", "auto", "auto|direct|moments", RUNS | ANALYZE, 0,
           "How kernel sums are made: direct visits all pairs of tokens, moments expands them in at most 20000 "
           "harmonics (default weights only), auto takes the cheaper. analyze: as recorded unless given, likewise "
           "attention_tol."),
    REAL("attention_tol", "1e-12", PETSC_FALSE, 1e-14, 1e-1, "-", RUNS | ANALYZE, 0,
         "Largest error of the kernel e^{beta (u - 1)}, whose maximum is 1, by which attention_engine moments chooses "
         "its "
         "degree."),
    INT("attention_sinkhorn_iterations", "100", 1, 1000000, "sweeps", RUNS, 0,
        "Most iterations that attention_type sinkhorn may take in one step before the run fails."),
    REAL("attention_sinkhorn_tol", "1e-12", PETSC_FALSE, 1e-14, 1e-1, "-", RUNS, 0,
         "Largest deviation of a row sum from 1 at which attention_type sinkhorn stops."),
    CHOICE("mlp_activation", "relu", DeckChoicesOfActivation + 1, ALL, KERNEL | SYNC,
           "Activation sigma of the hidden layer; leaky_relu has slope 0.01, gelu is exact."),
    {.name = "mlp_width",
     .type = KEY_INT,
     .preset = "512",
     .choices = "inf",
     .words = LIMITS,
     .least = 1,
     .most = 10000000,
     .unit = "units",
     .studies = RUNS,
     .lists = LIMITS,
     .help = "Number m of hidden units."},
    REAL("mlp_bias_u", "0", PETSC_FALSE, 0, 1e3, "-", ALL, 0, "Standard deviation of the hidden biases b_U."),
    REAL("mlp_bias_w", "0", PETSC_FALSE, 0, 1e3, "-", ALL, 0, "Standard deviation of the output bias b_W."),
    CHOICE("noise_type", "mlp", "mlp|spectral|gram|none", RUNS, 0,
           "Random field that moves all tokens: mlp, a fresh random MLP in every layer; its limit of infinite width as "
           "spectral, a sum of harmonics, or gram, exact at up to 2048 tokens; none. spde: spectral (unless given) or "
           "none."),
    INT("noise_degree", "-1", -1, 100000, "-", RUNS, 0,
        "Largest degree of the harmonics of noise_type spectral; -1 chooses it from noise_tol."),
    REAL("noise_tol", "1e-5", PETSC_FALSE, 1e-12, 0.5, "-", RUNS, 0,
         "Share of the variance k(1) that noise_type spectral may leave out when it chooses its degree."),
    CHOICE(
        "scheme_type", "layer", "layer|euler|heun|flow", RUNS, 0,
        "One step of the tokens: layer, the transformer's attention, MLP and layer norm; for the limit SDE euler "
        "(Ito), heun and flow (Stratonovich; flow is RK4 with the field frozen). spde: flow (unless given) or euler."),
    INT("ensemble_realizations", "1", 1, 10000000, "runs", RUNS, 0, "Number R of independent realizations."),
    INT("ensemble_seed", "1", 0, 9223372036854775807, "-", RUNS, 0, "Seed of all random draws."),
    {.name = "ensemble_groups",
     .type = KEY_INT,
     .preset = "auto",
     .choices = "auto",
     .least = 1,
     .most = 2147483647,
     .unit = "groups",
     .studies = RUNS | ANALYZE,
     .help = "Groups of ranks, each with one realization at a time; a divisor of the number of ranks."},
    STRING("output_file", "", "STUDY.h5", RUNS | ANALYZE, "Results file (HDF5)."),
    FLAG("output_overwrite", RUNS | ANALYZE, "Replace an existing results file."),
    INT("output_every", "1", 1, 100000000, "layers", RUNS & ~LIMITS, 0, "Layers from one recorded frame to the next."),
    INT("output_trajectories", "0", 0, 10000000, "runs", SIMULATE, 0,
        "Realizations (the first ones) whose token positions are recorded; at most ensemble_realizations."),
    CHOICE("output_precision", "double", "double|single", SIMULATE, 0, "Precision of recorded positions."),
    INT("output_compress", "0", 0, 9, "-", SIMULATE, 0, "Compression level of recorded positions, 0 for none."),
    STRING("output_table", "", "(none)", ALL | ANALYZE,
           "CSV file for the rows of the study's table, with 17 digits; it may replace an earlier one, no other file."),
    {.name = "limits_reference",
     .type = KEY_INT,
     .preset = "",
     .shown = "8 x depth",
     .least = 1,
     .most = 100000000,
     .unit = "steps",
     .studies = LIMITS,
     .help =
         "Steps of the limit SDE that the transformers are compared with; every layers_depth divides it. Its scheme "
         "is scheme_type (heun unless given), its noise spectral or gram."},
    CHOICE("limits_coupling", "tokens", "tokens|harmonics|none", LIMITS, 0,
           "How finite widths share the normals of the limit: square roots of the Gram matrices at the tokens; of the "
           "coefficients' covariance in harmonics (of the activation cut off at noise_degree); none, own weights."),
    REAL("kernel_bias", "", PETSC_FALSE, 0, 1e3, "-", KERNEL | SYNC, KERNEL | SYNC,
         "Both standard deviations at once: each value stands for mlp_bias_u = mlp_bias_w. In sync for sync_map."),
    INT("kernel_degree", "-1", -1, 1000, "-", KERNEL, 0,
        "Adds the Schoenberg coefficients c_0 .. c_n to the table; -1 for none."),
    {.name = "chaos_reference",
     .type = KEY_INT,
     .preset = "twin",
     .choices = "quadrature|twin",
     .least = 2,
     .most = 10000000000,
     .unit = "tokens",
     .studies = CHAOS,
     .help =
         "What the measure of N tokens is compared with: a number, one system of so many tokens, N being its first N; "
         "quadrature, the limit as weighted nodes (d = 2 or 3); twin, a second system of N tokens."},
    INT("chaos_nodes", "-1", -1, 10000000000, "nodes", CHAOS, 0,
        "Nodes of chaos_reference quadrature, a multiple of 256 (512 k^2 for d = 3); -1 takes 4096 or more on the "
        "circle, by "
        "the largest tokens_count, and 4608 on the sphere (more for a large tokens_kappa)."),
    INT("chaos_restarts", "0", 0, 1000000, "starts", CHAOS, 0,
        "Fresh starts of every N along the same noise, for the correlation of two tokens given the noise."),
    INT("spde_degree", "-1", -1, 4096, "-", SPDE, 0,
        "Highest degree of the density's harmonics, above the noise's; -1 takes 512 on the circle (most 4096) and 64 "
        "on the "
        "sphere (most 256)."),
    REAL("spde_tol", "1e-4", PETSC_TRUE, 0, 1, "-", SPDE, 0,
         "Share of the density's norm in the upper third of its degrees at which it has outgrown them: the comparison "
         "of "
         "that realization stops."),
    REAL("spde_hyperviscosity", "0", PETSC_FALSE, 0, 1e9, "1/time", SPDE, 0,
         "Extra decay of the highest degree, falling like the eighth power of the degree; 0 for none."),
    CHOICE(
        "spde_particles", "iid", "iid|quadrature", SPDE, 0,
        "The tokens coupled to the density: independent draws of its initial law, or nodes of a quadrature rule with "
        "the density in their weights (tokens_count 2 n^2 for d = 3)."),
    INT("spde_snapshots", "64", 0, 100000, "frames", SPDE, 0,
        "Frames of realization 0 whose density, spectrum and tokens are recorded, evenly chosen; at most."),
    INT("checkpoint_every", "0", 0, 1000000000000, "steps", RUNS, 0,
        "Steps between checkpoints, counted in the group of ranks that is ahead; 0 for none by steps."),
    REAL("checkpoint_interval", "600", PETSC_FALSE, 0, 1e9, "s", RUNS, 0,
         "Seconds between checkpoints; 0 for none by time."),
    FLAG("checkpoint_resume", RUNS,
         "Go on from the last checkpoint of output_file, from the beginning if there is none."),
    REAL("checkpoint_walltime", "0", PETSC_FALSE, 0, 1e9, "s", RUNS, 0,
         "Seconds after which the run is killed: it writes a checkpoint and stops in time (exit code 85); 0 for no "
         "limit."),
    STRING("checkpoint_stop_file", "", "(none)", RUNS,
           "The run writes a checkpoint and stops (exit code 85) when this file appears."),
    FLAG("sync_map", SYNC,
         "Draw the phase map of the theory over the lists mlp_activation, tokens_dim, kernel_bias; nothing is "
         "simulated."),
    {.name = "sync_twins",
     .type = KEY_INT,
     .preset = "auto",
     .choices = "auto",
     .least = 0,
     .most = 10000000000,
     .unit = "tokens",
     .studies = SYNC,
     .help = "Tokens (the first ones) with a twin that measures the Lyapunov exponent; auto gives one to every token. "
             "Twins cost as much as tokens."},
    STRING("analyze_file", "", "(needed)", ANALYZE,
           "What to analyze: a trajectory (.h5md) of simulate, or a results file with the trajectories of its "
           "realizations beside it; that of a running or killed job counts as far as it goes."),
    INT("analyze_first", "0", 0, 2147483647, "frames", ANALYZE, 0, "First frame, counting recorded frames from 0."),
    INT("analyze_last", "-1", -1, 2147483647, "frames", ANALYZE, 0, "Last frame; -1 for the last recorded one."),
    INT("analyze_every", "1", 1, 2147483647, "frames", ANALYZE, 0, "Frames from one that is analyzed to the next."),
    CHOICE(
        "analyze_distance", "none", "none|first|previous|other", ANALYZE, 0,
        "Adds W2^2 and MMD^2 (with attention_beta) of each frame's token measure to that of the first analyzed frame, "
        "of the one analyzed before, or of the same frame of analyze_other."),
    STRING("analyze_other", "", "(none)", ANALYZE,
           "File like analyze_file of as many tokens, components and realizations, for analyze_distance other."),
    CHOICE("analyze_transport", "auto", "auto|sinkhorn|sliced", ANALYZE, 0,
           "W2^2: auto, the best plan on the circle for d = 2, assignment for equal weights up to 2048 "
           "tokens, else sinkhorn up to 4096 tokens and sliced beyond; sinkhorn, within about 1%; sliced, d times the "
           "mean over 16 or more projections, "
           "a lower bound."),
    FLAG("analyze_pairs", ANALYZE,
         "Adds pair_hist: the histogram of cosines over all pairs of tokens, however many (cosine_hist stops at 4096 "
         "tokens)."),
    FLAG("analyze_coordinates", ANALYZE, "Adds coordinate_hist: the histogram of each coordinate of the tokens."),
    INT("analyze_bins", "64", 1, 4096, "bins", ANALYZE, 0, "Equal bins of [-1,1] of these two histograms."),
    {.name = "progress",
     .type = KEY_REAL,
     .preset = "auto",
     .choices = "auto|off",
     .low = 0,
     .high = 1e6,
     .above = PETSC_TRUE,
     .unit = "s",
     .studies = RUNS | ANALYZE,
     .help = "Progress on stderr: a bar on a terminal and a line every 30 s in a log; off; or seconds between lines."},
    FLAG("dry_run", ALL | ANALYZE, "Check the deck, print resolved parameters, memory and cost per rank, and stop."),
};
#define KEYS ((PetscInt)(sizeof(keys) / sizeof(keys[0])))
_Static_assert(sizeof(keys) / sizeof(keys[0]) <= DECK_KEYS_MAX, "raise DECK_KEYS_MAX");

const DeckKey *DeckKeyGet(PetscInt i) {
  return i >= 0 && i < KEYS ? &keys[i] : NULL;
}

const DeckKey *DeckKeyFind(const char *name) {
  for (PetscInt i = 0; i < KEYS; i++) {
    if (!strcmp(keys[i].name, name)) return &keys[i];
  }
  return NULL;
}

DeckKey DeckKeyOf(const DeckKey *key, unsigned study) {
  DeckKey known = *key;
  if (known.words && !(known.words & study)) known.choices = NULL;
  return known;
}

unsigned DeckStudyBit(const char *study) {
  for (size_t i = 0; i < sizeof(studies) / sizeof(studies[0]); i++) {
    if (!strcmp(studies[i].name, study)) return studies[i].bit;
  }
  return 0;
}

size_t DeckKeySection(const char *name) {
  /* progress and dry_run have no section: they stand for themselves */
  return strcmp(name, "dry_run") ? strcspn(name, "_") : strlen(name);
}

PetscBool DeckTextToInt(const char *text, PetscInt64 *value) {
  char *end;
  const char *digits = text + (*text == '-' || *text == '+');
  if (!isdigit((unsigned char)*digits)) return PETSC_FALSE;
  errno = 0;
  *value = strtoll(text, &end, 10);
  return *end || errno ? PETSC_FALSE : PETSC_TRUE;
}

PetscBool DeckTextToReal(const char *text, PetscReal *value) {
  char *end;
  /* strtod alone would take nan, inf, hexadecimal numbers and leading blanks */
  if (!*text || text[strspn(text, "+-0123456789.eE")]) return PETSC_FALSE;
  *value = strtod(text, &end);
  return *end || !isfinite(*value) ? PETSC_FALSE : PETSC_TRUE;
}

PetscBool DeckTextToFlag(const char *text, PetscBool *value) {
  static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
  for (int v = 0; v < 2; v++) {
    for (int i = 0; i < 4; i++) {
      if (!strcmp(text, words[v][i])) return *value = v ? PETSC_TRUE : PETSC_FALSE, PETSC_TRUE;
    }
  }
  return PETSC_FALSE;
}

static PetscBool IsChoice(const char *choices, const char *value) {
  const size_t n = strlen(value);
  for (const char *c = choices; n && c && *c; c += strcspn(c, "|"), c += *c == '|') {
    if (strcspn(c, "|") == n && !strncmp(c, value, n)) return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

void DeckKeyAllowed(const DeckKey *key, char *buffer, size_t size) {
  char words[256] = "";
  if (key->choices) {
    snprintf(words, sizeof(words), "%s", key->choices);
    for (char *c = words; *c; c++) {
      if (*c == '|') *c = ' ';
    }
  }
  switch (key->type) {
  case KEY_INT:
    snprintf(buffer, size, "%s%san integer from %lld to %lld", words, *words ? " or " : "", (long long)key->least,
             (long long)key->most);
    break;
  case KEY_REAL:
    if (key->above)
      snprintf(buffer, size, "%s%sa number > %g and <= %g", words, *words ? " or " : "", key->low, key->high);
    else
      snprintf(buffer, size, "%s%sa number from %g to %g", words, *words ? " or " : "", key->low, key->high);
    break;
  case KEY_CHOICE:
    snprintf(buffer, size, "%s%s", strchr(words, ' ') ? "one of: " : "", words);
    break;
  case KEY_STRING:
    snprintf(buffer, size, "text of 1 to %d characters", PETSC_MAX_PATH_LEN - 1);
    break;
  case KEY_FLAG:
    snprintf(buffer, size, "true or false");
    break;
  }
}

const char *DeckKeyCheck(const DeckKey *key, const char *value, char *buffer, size_t size) {
  PetscInt64 i;
  PetscReal x;
  PetscBool flag, right = PETSC_FALSE;
  switch (key->type) {
  case KEY_INT:
    right = DeckTextToInt(value, &i) && i >= key->least && i <= key->most;
    break;
  case KEY_REAL:
    right = DeckTextToReal(value, &x) && (key->above ? x > key->low : x >= key->low) && x <= key->high;
    break;
  case KEY_CHOICE:
    break;
  case KEY_STRING:
    right = *value && strlen(value) < PETSC_MAX_PATH_LEN;
    break;
  case KEY_FLAG:
    right = DeckTextToFlag(value, &flag);
    break;
  }
  if (right || IsChoice(key->choices, value)) return NULL;
  DeckKeyAllowed(key, buffer, size);
  return buffer;
}

/* Levenshtein distance, upper and lower case alike. */
static size_t Distance(const char *a, const char *b) {
  enum { MOST = 64 };
  size_t row[MOST + 1], n = strlen(b);
  if (n > MOST || strlen(a) > MOST) return MOST;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 0; a[i]; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t change = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
      size_t gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      diagonal = row[j + 1];
      row[j + 1] = change < gap ? change : gap;
    }
  }
  return row[n];
}

const DeckKey *DeckKeyNearest(const char *name, unsigned study) {
  const DeckKey *best = NULL;
  size_t least = strlen(name) / 4 + 2; /* nearest means nearer than this */
  for (PetscInt i = 0; i < KEYS; i++) {
    if (!(keys[i].studies & study)) continue;
    /* the section may have been forgotten: count for tokens_count */
    const size_t section = DeckKeySection(keys[i].name);
    size_t distance = Distance(name, keys[i].name);
    if (keys[i].name[section] && !strcmp(keys[i].name + section + 1, name)) distance = 1;
    if (distance < least) best = &keys[i], least = distance;
  }
  return best;
}
