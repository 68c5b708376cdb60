/* The tables of keys: they are whole, and -help and the nearest key follow from them. */
#include "test.h"

#include <chorale/activation.h>

#include "io/deck_keys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Each key stands in its section, is documented, and has a default that it would accept. */
static void TableIntegrity(void **state) {
  const OptionKey *key, *other;
  (void)state;
  OK(DeckUse(StudyOptions, NULL));
  for (PetscInt i = 0; (key = DeckKeyGetAny(i)); i++) {
    char buffer[512];
    assert_true(*key->name && strlen(key->name) < 30 && key->help && *key->help && key->unit && *key->unit);
    assert_ptr_equal(DeckKeyFind(key->name), key);
    if (*key->preset && DeckKeyCheck(key, key->preset, buffer, sizeof(buffer)))
      fail_msg("%s = %s: not %s", key->name, key->preset, buffer);
    if (key->type == KEY_CHOICE) assert_non_null(DeckKeyWord(key, 1));
    if (key->type == KEY_INT) assert_true(key->least < key->most);
    if (key->type == KEY_REAL) assert_true(key->low < key->high);
    if (DeckKeyWord(key, 0) && key->type == KEY_INT) assert_true(key->least >= 0); /* words are negative numbers */
    if (DeckKeyWord(key, 0) && key->type == KEY_REAL) assert_true(key->low >= 0);
    for (int n = 0; n < OPTION_NEEDS && key->needs[n].key; n++) {
      PetscBool found = PETSC_FALSE;
      for (PetscInt j = 0; (other = DeckKeyGetAny(j)); j++)
        found = found || DeckMatches(key->needs[n].key, other->name);
      if (!found) fail_msg("%s needs %s, which is no key", key->name, key->needs[n].key);
    }
    for (PetscInt j = i + 1; (other = DeckKeyGetAny(j)); j++) assert_string_not_equal(other->name, key->name);
  }
}

/* In every study a section stands together, and what it changes are keys that it reads. */
static void StudyTables(void **state) {
  const Study *study;
  (void)state;
  for (PetscInt s = 0; (study = StudyGet(s)); s++) {
    const OptionKey *key, *other;
    OK(DeckUse(StudyOptions, study->name));
    assert_string_equal(study->options->study, study->name);
    for (PetscInt i = 0; (key = DeckKeyGet(i)); i++) {
      const size_t n = DeckKeySection(key);
      PetscBool left = PETSC_FALSE;
      for (PetscInt j = i + 1; (other = DeckKeyGet(j)); j++) {
        const PetscBool same = !strncmp(other->name, key->name, n) && DeckKeySection(other) == n;
        assert_false(left && same);
        left = left || !same ? PETSC_TRUE : PETSC_FALSE;
      }
    }
    for (const OptionKey *change = study->options->changes; change && change->name; change++)
      assert_non_null(DeckKeyFindUsed(change->name));
  }
}

/* The words of registries: none is missing, none is left over. */
static void TableMatchesRegistries(void **state) {
  const OptionKey *key = DeckKeyFind("mlp_activation");
  const Activation *activation;
  PetscInt i;
  (void)state;
  for (i = 0; (activation = ActivationGet(i)); i++) assert_string_equal(DeckKeyWord(key, i), activation->name);
  assert_null(DeckKeyWord(key, i));
}

/* Passes the text and the blanks behind it. */
static const char *Pass(const char *at, const char *text, const char *line) {
  if (strncmp(at, text, strlen(text)) || at[strlen(text)] != ' ') fail_msg("no '%s' in its place: %s", text, line);
  return at + strlen(text) + strspn(at + strlen(text), " ");
}

/* -help of every study lists its keys in their order, each with its default and unit. */
static void Help(void **state) {
  const Study *study;
  (void)state;
  for (PetscInt i = 0; (study = StudyGet(i)); i++) {
    const OptionKey *key;
    char line[256];
    PetscInt k = 0, listed = 0;
    FILE *file = tmpfile();
    const int old = dup(STDOUT_FILENO);
    assert_non_null(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    OK(DeckUse(StudyOptions, study->name));
    OK(DeckHelp());
    dup2(old, STDOUT_FILENO);
    close(old);
    rewind(file);
    while (fgets(line, sizeof(line), file)) {
      const char *at = line + 1;
      if (line[0] != '-') continue;
      key = DeckKeyGet(k);
      assert_non_null(key);
      at = Pass(at, key->name, line);
      at = Pass(at, DeckKeyShown(key), line);
      at = Pass(at, key->unit, line);
      if (strncmp(at, key->help, 12)) fail_msg("no help of %s: %s", key->name, line);
      k++;
      listed++;
    }
    fclose(file);
    assert_null(DeckKeyGet(k)); /* all are listed */
    assert_true(listed >= 5);
  }
}

static void Nearest(void **state) {
  static const char *const pairs[][2] = {
      {"token_count", "tokens_count"},        {"tokens_cuont", "tokens_count"}, {"count", "tokens_count"},
      {"TOKENS_DIM", "tokens_dim"},           {"mlp_biasu", "mlp_bias_u"},      {"attention_betta", "attention_beta"},
      {"output_overwite", "output_overwrite"}};
  (void)state;
  OK(DeckUse(StudyOptions, "simulate"));
  for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    const OptionKey *key = DeckKeyNearest(pairs[i][0]);
    assert_non_null(key);
    assert_string_equal(key->name, pairs[i][1]);
  }
  assert_null(DeckKeyNearest("zzzzzzzz"));
  OK(DeckUse(StudyOptions, "kernel"));
  assert_null(DeckKeyNearest("tokens_count"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(TableIntegrity), cmocka_unit_test(TableMatchesRegistries),
    cmocka_unit_test(StudyTables),    cmocka_unit_test(Nearest),
    cmocka_unit_test(Help),
};
TEST_MAIN(tests)
