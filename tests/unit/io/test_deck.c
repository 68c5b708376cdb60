/* The deck: parsing, precedence, lists, defaults, round trip of the deck's text. Refusals from the command line's point
 * of view are in test_cli.py. */
#include "expect.h"

#include <chorale/deck.h>

#include "io/deck_keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS 24

/* DeckParse of "chorale <line>", words split at blanks, into a cleared database. */
static PetscErrorCode Parse(const char *line) {
  char copy[512], *words[ARGUMENTS], program[] = "chorale";
  int n = 1;
  snprintf(copy, sizeof(copy), "%s", line);
  words[0] = program;
  for (char *word = strtok(copy, " "); word && n < ARGUMENTS; word = strtok(NULL, " ")) words[n++] = word;
  OK(PetscOptionsClear(NULL));
  OK(DeckUse(StudyOptions, words[1]));
  return DeckParse(n, words);
}

static char directory[] = "/tmp/chorale-deck-XXXXXX";
static char paths[2][64];

static void Write(int i, const char *text) {
  FILE *file = fopen(paths[i], "w");
  assert_non_null(file);
  assert_int_equal(fputs(text, file) < 0, 0);
  assert_int_equal(fclose(file), 0);
}

/* The line "STUDY deck0 [deck1]" with options behind. */
static const char *Line(const char *study, int decks, const char *options) {
  static char line[512];
  snprintf(line, sizeof(line), "%s %s %s %s", study, decks > 0 ? paths[0] : "", decks > 1 ? paths[1] : "", options);
  return line;
}

/* The table that has this key alone. */
static const OptionKey *Alone(const char *key) {
  static OptionKey table[2];
  table[0] = *DeckKeyFind(key);
  table[0].at = 0;
  table[0].lists = PETSC_FALSE;
  return table;
}

static PetscInt64 Int(const char *key) {
  PetscInt64 value = -777;
  OK(DeckRead(Alone(key), &value));
  return value;
}

static PetscReal Real(const char *key) {
  PetscReal value = -777;
  OK(DeckRead(Alone(key), &value));
  return value;
}

static const char *String(const char *key) {
  static char value[PETSC_MAX_PATH_LEN];
  OK(DeckReadText(Alone(key), key, value));
  return value;
}

static PetscBool Flag(const char *key) {
  PetscBool value;
  OK(DeckRead(Alone(key), &value));
  return value;
}

static PetscBool Has(const char *key) {
  PetscBool set;
  OK(DeckHas(key, &set));
  return set;
}

/* The defaults of input/README.md. */
static void Defaults(void **state) {
  (void)state;
  OK(Parse("simulate"));
  assert_int_equal(Int("tokens_count"), 64);
  assert_int_equal(Int("tokens_dim"), 3);
  assert_string_equal(String("tokens_init"), "uniform");
  assert_int_equal(Int("layers_depth"), 150);
  CLOSE(Real("layers_horizon"), 5.0, 0);
  assert_string_equal(String("attention_type"), "softmax");
  CLOSE(Real("attention_beta"), 1.0, 0);
  CLOSE(Real("attention_value"), 1.0, 0);
  assert_string_equal(String("attention_weights"), "");
  assert_string_equal(String("attention_engine"), "auto");
  assert_string_equal(String("mlp_activation"), "relu");
  assert_int_equal(Int("mlp_width"), 512);
  CLOSE(Real("mlp_bias_u"), 0.0, 0);
  CLOSE(Real("mlp_bias_w"), 0.0, 0);
  assert_int_equal(Int("ensemble_realizations"), 1);
  assert_int_equal(Int("ensemble_seed"), 1);
  assert_string_equal(String("ensemble_groups"), "auto");
  assert_int_equal(Flag("output_overwrite"), PETSC_FALSE);
  assert_int_equal(Int("output_every"), 1);
  assert_int_equal(Int("output_trajectories"), 0);
  assert_string_equal(String("output_precision"), "double");
  assert_int_equal(Int("output_compress"), 0);
  assert_string_equal(String("progress"), "auto");
  assert_int_equal(Flag("dry_run"), PETSC_FALSE);
  assert_int_equal(Has("tokens_count"), PETSC_FALSE);
}

