/* Decks and command lines. The first byte chooses: a to g, the rest is a deck of one of the seven studies; otherwise
 * the rest is a command line, a word per line. What a deck says can be written as a deck again, which says the same. */
#include "fuzz/fuzz.h"

#include <chorale/deck.h>
#include <string.h>

#include "io/deck_keys.h"

int fuzz_whole;

enum { STUDIES = 7, WORDS = 64 };
static const char *const studies[STUDIES] = {"simulate", "kernel", "limits", "chaos", "sync", "spde", "analyze"};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".yaml");
  return 0;
}

static void Options(const uint8_t *data, size_t size) {
  char name[] = "chorale", *words[WORDS] = {name, name}, *text = malloc(size + 1);
  int n = 2;

  FuzzMust(text != NULL, "no memory");
  memcpy(text, data, size);
  text[size] = '\0';
  for (char *word = text, *next; word && n < WORDS; word = next) {
    next = strchr(word, '\n');
    if (next) *next++ = '\0';
    words[n++] = word;
  }
  fuzz_whole += FuzzTaken(DeckParse(n, words));
  free(text);
}

static void Deck(const uint8_t *data, size_t size) {
  char *first, *second;

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  if (!FuzzTaken(DeckReadYaml(fuzz_path))) return;
  if (!FuzzTaken(DeckText(&first))) return; /* defaults may come from a file that it names */
  MUST(PetscOptionsClear(NULL));
  FuzzWrite(fuzz_path, first, strlen(first), NULL, 0);
  MUST(DeckReadYaml(fuzz_path));
  MUST(DeckText(&second));
  FuzzMust(!strcmp(first, second), "the deck's text reads as another deck");
  MUST(PetscFree(first));
  MUST(PetscFree(second));
  fuzz_whole++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  const PetscBool deck = (PetscBool)(data[0] >= 'a' && data[0] < 'a' + STUDIES);
  MUST(PetscOptionsClear(NULL));
  MUST(DeckUse(StudyOptions, studies[deck ? data[0] - 'a' : data[0] % STUDIES]));
  if (deck)
    Deck(data + 1, size - 1);
  else
    Options(data + 1, size - 1);
  return 0;
}
