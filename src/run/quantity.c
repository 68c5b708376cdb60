#include <chorale/quantity.h>

#include <string.h>

static const struct {
  const char *suffix, *meaning;
} derived[] = {{"_mean", "mean over the realizations: "},
               {"_sem", "standard error over the realizations: "},
               {"_low", "lower end of the 95% interval: "},
               {"_high", "upper end of the 95% interval: "},
               {"_verdict", "agrees, does not agree, or why neither is said: "},
               {"_realizations", "of every realization: "},
               {"_realization", "of every realization: "},
               {"_frames", "of every realization and frame: "},
               {"_tokens", "for every number of tokens, value and ends of the 95% interval: "}};

PetscInt QuantitySize(const Quantity *quantity) {
  PetscInt size = 1;

  for (PetscInt i = 0; i < quantity->rank; i++) size *= quantity->shape[i];
  return size;
}

/* The entry whose name is the first `length` characters of this one. */
static const QuantityText *Find(const QuantityText list[], const char *name, size_t length) {
  for (const QuantityText *q = list; q && q->name; q++)
    if (strlen(q->name) == length && !strncmp(q->name, name, length)) return q;
  return NULL;
}

PetscErrorCode QuantityDescribe(const QuantityText list[], const char *name, const char **unit,
                                char description[QUANTITY_TEXT]) {
  const size_t length = strlen(name);
  const QuantityText *found = Find(list, name, length);
  const char *meaning = "";

  PetscFunctionBeginUser;
  for (size_t i = 0; !found && i < sizeof(derived) / sizeof(derived[0]); i++) {
    const size_t end = strlen(derived[i].suffix);
    if (length <= end || strcmp(name + length - end, derived[i].suffix)) continue;
    found = Find(list, name, length - end);
    meaning = derived[i].meaning;
  }
  *unit = found ? found->unit : NULL;
  if (found) PetscCall(PetscSNPrintf(description, QUANTITY_TEXT, "%s%s", meaning, found->description));
  PetscFunctionReturn(0);
}