static void Options(void **state) {
  (void)state;
  OK(Parse("simulate -tokens_count 10000000000 -attention_value -3 -layers_horizon 2.5e-1 -output_overwrite "
           "-ensemble_seed 9223372036854775807 -output_file a,b.h5 -ensemble_groups 4 -progress 2.5 -dry_run no"));
  assert_true(Int("tokens_count") == 10000000000);
  CLOSE(Real("attention_value"), -3.0, 0);
  CLOSE(Real("layers_horizon"), 0.25, 0);
  assert_int_equal(Flag("output_overwrite"), PETSC_TRUE);
  assert_true(Int("ensemble_seed") == INT64_MAX);
  assert_string_equal(String("output_file"), "a,b.h5");
  assert_int_equal(Int("ensemble_groups"), 4);
  CLOSE(Real("progress"), 2.5, 0);
  assert_int_equal(Flag("dry_run"), PETSC_FALSE);
  assert_int_equal(Has("dry_run"), PETSC_TRUE);
  OK(Parse("simulate -tokens_count 5 -log_view :/dev/null -tokens_count 7 -malloc_dump no -mlp_width 9"));
  assert_int_equal(Int("tokens_count"), 7); /* later wins, PETSc's own options stand between */
  assert_int_equal(Int("mlp_width"), 9);
}

static void Precedence(void **state) {
  (void)state;
  Write(0, "tokens: {count: 10, dim: 4}\nmlp_width: 20\nlayers:\n  depth: 30\n");
  Write(1, "# a comment\ntokens:\n  count: 11\nmlp: {width: 21}\n");
  OK(Parse(Line("simulate", 2, "-mlp_width 22")));
  assert_int_equal(Int("tokens_count"), 11);
  assert_int_equal(Int("tokens_dim"), 4);
  assert_int_equal(Int("mlp_width"), 22);
  assert_int_equal(Int("layers_depth"), 30);
  Write(0, "");
  Write(1, "---\n...\n");
  OK(Parse(Line("simulate", 2, ""))); /* empty decks are decks */
  assert_int_equal(Int("tokens_count"), 64);
  Write(0, "output: {overwrite: yes, file: 'it''s: #1.h5'}\nprogress: off\nmlp: {bias: {u: 0.5}}\nlayers: {}\n");
  OK(Parse(Line("simulate", 1, "")));
  assert_int_equal(Flag("output_overwrite"), PETSC_TRUE);
  assert_string_equal(String("output_file"), "it's: #1.h5");
  assert_string_equal(String("progress"), "off");
  CLOSE(Real("mlp_bias_u"), 0.5, 0);
}

static void Lists(void **state) {
  PetscInt64 dims[4];
  PetscReal betas[4];
  const char *names[4];
  char *storage;
  PetscInt n = 4;
  (void)state;
  Write(0, "tokens: {dim: [2, 3, 64]}\nattention:\n  beta:\n    - 0.5\n    - 2\nmlp: {activation: [relu, tanh]}\n");
  OK(Parse(Line("kernel", 1, "-kernel_bias 0,0.1")));
  OK(DeckGetIntList("tokens_dim", &n, dims));
  assert_int_equal(n, 3);
  assert_true(dims[0] == 2 && dims[1] == 3 && dims[2] == 64);
  n = 4;
  OK(DeckGetRealList("attention_beta", &n, betas));
  assert_int_equal(n, 2);
  CLOSE(betas[0], 0.5, 0);
  CLOSE(betas[1], 2.0, 0);
  n = 4;
  OK(DeckGetStringList("mlp_activation", &n, names, &storage));
  assert_int_equal(n, 2);
  assert_string_equal(names[0], "relu");
  assert_string_equal(names[1], "tanh");
  OK(PetscFree(storage));
  n = 4;
  OK(DeckGetRealList("kernel_bias", &n, betas));
  assert_int_equal(n, 2);
  CLOSE(betas[1], 0.1, 0);
  n = 2; /* no room for three */
  assert_int_equal(DeckGetIntList("tokens_dim", &n, dims), PETSC_ERR_USER_INPUT);
  OK(Parse("kernel"));
  n = 4;
  OK(DeckGetRealList("kernel_bias", &n, betas)); /* unset is an empty list */
  assert_int_equal(n, 0);
  n = 4;
  OK(DeckGetIntList("tokens_dim", &n, dims)); /* a scalar is a list of one */
  assert_int_equal(n, 1);
  assert_true(dims[0] == 3);
}

