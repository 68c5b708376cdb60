/* One layer with everything that went into it, for an independent recomputation (test_layer_numpy.py): deck keys as
 * options, and
 *
 *     hook_layer -hook_file OUT.h5 -tokens_count 64 ...
 *
 * writes the normals of attention_weights random, heads, the weights U[m][d], bias_u[m], W[d][m], bias_w[d] of noise
 * mlp or V[d][d] of noise values, the tokens before and after the layer, [N][d], their radii [N] before and after where
 * they have any, the time, and the energy before. */
#include <math.h>
#include <string.h>

#include <chorale/deck.h>
#include <chorale/noise.h>
#include <chorale/rng.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "hook.h"
#include "keys.h"
#include "noise/mlp.h"

enum { REALIZATION = 1, STEP = 3 };

static PetscErrorCode WriteWeights(Hdf hdf, Noise noise, PetscInt64 m, PetscInt64 d) {
  double *U, *bias_u, *W, *bias_w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(m * d, &U, m, &bias_u, m * d, &W, d, &bias_w));
  PetscCall(NoiseMlpWeights(noise, REALIZATION, STEP, U, bias_u, W, bias_w));
  PetscCall(HdfWriteReals(hdf, "U", 2, (PetscInt64[]){m, d}, U));
  PetscCall(HdfWriteReals(hdf, "bias_u", 1, &m, bias_u));
  PetscCall(HdfWriteReals(hdf, "W", 2, (PetscInt64[]){d, m}, W));
  PetscCall(HdfWriteReals(hdf, "bias_w", 1, &d, bias_w));
  PetscCall(PetscFree4(U, bias_u, W, bias_w));
  PetscFunctionReturn(0);
}

/* The matrix of the draw from the random numbers that it is made of. */
static PetscErrorCode WriteValues(Hdf hdf, uint64_t seed, PetscInt64 d) {
  double *V;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(d * d, &V));
  RngNormal((RngStream){seed, REALIZATION, STEP, RNG_VALUES}, 0, (size_t)(d * d), V);
  for (PetscInt64 i = 0; i < d * d; i++) V[i] /= sqrt((double)d);
  PetscCall(HdfWriteReals(hdf, "V", 2, (PetscInt64[]){d, d}, V));
  PetscCall(PetscFree(V));
  PetscFunctionReturn(0);
}

/* heads[H][2 e d + d^2]: Q, K, V of every head as the random numbers that they are made of. */
static PetscErrorCode WriteHeads(Hdf hdf, const AttentionOptions *options, PetscInt64 d) {
  const PetscInt64 e = options->head_dim > 0 ? options->head_dim : d, each = 2 * e * d + d * d;
  double *normals;

  PetscFunctionBeginUser;
  if (strcmp(options->weights, "random")) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(options->heads * each, &normals));
  RngNormal((RngStream){options->seed, REALIZATION, STEP, RNG_HEADS}, 0, (size_t)(options->heads * each), normals);
  PetscCall(HdfWriteReals(hdf, "heads", 2, (PetscInt64[]){options->heads, each}, normals));
  PetscCall(PetscFree(normals));
  PetscFunctionReturn(0);
}

/* All tokens as [N][d] on rank 0, in whatever order the blocks are owned. */
static PetscErrorCode WriteTokens(Hdf hdf, const char *path, Tokens tokens) {
  PetscInt64 first, n;
  PetscMPIInt rank;
  TokensLayout layout;
  double *rows, *all;
  size_t d;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCall(TokensGetLayout(tokens, &layout));
  d = (size_t)layout.dim;
  PetscCall(PetscMalloc1((size_t)(layout.owned * layout.block) * d, &rows));
  PetscCall(PetscCalloc1((size_t)layout.count * d, &all));
  PetscCall(TokensGetRows(tokens, &first, &n, rows));
  for (size_t i = 0; i < (size_t)n * d; i++) all[(size_t)first * d + i] = rows[i];
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all, (PetscMPIInt)(layout.count * layout.dim), MPI_DOUBLE, MPI_SUM,
                             PETSC_COMM_WORLD)); /* one rank has a token, the others add 0 */
  PetscCall(HdfWriteReals(hdf, path, 2, (PetscInt64[]){layout.count, layout.dim}, rank == 0 ? all : NULL));
  PetscCall(PetscFree(rows));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

