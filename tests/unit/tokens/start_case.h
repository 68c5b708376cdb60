/* Tokens as an initial law of the deck places them. */
#ifndef CHORALE_TEST_START_CASE_H
#define CHORALE_TEST_START_CASE_H

#include <chorale/start.h>

#include "expect.h"
#include "keys.h"

static inline void Configure(const char *init, const char *kappa, const char *clusters) {
  static const char *const all[] = {"tokens_count", "tokens_dim", "tokens_file", "tokens_dataset"};

  for (int i = 0; i < 4; i++) SetKey(all[i], NULL);
  SetKey("tokens_init", init);
  SetKey("tokens_kappa", kappa);
  SetKey("tokens_clusters", clusters);
  SetKey("ensemble_seed", "20260");
}

/* Rows [N][d] and weights [N] of all tokens, on every rank. The caller frees rows, which holds both. */
static inline void Gather(Tokens tokens, double **rows, double **weights) {
  TokensLayout layout;
  PetscInt64 first, n;
  double *mine;
  const double *w;

  OK(TokensGetLayout(tokens, &layout));
  OK(PetscCalloc1(layout.count * (layout.dim + 1), rows));
  *weights = *rows + layout.count * layout.dim;
  OK(PetscMalloc1(layout.owned * layout.block * layout.dim, &mine));
  OK(TokensGetRows(tokens, &first, &n, mine));
  OK(TokensGetWeights(tokens, &w));
  for (PetscInt64 i = 0; i < n * layout.dim; i++) (*rows)[first * layout.dim + i] = mine[i];
  for (PetscInt64 i = 0; i < n; i++) (*weights)[first + i] = w[i];
  OK(PetscFree(mine));
  OK(MPI_Allreduce(MPI_IN_PLACE, *rows, (int)(layout.count * (layout.dim + 1)), MPI_DOUBLE, MPI_SUM, layout.comm));
}

/* Tokens of realization r under the configured law. */
static inline void Sample(PetscInt64 N, PetscInt dim, PetscInt r, double **rows, double **weights) {
  Tokens tokens;
  Start start;
  PetscBool valid;

  OK(TokensCreate(PETSC_COMM_WORLD, N, dim, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(TokensStart(tokens, start, r));
  OK(TokensIsValid(tokens, &valid));
  assert_true(valid);
  Gather(tokens, rows, weights);
  OK(StartDestroy(&start));
  OK(TokensDestroy(&tokens));
}

/* StartCreate with tokens of this layout must be refused with this text. */
static inline void Refused(PetscInt64 N, PetscInt dim, const char *text) {
  Tokens tokens;
  Start start;

  OK(TokensCreate(PETSC_COMM_WORLD, N, dim, &tokens));
  REFUSED(StartFromKeys(tokens, &start), text);
  OK(TokensDestroy(&tokens));
}

#endif
