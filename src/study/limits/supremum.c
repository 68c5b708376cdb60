/* The supremum over all times. A transformer stands still between layer times while the limit SDE goes on, so that its
 * steps are refined by Brownian bridges: the middle of every part is drawn given its ends, THEORY.md (3.7). Halves are
 * refined in turn, where they still can hold the supremum of some transformer. */
#include <math.h>

#include "study/limits/limits.h"

/* A half is left as it is where it passes the largest error so far with a probability below 1e-4: -log(1e-4)/2. */
#define UNLIKELY 4.6

struct _p_LimitsSupremum {
  Tokens start;                 /* of the step */
  Tokens middle[LIMITS_LEVELS]; /* of the halves that are refined */
  PetscReal *square;            /* [LIMITS_LEVELS + 2][cells]: errors at both ends of the step, and at the middles */
  Vec work;
  Field bridge;
};

/* A part of a step: its ends, the errors [cells] there, its length, and its number in the tree of halves. */
typedef struct {
  Tokens a, b;
  const PetscReal *at_a, *at_b;
  PetscReal length;
  PetscInt node, level;
} Part;

PetscErrorCode LimitsSupremumCreate(const Limits *limits, LimitsSupremum *handle) {
  LimitsSupremum supremum;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&supremum));
  PetscCall(TokensDuplicate(limits->limit.tokens, &supremum->start));
  for (int level = 0; level < LIMITS_LEVELS; level++)
    PetscCall(TokensDuplicate(limits->limit.tokens, &supremum->middle[level]));
  PetscCall(PetscMalloc1((LIMITS_LEVELS + 2) * limits->grid.cells, &supremum->square));
  PetscCall(TokensCreateVec(limits->limit.tokens, &supremum->work));
  PetscCall(NoiseCreateField(limits->noise, &supremum->bridge));
  *handle = supremum;
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSupremumDestroy(LimitsSupremum *supremum) {
  PetscFunctionBeginUser;
  if (!*supremum) PetscFunctionReturn(0);
  PetscCall(TokensDestroy(&(*supremum)->start));
  for (int level = 0; level < LIMITS_LEVELS; level++) PetscCall(TokensDestroy(&(*supremum)->middle[level]));
  PetscCall(PetscFree((*supremum)->square));
  PetscCall(VecDestroy(&(*supremum)->work));
  PetscCall(FieldDestroy(&(*supremum)->bridge));
  PetscCall(PetscFree(*supremum));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSupremumBegin(const Limits *limits) {
  PetscFunctionBeginUser;
  PetscCall(TokensCopy(limits->limit.tokens, limits->supremum->start));
  PetscFunctionReturn(0);
}

/* square[cells], but for those that are NaN: the errors of the transformers as they stand with the limit SDE at these
 * tokens; worst is raised to them. */
static PetscErrorCode Measure(const Limits *limits, Tokens tokens, PetscReal square[], PetscReal worst[]) {
  const LimitsGrid *grid = &limits->grid;
  const PetscInt systems = grid->depths * grid->widths;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < grid->counts; i++) {
    const LimitsFamily *family = &limits->family[i];
    const PetscBool part = family->reference != limits->limit.tokens ? PETSC_TRUE : PETSC_FALSE;
    if (part) PetscCall(TokensExtract(tokens, 0, family->reference));
    for (PetscInt q = 0; q < systems; q++) {
      const PetscInt cell = i * systems + q;
      if (isnan(square[cell])) continue;
      PetscCall(TokensMeanSquare(family->tokens[q], part ? family->reference : tokens, PETSC_TRUE, &square[cell]));
      if (!(worst[cell] >= square[cell])) worst[cell] = square[cell];
    }
  }
  PetscFunctionReturn(0);
}

/* Can the root of an error pass its largest value m so far between the ends, where it is a and b? As a Brownian bridge
 * of variance at most k(1) it does so with the probability exp(-2 (m - a)(m - b)/(k(1) h)); all directions but that of
 * the error itself, of which a token has d - 1, lift it by at most k(1) (d - 1) h/(2m) or so. */