/* Every refusal says USER_INPUT, and the same key right is taken. */
static void Refusals(void **state) {
  static const char *const lines[] = {
      "simulate -tokens_dim 1",
      "simulate -tokens_dim 2,2",
      "simulate -tokens_dim 3.0",
      "simulate -tokens_dim 0x10",
      "simulate -Tokens_dim 3",
      "simulate -layers_horizon 0",
      "simulate -layers_horizon nan",
      "simulate -layers_horizon 1e999",
      "simulate -attention_beta 10001",
      "simulate -mlp_bias_u -1e-9",
      "simulate -output_overwrite 2",
      "simulate -output_overwrite -dry_run 3",
      "simulate -ensemble_groups 0",
      "simulate -progress never",
      "simulate -ensemble_seed 9223372036854775808",
      "simulate -mlp_activation rel",
      "simulate -mlp_activation relu|",
      "simulate -kernel_degree 3",
      "kernel -tokens_count 3",
      "kernel -tokens_dim 2,,3",
      "kernel -tokens_dim 2,",
      "kernel -mlp_activation relu,foo",
      "kernel -kernel_degree 1,-2",
      "simulate -malloc_dump maybe",
  };
  static const char *const decks[] = {
      "tokens: 5\n",
      "tokens:\n",
      "tokens: {count: }\n",
      "tokens: {count: ~}\n",
      "tokens: {count: [1]}\n",
      "tokens: {count: []}\n",
      "tokens: {count: {a: 1}}\n",
      "tokens: {count: 1}\ntokens: {dim: 3}\n",
      "tokens: {count: 1, count: 1}\n",
      "tokens: {count: 1}\ntokens_count: 2\n",
      "tokens: &a {count: 1}\n",
      "tokens: {count: !!int 1}\n",
      "tokens:\n\tcount: 1\n",
      "tokens: {count: 1\n",
      "- tokens\n",
      "tokens\n",
      "a: 1\n",
      "a: {}\n",
      "? [a, b]\n: 1\n",
      "tokens: {count: 1}\n---\ntokens: {count: 2}\n",
      "tokens: {file: \"a\\0b\"}\n",
      "tokens: {file: \"\"}\n",
      "dry_run: {}\n",
      "log_view: true\n",
      "\x01\x02\x03",
      "tokens: {count: \xff\xfe}\n",
  };
  (void)state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    if (Parse(lines[i]) != PETSC_ERR_USER_INPUT) fail_msg("not refused: %s", lines[i]);
  }
  for (size_t i = 0; i < sizeof(decks) / sizeof(decks[0]); i++) {
    Write(0, decks[i]);
    if (Parse(Line("simulate", 1, "")) != PETSC_ERR_USER_INPUT) fail_msg("not refused: %s", decks[i]);
  }
  OK(PetscOptionsClear(NULL));
  SetKey("tokens_count", "x"); /* past DeckParse */
  assert_int_equal(DeckRead(Alone("tokens_count"), &(PetscInt64){0}), PETSC_ERR_USER_INPUT);
}

typedef struct {
  int n;
  char name[DECK_KEYS_MAX][64], value[DECK_KEYS_MAX][128];
} Values;

static PetscErrorCode Collect(const char *name, const char *value, void *context) {
  Values *values = context;
  snprintf(values->name[values->n], 64, "%s", name);
  snprintf(values->value[values->n++], 128, "%s", value);
  return 0;
}

