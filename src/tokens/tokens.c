#include <math.h>
#include <petsc/private/petscimpl.h> /* PetscObjectStateIncrease */
#include <sys/mman.h>

#include <chorale/sum.h>
#include <chorale/tokens.h>

#include "base/plan.h"

struct _p_Tokens {
  TokensLayout layout;
  Vec x;
  double *weights; /* [owned * block] */
  double *radius;  /* [owned * block], or NULL: the tokens are unit vectors and no more */
};

PetscInt TokensBlockSize(PetscInt64 count) {
  return count >= TOKENS_BLOCK ? TOKENS_BLOCK : (PetscInt)((count + 7) / 8 * 8);
}

PetscInt TokensBlockCount(PetscInt64 count) {
  const PetscInt64 block = TokensBlockSize(count);
  return (PetscInt)((count + block - 1) / block);
}

PetscInt TokensFirstBlock(PetscInt blocks, PetscInt shard, PetscInt shards) {
  return (PetscInt)((PetscInt64)blocks * shard / shards);
}

PetscInt TokensFilled(const TokensLayout *layout, PetscInt b) {
  return (PetscInt)PetscMin(layout->block, layout->count - (PetscInt64)(layout->first + b) * layout->block);
}

/* n zeros, freed by PetscFree. A large array asks for large pages: a sweep over many millions of tokens would else wait
 * for the translation of one small page after the other. */
static PetscErrorCode Zeros(size_t n, double **array) {
  enum { PAGE = 1 << 21, LARGE = 1 << 23 };
  const size_t bytes = n * sizeof(double);

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, array));
#ifdef MADV_HUGEPAGE
  if (bytes >= LARGE) {
    char *first = (char *)(((uintptr_t)*array + PAGE - 1) / PAGE * PAGE);
    (void)madvise(first, (size_t)((char *)*array + bytes - first) / PAGE * PAGE,
                  MADV_HUGEPAGE); /* advice: failure does no harm */
  }
#endif
  PetscCall(PetscArrayzero(*array, n));
  PetscFunctionReturn(0);
}

/* The padding of block b, whose d x B array is x, is e_1. */
static void SetPadding(const TokensLayout *layout, PetscInt b, double *x) {
  for (PetscInt t = TokensFilled(layout, b); t < layout->block; t++)
    for (PetscInt c = 0; c < layout->dim; c++) x[c * layout->block + t] = c == 0;
}

