/* Attention by mixtures of Gaussians, tokens on all ranks: bench_mixture [-only NAME]. Prints
 * `name value unit` lines; speeds are measured beside what they are compared with, in one go. */
#include <chorale/attention.h>
#include <chorale/error.h>
#include <string.h>

#include "attention/mixture.h"
#include "bench.h"
#include "keys.h"

#define REPEATS 5
#define PAIRS   16384 /* tokens of which all pairs are visited; more take as the square of their number */

typedef enum { UNIFORM, CONE, FIVE } Kind;

typedef struct {
  Tokens tokens;
  Attention attention;
  Vec drift;
  double *square; /* [d][d], of the products alone */
} Case;

/* Uniform; around an axis, with mean cosine 1/2; in five clusters. */
static PetscErrorCode Scatter(Kind kind, Tokens tokens) {
  const RngStream stream = {.seed = 2, .purpose = RNG_TEST}, other = {.seed = 2, .step = 1, .purpose = RNG_TEST};
  TokensLayout layout;
  double *x, *centre;
  PetscInt d;
  Vec values;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  d = layout.dim;
  PetscCall(PetscMalloc1(5 * d, &centre));
  RngNormal(other, 0, (size_t)(5 * d), centre);
  PetscCall(TokensGetVec(tokens, &values));
  PetscCall(VecGetArray(values, &x));
  RngNormal(stream, (uint64_t)layout.first * layout.block * d, (size_t)layout.owned * layout.block * d, x);
  for (PetscInt b = 0; kind != UNIFORM && b < layout.owned; b++) {
    for (PetscInt c = 0; c < d; c++) {
      for (PetscInt t = 0; t < layout.block; t++) {
        const PetscInt a = kind == CONE ? 0 : (t + layout.first + b) % 5;
        x[(b * d + c) * layout.block + t] =
            centre[a * d + c] + (kind == CONE ? 1 : 0.4) * x[(b * d + c) * layout.block + t];
      }
    }
  }
  PetscCall(VecRestoreArray(values, &x));
  PetscCall(PetscFree(centre));
  PetscCall(TokensMove(tokens, 0, NULL)); /* on the sphere */
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Kind kind, const char *engine, const char *beta, const char *tol, PetscInt64 N, PetscInt d,
                             Case *c) {
  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, "-attention_engine", engine));
  PetscCall(PetscOptionsSetValue(NULL, "-attention_beta", beta));
  PetscCall(PetscOptionsSetValue(NULL, "-attention_tol", tol));
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &c->tokens));
  PetscCall(Scatter(kind, c->tokens));
  PetscCall(TokensCreateVec(c->tokens, &c->drift));
  PetscCall(AttentionFromKeys(c->tokens, &c->attention));
  PetscCall(PetscCalloc1(d * d, &c->square));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Case *c) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(c->square));
  PetscCall(AttentionDestroy(&c->attention));
  PetscCall(VecDestroy(&c->drift));
  PetscCall(TokensDestroy(&c->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(void *context) {
  const Case *c = context;

  PetscFunctionBeginUser;
  PetscCall(AttentionEvaluate(c->attention, c->tokens, c->drift));
  PetscFunctionReturn(0);
}

/* What an evaluation with one Gaussian cannot do without: X X' and M X, block by block. */
static PetscErrorCode Products(void *context) {
  const Case *c = context;
  const double one = 1, zero = 0, *x;
  TokensLayout layout;
  double *out;
  PetscBLASInt B, d;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(c->tokens, &layout));
  PetscCall(TokensGetVec(c->tokens, &positions));
  PetscCall(PetscBLASIntCast(layout.block, &B));
  PetscCall(PetscBLASIntCast(layout.dim, &d));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArray(c->drift, &out));
  for (PetscInt b = 0; b < layout.owned; b++)
    PetscCallBLAS("BLASsyrk", BLASsyrk_("U", "T", &d, &B, &one, x + b * d * B, &B, &one, c->square, &d));
  for (PetscInt b = 0; b < layout.owned; b++)
    PetscCallBLAS("BLASgemm",
                  BLASgemm_("N", "N", &B, &d, &d, &one, x + b * d * B, &B, c->square, &d, &zero, out + b * d * B, &B));
  PetscCall(VecRestoreArray(c->drift, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(PetscArrayzero(c->square, d * d));
  PetscFunctionReturn(0);
}

/* Median seconds of an evaluation and, where `beside` is not NULL, its median ratio to that: the two in turn. */
static PetscErrorCode InTurn(Case *c, BenchWork beside, const char *name) {
  double seconds[REPEATS], ratio[REPEATS], wall, fair;

  PetscFunctionBeginUser;
  PetscCall(Evaluate(c));
  for (int i = 0; i < REPEATS; i++) {
    PetscCall(TokensMove(c->tokens, 0, NULL)); /* new positions, as far as the sums know */
    PetscCall(BenchTime(Evaluate, c, &wall, &seconds[i]));
    if (!beside) continue;
    PetscCall(BenchTime(beside, c, &wall, &fair));
    ratio[i] = seconds[i] / fair;
  }
  if (beside)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_products %.4g of two products\n", name, BenchMedian(REPEATS, ratio)));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s %.4g s\n", name, BenchMedian(REPEATS, seconds)));
  PetscFunctionReturn(0);
}

