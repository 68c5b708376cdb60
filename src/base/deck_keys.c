/* Every key that a study reads, and what a value of it may be. */
#include "base/deck_keys.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIMULATE = 1, KERNEL = 2, BOTH = SIMULATE | KERNEL };
static const struct {
  const char *name;
  unsigned bit;
} studies[] = {{"simulate", SIMULATE}, {"kernel", KERNEL}};

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
    INT("tokens_count", "64", 1, 10000000000, "tokens", SIMULATE, 0,
        "Number N of tokens. A file of tokens has its own."),
    INT("tokens_dim", "3", 2, 4096, "-", BOTH, KERNEL,
        "Dimension d; the unit sphere is S^(d-1). A file of tokens has its own."),
    CHOICE("tokens_init", "uniform", "uniform|quadrature|vmf|clusters|file", SIMULATE, 0,
           "Law of the tokens at time 0: independent uniform; nodes and weights of a quadrature rule (d = 2 or 3); von "
           "Mises-Fisher; a mixture of von Mises-Fisher clusters; rows of a file."),
    REAL("tokens_kappa", "10", PETSC_TRUE, 0, 1e8, "-", SIMULATE, 0,
         "Concentration of tokens_init vmf, and of each of its clusters."),
    INT("tokens_clusters", "2", 1, 1000000, "clusters", SIMULATE, 0, "Number of clusters of tokens_init clusters."),
    STRING("tokens_file", "", "(none)", SIMULATE,
           "File of tokens_init file: N x d numbers, one token per row (normalised), HDF5 or .npy."),
    STRING("tokens_dataset", "tokens", NULL, SIMULATE, "Dataset of tokens_file if that is HDF5."),
    INT("layers_depth", "150", 1, 100000000, "layers", SIMULATE, 0, "Number L of layers, that is of steps."),
    REAL("layers_horizon", "5", PETSC_TRUE, 0, 1e9, "time", SIMULATE, 0,
         "Time T that the L layers take: a step is T/L."),
    CHOICE("attention_type", "softmax", "softmax|usa|l2|sinkhorn|none", SIMULATE, 0,
           "Attention map: softmax; usa, without its denominator; l2, with exp(-|Qx-Ky|^2); sinkhorn, scaled to be "
           "bistochastic; "
           "none."),
    REAL(
        "attention_beta", "1", PETSC_FALSE, 1e-6, 1e4, "-", BOTH, KERNEL,
        "Inverse temperature: Q'K = beta I. Also the beta of the energy E_beta; beyond 700, where e^beta leaves double "
        "precision, the observable energy is E_beta e^{-beta}."),
    REAL("attention_value", "1", PETSC_FALSE, -1e6, 1e6, "1/time", SIMULATE, 0,
         "Value scale v, V = v I: 1 attracts, -1 repels, 0 switches attention off."),
    STRING("attention_weights", "", "(none)", SIMULATE,
           "HDF5 file with heads/<h>/{Q,K,V}, d x d each: Q, K, v V in place of sqrt(beta) I, v I; heads add up."),
    CHOICE("attention_engine", "auto", "auto|direct|moments", SIMULATE, 0,
           "How kernel sums are made: direct visits all pairs of tokens, moments expands them in at most 20000 "
           "harmonics (default weights only), auto takes the cheaper."),
    REAL("attention_tol", "1e-12", PETSC_FALSE, 1e-14, 1e-1, "-", SIMULATE, 0,
         "Largest error of the kernel e^{beta (u - 1)}, whose maximum is 1, by which attention_engine moments chooses "
         "its "
         "degree."),
    INT("attention_sinkhorn_iterations", "100", 1, 1000000, "sweeps", SIMULATE, 0,
        "Most iterations that attention_type sinkhorn may take in one step before the run fails."),
    REAL("attention_sinkhorn_tol", "1e-12", PETSC_FALSE, 1e-14, 1e-1, "-", SIMULATE, 0,
         "Largest deviation of a row sum from 1 at which attention_type sinkhorn stops."),
    CHOICE("mlp_activation", "relu", "relu|leaky_relu|gelu|silu|sigmoid|tanh|erf|softplus|sin|identity", BOTH, KERNEL,
           "Activation sigma of the hidden layer; leaky_relu has slope 0.01, gelu is exact."),
    INT("mlp_width", "512", 1, 10000000, "units", SIMULATE, 0, "Number m of hidden units."),
    REAL("mlp_bias_u", "0", PETSC_FALSE, 0, 1e3, "-", BOTH, 0, "Standard deviation of the hidden biases b_U."),
    REAL("mlp_bias_w", "0", PETSC_FALSE, 0, 1e3, "-", BOTH, 0, "Standard deviation of the output bias b_W."),
    CHOICE("noise_type", "mlp", "mlp|spectral|gram|none", SIMULATE, 0,
           "Random field that moves all tokens: mlp, a fresh random MLP in every layer; its limit of infinite width as "
           "spectral, a sum of harmonics, or gram, exact at up to 2048 tokens; none."),
    INT("noise_degree", "-1", -1, 100000, "-", SIMULATE, 0,
        "Largest degree of the harmonics of noise_type spectral; -1 chooses it from noise_tol."),
    REAL("noise_tol", "1e-5", PETSC_FALSE, 1e-12, 0.5, "-", SIMULATE, 0,
         "Share of the variance k(1) that noise_type spectral may leave out when it chooses its degree."),
    CHOICE("scheme_type", "layer", "layer|euler|heun|flow", SIMULATE, 0,
           "One step of the tokens: layer, the transformer's attention, MLP and layer norm; for the limit SDE euler "
           "(Ito), heun and flow (Stratonovich; flow is RK4 with the field frozen)."),
    INT("ensemble_realizations", "1", 1, 10000000, "runs", SIMULATE, 0, "Number R of independent realizations."),
    INT("ensemble_seed", "1", 0, 9223372036854775807, "-", SIMULATE, 0, "Seed of all random draws."),
    {.name = "ensemble_groups",
     .type = KEY_INT,
     .preset = "auto",
     .choices = "auto",
     .least = 1,
     .most = 2147483647,
     .unit = "groups",
     .studies = SIMULATE,
     .help = "Groups of ranks, each with one realization at a time; a divisor of the number of ranks."},
    STRING("output_file", "", "STUDY.h5", SIMULATE, "Results file (HDF5)."),
    FLAG("output_overwrite", SIMULATE, "Replace an existing results file."),
    INT("output_every", "1", 1, 100000000, "layers", SIMULATE, 0, "Layers from one recorded frame to the next."),
    INT("output_trajectories", "0", 0, 10000000, "runs", SIMULATE, 0,
        "Realizations (the first ones) whose token positions are recorded; at most ensemble_realizations."),
    CHOICE("output_precision", "double", "double|single", SIMULATE, 0, "Precision of recorded positions."),
    INT("output_compress", "0", 0, 9, "-", SIMULATE, 0, "Compression level of recorded positions, 0 for none."),
    STRING("output_table", "", "(none)", BOTH, "CSV file for the rows of the study's table, with 17 digits."),
    REAL("kernel_bias", "", PETSC_FALSE, 0, 1e3, "-", KERNEL, KERNEL,
         "Both standard deviations at once: each value stands for mlp_bias_u = mlp_bias_w."),
    INT("kernel_degree", "-1", -1, 1000, "-", KERNEL, 0,
        "Adds the Schoenberg coefficients c_0 .. c_n to the table; -1 for none."),
    {.name = "progress",
     .type = KEY_REAL,
     .preset = "auto",
     .choices = "auto|off",
     .low = 0,
     .high = 1e6,
     .above = PETSC_TRUE,
     .unit = "s",
     .studies = SIMULATE,
     .help = "Progress on stderr: a bar on a terminal and a line every 30 s in a log; off; or seconds between lines."},
    FLAG("dry_run", BOTH, "Check the deck, print resolved parameters, memory and cost per rank, and stop."),
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