PetscErrorCode TokensCreate(MPI_Comm comm, PetscInt64 count, PetscInt dim, Tokens *handle) {
  Tokens tokens;
  TokensLayout *layout;
  PetscMPIInt rank, size;
  double *x;

  PetscFunctionBeginUser;
  PetscCheck(count >= 1 && dim >= 2, comm, PETSC_ERR_ARG_OUTOFRANGE,
             "tokens need count >= 1 and dim >= 2, not %" PetscInt64_FMT " and %" PetscInt_FMT, count, dim);
  /* The padded length is what a Vec must be able to count; rounding up to a block adds less than TOKENS_BLOCK tokens.
   */
  PetscCheck(
      count <= (PetscInt64)PETSC_MAX_INT / dim - TOKENS_BLOCK, comm, PETSC_ERR_USER_INPUT,
      "tokens_count = %" PetscInt64_FMT
      ": needs PETSc with 64-bit indices, Debian's libpetsc64-real-dev (with these of %d bits at most %" PetscInt64_FMT
      " tokens of tokens_dim = %" PetscInt_FMT ")",
      count, (int)(8 * sizeof(PetscInt)), (PetscInt64)PETSC_MAX_INT / dim - TOKENS_BLOCK, dim);
  PetscCall(PlanRank(comm, &rank));
  PetscCall(PlanSize(comm, &size));
  PetscCall(PetscNew(&tokens));
  layout = &tokens->layout;
  layout->comm = comm;
  layout->count = count;
  layout->dim = dim;
  layout->block = TokensBlockSize(count);
  layout->blocks = TokensBlockCount(count);
  layout->first = TokensFirstBlock(layout->blocks, rank, size);
  layout->owned = TokensFirstBlock(layout->blocks, rank + 1, size) - layout->first;
  PetscCall(TokensCreateVec(tokens, &tokens->x));
  PetscCall(Zeros((size_t)layout->owned * layout->block, &tokens->weights));
  PetscCall(VecGetArray(tokens->x, &x));
  for (PetscInt b = 0; b < layout->owned; b++) {
    double *first = x + b * dim * layout->block;
    for (PetscInt i = 0; i < layout->block; i++) first[i] = 1;
    for (PetscInt i = 0; i < TokensFilled(layout, b); i++) tokens->weights[b * layout->block + i] = 1 / (double)count;
  }
  PetscCall(VecRestoreArray(tokens->x, &x));
  *handle = tokens;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensDuplicate(Tokens tokens, Tokens *copy) {
  const TokensLayout *layout = &tokens->layout;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(layout->comm, layout->count, layout->dim, copy));
  PetscCall(TokensCopy(tokens, *copy));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensCopy(Tokens tokens, Tokens copy) {
  const TokensLayout *layout = &tokens->layout;

  PetscFunctionBeginUser;
  PetscCheck(copy->layout.count == layout->count && copy->layout.dim == layout->dim &&
                 copy->layout.owned == layout->owned,
             PETSC_COMM_SELF, PETSC_ERR_ARG_INCOMP, "tokens of another layout");
  PetscCall(VecCopy(tokens->x, copy->x));
  PetscCall(PetscArraycpy(copy->weights, tokens->weights, layout->owned * layout->block));
  if (tokens->radius) {
    PetscCall(TokensKeepRadius(copy));
    PetscCall(PetscArraycpy(copy->radius, tokens->radius, layout->owned * layout->block));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode TokensDestroy(Tokens *tokens) {
  PetscFunctionBeginUser;
  if (!*tokens) PetscFunctionReturn(0);
  PetscCall(VecDestroy(&(*tokens)->x));
  PetscCall(PetscFree((*tokens)->weights));
  PetscCall(PetscFree((*tokens)->radius));
  PetscCall(PetscFree(*tokens));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensGetLayout(Tokens tokens, TokensLayout *layout) {
  PetscFunctionBeginUser;
  *layout = tokens->layout;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensGetVec(Tokens tokens, Vec *x) {
  PetscFunctionBeginUser;
  *x = tokens->x;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensCreateVec(Tokens tokens, Vec *v) {
  const TokensLayout *layout = &tokens->layout;
  const PetscInt length = layout->dim * layout->block;
  double *zeros;

  PetscFunctionBeginUser;
  PetscCall(VecCreateMPIWithArray(layout->comm, 1, layout->owned * length, layout->blocks * length, NULL, v));
  PetscCall(Zeros((size_t)(layout->owned * length), &zeros));
  PetscCall(VecReplaceArray(*v, zeros)); /* which it owns from now on */
  PetscFunctionReturn(0);
}

PetscErrorCode TokensGetWeights(Tokens tokens, const double **weights) {
  PetscFunctionBeginUser;
  *weights = tokens->weights;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensKeepRadius(Tokens tokens) {
  const PetscInt n = tokens->layout.owned * tokens->layout.block;

  PetscFunctionBeginUser;
  if (!tokens->radius) PetscCall(Zeros((size_t)n + 1, &tokens->radius)); /* not NULL on a rank without tokens */
  for (PetscInt i = 0; i < n; i++) tokens->radius[i] = 1;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensGetRadius(Tokens tokens, double **radius) {
  PetscFunctionBeginUser;
  *radius = tokens->radius;
  PetscFunctionReturn(0);
}

static double BlockWeight(const double *weights, PetscInt block) {
  double sum = 0;
  for (PetscInt t = 0; t < block; t++) sum += weights[t];
  return sum;
}

/* Sum of all weights >= 0, the same bits for any number of ranks: blocks are summed in double and rounded to fixed
 * point. The first round is bounded by (number of blocks) x (heaviest block), which wastes bits when weights differ;
 * its result bounds the second. */
static PetscErrorCode WeightSum(const TokensLayout *layout, const double *weights, double *sum) {
  double bound = 0;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < layout->owned; b++)
    bound = PetscMax(bound, BlockWeight(weights + b * layout->block, layout->block));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &bound, 1, MPI_DOUBLE, MPI_MAX, layout->comm));
  bound *= layout->blocks;
  for (int round = 0; round < 2 && bound > 0; round++) {
    const PetscReal scale = SumScale(bound);
    PetscInt64 total = 0;

    for (PetscInt b = 0; b < layout->owned; b++)
      total += SumRound(BlockWeight(weights + b * layout->block, layout->block), scale);
    PetscCall(SumAllreduce(layout->comm, 1, &total));
    bound = (double)total / scale;
  }
  *sum = bound;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensSetWeights(Tokens tokens, const double *weights) {
  const TokensLayout *layout = &tokens->layout;
  double sum;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < layout->owned; b++) {
    const PetscInt filled = TokensFilled(layout, b);

    for (PetscInt t = 0; t < layout->block; t++) {
      const double w = t < filled ? weights[b * layout->block + t] : 0;

      PetscCheck(w >= 0 && w <= 1e290, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
                 "weight %.6g of token %" PetscInt64_FMT " is not a finite number >= 0", w,
                 (PetscInt64)(layout->first + b) * layout->block + t);
      tokens->weights[b * layout->block + t] = w;
    }
  }
  PetscCall(WeightSum(layout, tokens->weights, &sum));
  PetscCheck(sum > 0, layout->comm, PETSC_ERR_ARG_OUTOFRANGE, "all weights of the tokens are zero");
  /* Weights that add up to 1 up to the rounding of a block's sum have been normalised before, as those of a file: they
   * keep their bits. */
  if (fabs(sum - 1) > TOKENS_BLOCK * PETSC_MACHINE_EPSILON)
    for (PetscInt i = 0; i < layout->owned * layout->block; i++) tokens->weights[i] /= sum;
  PetscCall(PetscObjectStateIncrease((PetscObject)tokens->x));
  PetscFunctionReturn(0);
}

/* v / |v| for one token (stride B) whose squared norm is not Usual: scaled by a power of two first.
 * Returns |v|, 0 when v has no direction. */
static double NormalizeExtreme(PetscInt dim, PetscInt block, double *v) {
  double largest = 0, square = 0;
  int exponent;

  for (PetscInt c = 0; c < dim; c++) {
    if (!isfinite(v[c * block])) return 0;
    largest = fmax(largest, fabs(v[c * block]));
  }
  if (largest == 0) return 0;
  (void)frexp(largest, &exponent);
  for (PetscInt c = 0; c < dim; c++) {
    v[c * block] = ldexp(v[c * block], -exponent);
    square += v[c * block] * v[c * block];
  }
  for (PetscInt c = 0; c < dim; c++) v[c * block] /= sqrt(square);
  return ldexp(sqrt(square), exponent);
}

/* square[t] = |x_t|^2 for the B lanes of a block. Squares are summed in chunks of components, so that the rounding
 * error does not grow with d. */
static void Squares(PetscInt dim, PetscInt block, const double *x, double *square) {
  enum { CHUNK = 32 };
  double partial[TOKENS_BLOCK];

  for (PetscInt t = 0; t < block; t++) square[t] = 0;
  for (PetscInt chunk = 0; chunk < dim; chunk += CHUNK) {
    for (PetscInt t = 0; t < block; t++) partial[t] = 0;
    for (PetscInt c = chunk; c < PetscMin(dim, chunk + CHUNK); c++) {
      const double *restrict v = x + c * block;
#pragma omp simd
      for (PetscInt t = 0; t < block; t++) partial[t] += v[t] * v[t];
    }
    for (PetscInt t = 0; t < block; t++) square[t] += partial[t];
  }
}

/* Lengths whose squares single precision holds well. */
static inline PetscBool Usual(double square) {
  return square > 1e-36 && square < 1e36 ? PETSC_TRUE : PETSC_FALSE;
}

/* 1/sqrt(square) of a usual one, by two steps of Newton's method from single precision: its roots and quotients take a
 * third of the time. */
static inline double InverseRoot(double square) {
  double y = (double)(1 / sqrtf((float)square));

  y *= 1.5 - 0.5 * square * y * y;
  return y + y * (0.5 - 0.5 * square * y * y);
}

/* x <- LN(x) for one block, radius <- |x| unless it is NULL; returns the first token without a direction, or filled. */
static PetscInt NormalizeBlock(PetscInt dim, PetscInt block, PetscInt filled, double *x, double *radius) {
  double square[TOKENS_BLOCK], extreme = 0;

  Squares(dim, block, x, square);
  if (radius)
    for (PetscInt t = 0; t < block; t++) radius[t] = sqrt(square[t]);
#pragma omp simd reduction(+ : extreme)
  for (PetscInt t = 0; t < block; t++) extreme += Usual(square[t]) ? 0 : 1; /* NaN: 1 */
  for (PetscInt t = 0; t < filled && extreme > 0; t++) {
    if (Usual(square[t])) continue;
    const double length = NormalizeExtreme(dim, block, x + t);
    if (length == 0) return t;
    if (radius) radius[t] = length;
    square[t] = 1;
  }
#pragma omp simd
  for (PetscInt t = 0; t < block; t++) square[t] = InverseRoot(square[t]);
  for (PetscInt c = 0; c < dim; c++) {
    double *restrict v = x + c * block;
#pragma omp simd
    for (PetscInt t = 0; t < block; t++) v[t] *= square[t];
  }
  return filled;
}

/* The field scale_a a + scale_b b at the tokens of a block. */
typedef struct {
  double scale_a, scale_b;
  const double *a, *b;
} Sum;

/* p[t] = <x_t, f_t> */
static void RadialPart(PetscInt dim, PetscInt block, Sum f, const double *x, double *p) {
  for (PetscInt t = 0; t < block; t++) p[t] = 0;
  for (PetscInt c = 0; c < dim; c++) {
    const double *restrict a = f.a + c * block, *restrict b = f.b + c * block, *restrict v = x + c * block;
#pragma omp simd
    for (PetscInt t = 0; t < block; t++) p[t] += v[t] * (f.scale_a * a[t] + f.scale_b * b[t]);
  }
}

/* out_t = keep x_t + P_x f_t; out may be x, a or b. */
static void TangentBlock(PetscInt dim, PetscInt block, double keep, Sum f, const double *x, double *out) {
  double p[TOKENS_BLOCK];

  RadialPart(dim, block, f, x, p);
  for (PetscInt c = 0; c < dim; c++) {
    const double *a = f.a + c * block, *b = f.b + c * block, *v = x + c * block;
    double *y = out + c * block;
#pragma omp simd
    for (PetscInt t = 0; t < block; t++) y[t] = (keep - p[t]) * v[t] + (f.scale_a * a[t] + f.scale_b * b[t]);
  }
}

/* Arrays of the terms of a sum: a missing term is the other one times 0. The caller knows that there is one. */
static PetscErrorCode SumGet(PetscReal scale_a, Vec a, PetscReal scale_b, Vec b, Sum *f) {
  PetscFunctionBeginUser;
  *f = (Sum){a ? scale_a : 0, b ? scale_b : 0, NULL, NULL};
  if (a) PetscCall(VecGetArrayRead(a, &f->a));
  if (b) PetscCall(VecGetArrayRead(b, &f->b));
  if (!a) f->a = f->b;
  if (!b) f->b = f->a;
  PetscFunctionReturn(0);
}

static PetscErrorCode SumRestore(Vec a, Vec b, Sum *f) {
  PetscFunctionBeginUser;
  if (a) PetscCall(VecRestoreArrayRead(a, &f->a));
  if (b) PetscCall(VecRestoreArrayRead(b, &f->b));
  PetscFunctionReturn(0);
}

/* x_t <- radius_t x_t */
static void ScaleBlock(PetscInt dim, PetscInt block, const double *radius, double *x) {
  for (PetscInt c = 0; c < dim; c++)
    for (PetscInt t = 0; t < block; t++) x[c * block + t] *= radius[t];
}

/* One block of a move, before it is normalised: keep x + P_x f, or radius x + scale_a a as it stands when plain (radius
 * NULL: 1; a may be NULL). */
static void MoveBlock(PetscInt dim, PetscInt block, PetscBool plain, double keep, Sum f, const double *radius,
                      double *restrict x) {
  if (radius) ScaleBlock(dim, block, radius, x);
  if (!plain) {
    TangentBlock(dim, block, keep, f, x, x);
  } else if (f.a) {
    const double *restrict a = f.a;
#pragma omp simd
    for (PetscInt i = 0; i < dim * block; i++) x[i] += f.scale_a * a[i];
  }
}

/* Own blocks first .. first + blocks - 1; f begins there. */
static PetscErrorCode Move(Tokens tokens, PetscInt first, PetscInt blocks, PetscBool plain, double keep, Sum f) {
  const TokensLayout *layout = &tokens->layout;
  const PetscInt length = layout->dim * layout->block;
  double *x;
  PetscInt64 lost = -1; /* the first token that has no direction any more */

  PetscFunctionBeginUser;
  PetscCall(VecGetArray(tokens->x, &x));
  for (PetscInt b = first; b < first + blocks && lost < 0; b++) {
    const PetscInt filled = TokensFilled(layout, b), offset = (b - first) * length;
    const Sum g = {f.scale_a, f.scale_b, f.a ? f.a + offset : NULL, f.b ? f.b + offset : NULL};
    double *panel = x + b * length, *radius = plain && tokens->radius ? tokens->radius + b * layout->block : NULL;

    MoveBlock(layout->dim, layout->block, plain, keep, g, radius, panel);
    const PetscInt end = NormalizeBlock(layout->dim, layout->block, filled, panel, radius);
    if (end < filled) lost = (PetscInt64)(layout->first + b) * layout->block + end;
    SetPadding(layout, b, panel);
    for (PetscInt t = filled; radius && t < layout->block; t++) radius[t] = 1;
  }
  PetscCall(VecRestoreArray(tokens->x, &x));
  /* Only the rank that owns the token reports it: agreeing with the others would cost an allreduce per step. */
  PetscCheck(lost < 0, PETSC_COMM_SELF, PETSC_ERR_FP,
             "token %" PetscInt64_FMT " was moved to a vector that is zero or not finite, which has no direction",
             lost);
  PetscFunctionReturn(0);
}

PetscErrorCode TokensMove(Tokens tokens, PetscReal scale, Vec g) {
  Sum f = {scale, 0, NULL, NULL};

  PetscFunctionBeginUser;
  if (g) PetscCall(VecGetArrayRead(g, &f.a));
  PetscCall(Move(tokens, 0, tokens->layout.owned, PETSC_TRUE, 1, f));
  if (g) PetscCall(VecRestoreArrayRead(g, &f.a));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensMoveTangent(Tokens tokens, PetscReal radial, PetscReal scale_a, Vec a, PetscReal scale_b, Vec b) {
  Sum f;

  PetscFunctionBeginUser;
  PetscCall(SumGet(scale_a, a, scale_b, b, &f));
  PetscCall(Move(tokens, 0, tokens->layout.owned, PETSC_FALSE, 1 - radial, f));
  PetscCall(SumRestore(a, b, &f));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensMoveTangentPiece(Tokens tokens, PetscInt first, PetscInt blocks, PetscReal radial,
                                      PetscReal scale_a, const double *a, PetscReal scale_b, const double *b) {
  const Sum f = {a ? scale_a : 0, b ? scale_b : 0, a ? a : b, b ? b : a};

  PetscFunctionBeginUser;
  PetscCall(Move(tokens, first, blocks, PETSC_FALSE, 1 - radial, f));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensTangent(Tokens tokens, PetscReal scale_a, Vec a, PetscReal scale_b, Vec b, Vec v) {
  const TokensLayout *layout = &tokens->layout;
  const PetscInt length = layout->dim * layout->block;
  const double *x;
  double *out;
  Sum f;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(tokens->x, &x));
  PetscCall(SumGet(scale_a, a, scale_b, b, &f));
  PetscCall(VecGetArray(v, &out));
  for (PetscInt i = 0; i < layout->owned * length; i += length) {
    const Sum g = {f.scale_a, f.scale_b, f.a + i, f.b + i};
    TangentBlock(layout->dim, layout->block, 0, g, x + i, out + i);
  }
  PetscCall(VecRestoreArray(v, &out));
  PetscCall(SumRestore(a, b, &f));
  PetscCall(VecRestoreArrayRead(tokens->x, &x));
  PetscFunctionReturn(0);
}