/* What DeckText writes, read again, gives the same value of every key, and the same text. */
static void RoundTrip(void **state) {
  static Values before, after;
  static const char *const studies[] = {"simulate", "kernel"};
  static const char *const deck[] = {
      "tokens: {count: 12, dim: 3, init: file, file: \"a \\\"b\\\" \\\\ 'c' # [x],{y}: \\n \\t é.npy\"}\n"
      "output: {overwrite: true, file: 'off', table: '~'}\nprogress: 'off'\nattention: {type: usa, value: -1}\n",
      "tokens: {dim: [2, 3]}\nmlp: {activation: [relu, tanh, identity]}\nkernel: {bias: [0, 1e-1], degree: 4}\n"};
  (void)state;
  for (int s = 0; s < 2; s++) {
    char *text, *again;
    before.n = after.n = 0;
    Write(0, deck[s]);
    OK(Parse(Line(studies[s], 1, "")));
    OK(DeckVisit(Collect, &before));
    OK(DeckText(&text));
    assert_null(strstr(text, "dry_run"));
    Write(1, text);
    Write(0, "");
    OK(Parse(Line(studies[s], 2, "")));
    OK(DeckVisit(Collect, &after));
    OK(DeckText(&again));
    assert_string_equal(text, again);
    assert_true(before.n > 5 && before.n == after.n);
    for (int i = 0; i < before.n; i++) {
      assert_string_equal(before.name[i], after.name[i]);
      assert_string_equal(before.value[i], after.value[i]);
    }
    OK(PetscFree(text));
    OK(PetscFree(again));
  }
}

/* Keys without effect are refused, unless they are given as they are anyway. */
static void Effects(void **state) {
  static const char *const refused[] = {
      "simulate -tokens_file x.npy",
      "simulate -tokens_kappa 2",
      "simulate -tokens_init clusters -tokens_harmonic 2",
      "simulate -noise_degree 5",
      "simulate -noise_type none -mlp_activation tanh",
      "simulate -noise_type spectral -noise_degree 4 -noise_tol 1e-3",
      "simulate -attention_sinkhorn_tol 1e-3",
      "simulate -attention_type none -attention_value 2",
      "simulate -output_compress 3",
      "kernel -kernel_bias 0,1 -mlp_bias_u 1",
      "limits -mlp_width inf -limits_coupling none",
      "chaos -chaos_nodes 256",
      "sync -kernel_bias 1",
      "sync -sync_map -layers_depth 3",
      "spde -mlp_width 3",
      "analyze -analyze_file x.h5 -analyze_bins 3",
      "analyze -analyze_file x.h5 -analyze_other y.h5",
  };
  static const char *const taken[] = {
      "simulate -tokens_kappa 10.0 -noise_tol 0.00001 -mlp_width 512 -attention_sinkhorn_iterations 100",
      "simulate -tokens_init clusters -tokens_kappa 2 -tokens_clusters 3",
      "simulate -noise_type spectral -noise_tol 1e-3",
      "simulate -output_trajectories 1 -output_precision single",
      "kernel -mlp_bias_u 1",
      "limits -mlp_width 64,inf -limits_coupling none -noise_degree 4", /* spectral unless given */
      "chaos -chaos_reference quadrature -chaos_nodes 256",
      "sync -sync_map on -kernel_bias 1,2 -tokens_dim 2,3",
      "spde -noise_degree 5",
      "analyze -analyze_file x.h5 -analyze_coordinates yes -analyze_bins 3",
  };
  (void)state;
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    if (Parse(refused[i]) != PETSC_ERR_USER_INPUT) fail_msg("not refused: %s", refused[i]);
  }
  for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
    if (Parse(taken[i])) fail_msg("refused: %s", taken[i]);
  }
  Write(0, "tokens: {init: vmf, kappa: 3}\n");
  Write(1, "tokens: {kappa: 4}\n");
  OK(Parse(Line("simulate", 1, "-tokens_init uniform"))); /* a deck may be changed from outside */
  assert_int_equal(Parse(Line("simulate", 2, "-tokens_init uniform -tokens_kappa 5")), PETSC_ERR_USER_INPUT);
  Write(0, "tokens: {init: uniform}\n");
  assert_int_equal(Parse(Line("simulate", 2, "")), PETSC_ERR_USER_INPUT);
  REFUSED(Parse("simulate -tokens_kappa 5"),
          "tokens_kappa = 5: has no effect with tokens_init uniform; it needs tokens_init vmf or clusters");
  REFUSED(Parse("limits -tokens_dim 6 -noise_degree 3"), "noise_degree = 3: has no effect with noise_type gram");
}