typedef struct {
  const char *name, *engine, *tol;
  Kind kind;
  PetscInt64 N;
  BenchWork beside;
} Run;

static PetscErrorCode Speed(const Run *run) {
  Case c;

  PetscFunctionBeginUser;
  PetscCall(Create(run->kind, run->engine, "1", run->tol, run->N, 64, &c));
  PetscCall(InTurn(&c, run->beside, run->name));
  PetscCall(Destroy(&c));
  PetscFunctionReturn(0);
}

/* Largest errors at 256 tokens. */
static PetscErrorCode Table(void) {
  static const struct {
    PetscInt d;
    PetscInt64 N;
    Kind kind;
    const char *beta, *tol;
  } cases[] = {
      {64, 200000, UNIFORM, "1", "1e-3"},  {64, 200000, UNIFORM, "4", "1e-3"}, {64, 200000, CONE, "1", "1e-3"},
      {64, 200000, CONE, "4", "1e-3"},     {64, 200000, FIVE, "1", "1e-5"},    {64, 200000, FIVE, "4", "1e-4"},
      {256, 100000, UNIFORM, "1", "1e-3"}, {256, 100000, CONE, "1", "1e-3"},   {256, 100000, FIVE, "1", "1e-5"},
      {64, 30000, UNIFORM, "9", "0.1"},    {16, 30000, UNIFORM, "9", "0.1"}};
  static const char *const names[] = {"uniform", "cone", "five"};
  AttentionError error;
  Case c;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(cases); i++) {
    PetscCall(Create(cases[i].kind, "mixture", cases[i].beta, cases[i].tol, cases[i].N, cases[i].d, &c));
    PetscCall(Evaluate(&c));
    PetscCall(AttentionGetError(c.attention, c.tokens, &error));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "error_%" PetscInt_FMT "_%s_%s %.3g of |Att| %.3g, k = %" PetscInt_FMT "\n",
                          cases[i].d, names[cases[i].kind], cases[i].beta, (double)error.largest, (double)error.size,
                          ((Mixture *)c.attention->data)->clusters.count));
    PetscCall(Destroy(&c));
  }
  PetscFunctionReturn(0);
}

/* All pairs of fewer tokens; uniform tokens by one Gaussian, five clusters by five. */
static PetscErrorCode All(void) {
  static const Run runs[] = {{"pairs", "direct", "1e-3", UNIFORM, PAIRS, NULL},
                             {"one", "mixture", "1e-3", UNIFORM, 200000, Products},
                             {"five", "mixture", "1e-5", FIVE, 200000, NULL},
                             {"million", "mixture", "1e-5", FIVE, 1000000, NULL}};
  PetscBool given;
  char only[16] = "";

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsGetString(NULL, NULL, "-only", only, sizeof(only), &given));
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(runs); i++)
    if (!given || !strcmp(only, runs[i].name)) PetscCall(Speed(&runs[i]));
  if (!given || !strcmp(only, "table")) PetscCall(Table());
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = All();
  return PetscFinalize() ? 1 : ErrorExitCode(code);
}