/* Radii that differ, where tokens have them. */
static PetscErrorCode SetRadii(Tokens tokens) {
  PetscInt64 first, n;
  TokensLayout layout;
  double *radius;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  TokensOwnRows(&layout, &first, &n);
  PetscCall(TokensGetRadius(tokens, &radius));
  for (PetscInt64 i = 0; radius && i < n; i++) radius[i] = 0.5 + 0.25 * (double)((first + i) % 7);
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteRadii(Hdf hdf, const char *path, Tokens tokens) {
  TokensLayout layout;
  PetscInt64 first, n;
  double *radius;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  TokensOwnRows(&layout, &first, &n);
  PetscCall(TokensGetRadius(tokens, &radius));
  if (radius) PetscCall(HdfWriteRows(hdf, path, layout.count, 0, first, 1, n, radius));
  PetscFunctionReturn(0);
}

static PetscErrorCode Layer(Hdf hdf) {
  LayersOptions layers;
  StartOptions start_options;
  NoiseOptions noise_options;
  SchemeOptions scheme_options;
  AttentionOptions attention_options;
  PetscReal energy, time;
  Attention attention;
  Tokens tokens;
  Scheme scheme;
  Start start;
  Noise noise;
  Field field;

  PetscFunctionBeginUser;
  PetscCall(LayersOptionsRead(&layers));
  PetscCall(StartOptionsRead(&start_options));
  PetscCall(NoiseOptionsRead(&noise_options));
  const PetscInt dim = (PetscInt)start_options.dim;
  time = STEP * layers.horizon / (PetscReal)layers.depth;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, start_options.count, dim, &tokens));
  PetscCall(StartCreate(tokens, &start_options, &start));
  PetscCall(TokensStart(tokens, start, REALIZATION));
  PetscCall(AttentionOptionsRead(&attention_options));
  attention_options.depth = layers.depth;
  PetscCall(AttentionCreate(tokens, &attention_options, &attention));
  PetscCall(WriteHeads(hdf, &attention_options, dim));
  PetscCall(NoiseCreate(dim, &noise_options, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeOptionsRead(&scheme_options));
  PetscCall(SchemeCreate(tokens, &scheme_options, &scheme));
  if (strcmp(scheme_options.at, "tokens")) PetscCall(AttentionBarycentreSetUp(attention));
  if (strcmp(noise_options.type, "values"))
    PetscCall(WriteWeights(hdf, noise, noise_options.width, dim));
  else
    PetscCall(WriteValues(hdf, noise_options.seed, dim));
  PetscCall(WriteTokens(hdf, "before", tokens));
  PetscCall(SetRadii(tokens));
  PetscCall(WriteRadii(hdf, "radius_before", tokens));
  PetscCall(SchemeSetTime(scheme, time));
  PetscCall(HdfWriteReals(hdf, "time", 1, (PetscInt64[]){1}, &time));
  PetscCall(AttentionEnergy(attention, tokens, &energy));
  PetscCall(HdfWriteReals(hdf, "energy", 1, (PetscInt64[]){1}, &energy));
  PetscCall(NoiseDraw(noise, REALIZATION, STEP, field));
  PetscCall(AttentionDraw(attention, REALIZATION, STEP));
  PetscCall(SchemeStep(scheme, attention, field, layers.horizon / (PetscReal)layers.depth, tokens));
  PetscCall(WriteTokens(hdf, "after", tokens));
  PetscCall(WriteRadii(hdf, "radius_after", tokens));
  PetscCall(SchemeDestroy(&scheme));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(AttentionDestroy(&attention));
  PetscCall(StartDestroy(&start));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  return HookMain(argc, argv, "w", Layer);
}