/* Numbers that may be words, defaults of studies, and defaults that depend on others. */
static void Resolved(void **state) {
  (void)state;
  OK(Parse("chaos"));
  assert_int_equal(Int("chaos_reference"), -2);
  assert_string_equal(String("chaos_reference"), "twin");
  OK(Parse("chaos -chaos_reference 1000"));
  assert_int_equal(Int("chaos_reference"), 1000);
  OK(Parse("limits -layers_depth 4,32,8 -tokens_dim 7 -mlp_width inf,3"));
  assert_string_equal(String("scheme_type"), "heun");
  assert_string_equal(String("noise_type"), "gram");
  assert_int_equal(Int("limits_reference"), 256);
  assert_int_equal(Int("mlp_width"), -1); /* the first of the list */
  assert_int_equal(Has("limits_reference"), PETSC_FALSE);
  OK(DeckResolve("limits_reference", "64"));
  assert_int_equal(Int("limits_reference"), 64);
  OK(Parse("spde"));
  assert_string_equal(String("scheme_type"), "flow");
  assert_int_equal(Int("mlp_width"), 512);
}

/* Cells: the product of the lists, the last key fastest; what was given comes back; a default that depends on the cell
 * is left open in the deck's text, and so is what a prefix stands for. */
static void Sweep(void **state) {
  const char *const *values;
  char *text;
  PetscInt n;
  PetscBool numeric;
  (void)state;
  OK(Parse("simulate -attention_beta log:0.1:10:3 -tokens_count 8,4"));
  assert_int_equal(DeckCells(), 6);
  assert_int_equal(DeckAxes(), 2);
  assert_string_equal(DeckAxis(0, &n, &values, &numeric), "tokens_count"); /* in the order of tables */
  assert_int_equal(n, 2);
  assert_string_equal(DeckAxis(1, &n, &values, &numeric), "attention_beta");
  assert_int_equal(numeric, PETSC_TRUE);
  assert_string_equal(values[0], "0.1");
  assert_string_equal(values[1], "1");
  assert_string_equal(values[2], "10");
  assert_null(DeckAxis(2, &n, &values, &numeric));
  for (PetscInt c = 0; c < 6; c++) {
    OK(DeckSelect(c));
    assert_int_equal(Int("tokens_count"), c < 3 ? 8 : 4);
    assert_true(Real("attention_beta") == (c % 3 == 0 ? 0.1 : c % 3 == 1 ? 1 : 10));
    assert_true(Real("energy_beta") == Real("attention_beta"));
  }
  OK(DeckSelect(DECK_WHOLE));
  OK(DeckText(&text));
  assert_non_null(strstr(text, "  beta: log:0.1:10:3\n"));
  assert_non_null(strstr(text, "  count: [8, 4]\n"));
  assert_null(strstr(text, "energy:"));
  OK(PetscFree(text));
  OK(Parse("simulate -attention_beta logN:2 -tokens_count 8,4"));
  OK(DeckSelect(1));
  CLOSE(Real("attention_beta"), 2 * log(4), 1e-15);
  OK(DeckSelect(0));
  CLOSE(Real("attention_beta"), 2 * log(8), 1e-15);
  OK(DeckSelect(DECK_WHOLE));
  assert_string_equal(String("attention_beta"), "logN:2");
  OK(Parse("simulate -noise_type mlp,none -mlp_width 4"));
  OK(Parse("simulate"));
  assert_int_equal(DeckCells(), 1);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(Defaults), cmocka_unit_test(Options),  cmocka_unit_test(Precedence),
      cmocka_unit_test(Lists),    cmocka_unit_test(Refusals), cmocka_unit_test(RoundTrip),
      cmocka_unit_test(Effects),  cmocka_unit_test(Resolved), cmocka_unit_test(Sweep),
  };
  int failed = !mkdtemp(directory);
  for (int i = 0; i < 2; i++) snprintf(paths[i], sizeof(paths[i]), "%s/deck%d.yaml", directory, i);
  if (!failed) failed = TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
  for (int i = 0; i < 2; i++) unlink(paths[i]);
  rmdir(directory);
  return failed;
}