static PetscBool CanPass(PetscReal k1, PetscInt dim, PetscReal length, PetscReal a, PetscReal b, PetscReal most) {
  const PetscReal m = PetscSqrtReal(most), lift = k1 * (PetscReal)(dim - 1) * length / (2 * m);
  const PetscReal above_a = m - PetscSqrtReal(a) - lift, above_b = m - PetscSqrtReal(b) - lift;

  if (isnan(a) || isnan(b)) return PETSC_FALSE; /* not in the part of which this is a half */
  return !(above_a > 0 && above_b > 0 && above_a * above_b > UNLIKELY * k1 * length) ? PETSC_TRUE : PETSC_FALSE;
}

/* The middle of a part, drawn for its number. */
static PetscErrorCode DrawMiddle(const Limits *limits, PetscInt r, PetscInt f, const Part *part, Tokens middle) {
  const PetscInt64 key = limits->grid.reference + ((PetscInt64)f << LIMITS_LEVELS) + part->node;
  const LimitsSupremum supremum = limits->supremum;
  Vec a, b;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(part->a, &a));
  PetscCall(TokensGetVec(part->b, &b));
  PetscCall(VecWAXPY(supremum->work, -1, a, b));
  PetscCall(TokensCopy(part->a, middle));
  PetscCall(TokensMove(middle, 0.5, supremum->work));
  PetscCall(NoiseDraw(limits->noise, r, (PetscInt)key, supremum->bridge));
  PetscCall(FieldEvaluate(supremum->bridge, middle, supremum->work));
  PetscCall(TokensMoveTangent(middle, 0, PetscSqrtReal(part->length) / 2, supremum->work, 0, NULL));
  PetscFunctionReturn(0);
}

static PetscErrorCode Refine(const Limits *limits, PetscInt r, PetscInt f, const Part *part, PetscReal worst[]) {
  const LimitsSupremum supremum = limits->supremum;
  const PetscInt cells = limits->grid.cells;
  PetscReal *square = supremum->square + (part->level + 2) * cells;
  PetscBool any = PETSC_FALSE;
  TokensLayout layout;
  PetscReal k1;

  PetscFunctionBeginUser;
  if (part->level == LIMITS_LEVELS) PetscFunctionReturn(0);
  PetscCall(NoiseGetVariance(limits->noise, &k1));
  PetscCall(TokensGetLayout(part->a, &layout));
  for (PetscInt cell = 0; cell < cells; cell++) {
    const PetscBool can = CanPass(k1, layout.dim, part->length, part->at_a[cell], part->at_b[cell], worst[cell]);
    square[cell] = can ? 0 : NAN;
    any = any || can ? PETSC_TRUE : PETSC_FALSE;
  }
  if (!any) PetscFunctionReturn(0);
  const Tokens middle = supremum->middle[part->level];
  PetscCall(DrawMiddle(limits, r, f, part, middle));
  PetscCall(Measure(limits, middle, square, worst));
  const Part first = {part->a, middle, part->at_a, square, part->length / 2, 2 * part->node, part->level + 1};
  const Part second = {middle, part->b, square, part->at_b, part->length / 2, 2 * part->node + 1, part->level + 1};
  PetscCall(Refine(limits, r, f, &first, worst));
  PetscCall(Refine(limits, r, f, &second, worst));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSupremumStep(const Limits *limits, PetscInt r, PetscInt f, PetscReal worst[]) {
  const LimitsSupremum supremum = limits->supremum;
  const LimitsGrid *grid = &limits->grid;
  const Part step = {.a = supremum->start,
                     .b = limits->limit.tokens,
                     .at_a = supremum->square,
                     .at_b = supremum->square + grid->cells,
                     .length = grid->horizon / (PetscReal)grid->reference,
                     .node = 1};

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(supremum->square, 2 * grid->cells));
  PetscCall(Measure(limits, step.a, supremum->square, worst));
  PetscCall(Measure(limits, step.b, supremum->square + grid->cells, worst));
  PetscCall(Refine(limits, r, f, &step, worst));
  PetscFunctionReturn(0);
}
