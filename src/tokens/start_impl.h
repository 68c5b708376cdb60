/* What an initial law must provide. A new law is one function set and its name in the registry in start.c. */
#ifndef CHORALE_TOKENS_START_IMPL_H
#define CHORALE_TOKENS_START_IMPL_H

#include <chorale/rng.h>
#include <chorale/start.h>

typedef struct {
  const char *name; /* value of tokens_init */
  /* Checks the options and reads what the law needs besides; may be NULL. Collective. */
  PetscErrorCode (*setup)(Start start, const TokensLayout *layout);
  /* Before the tokens of realization r are placed; may be NULL. Collective. */
  PetscErrorCode (*begin)(Start start, const TokensLayout *layout, PetscInt r);
  /* Writes the tokens of this rank's block b for realization r to x[d][B], any norm > 0. What token i gets depends on
   * (seed, r, i, d) alone, so the first n of N tokens are the same for every N. Padding need not be written. Not
   * collective. */
  PetscErrorCode (*place)(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x);
  /* In its place, one attempt to draw a token: point, d normals, becomes the token, or is turned down; `uniform`
   * decides.
   */
  PetscBool (*attempt)(const StartOptions *options, PetscInt dim, PetscReal uniform, double *point);
  /* What becomes of token i then; may be NULL. work has room for d numbers. */
  void (*finish)(const StartOptions *options, PetscInt r, PetscInt64 i, PetscInt dim, double *point, double *work);
  /* Weights of block b's tokens, up to a common factor; NULL means all equal. Not collective. */
  void (*weigh)(Start start, const TokensLayout *layout, PetscInt b, double *weights);
  PetscErrorCode (*destroy)(Start start); /* frees start->data; may be NULL */
} StartLaw;

struct _p_Start {
  const StartLaw *law;
  StartOptions options;
  void *data; /* of the law */
};

/* The i-th name of the registry, NULL past the end (start.c). */
const char *StartLawName(PetscInt i);
/* start_file.c: rows and columns of a file of tokens; refuses (user input) what is none. Collective. */
PetscErrorCode StartFileShape(MPI_Comm world, const char *path, const char *dataset, PetscInt64 shape[2]);
/* The same for the frames that `which` names (start_frame.c), and what tokens_init file is with tokens_frame.
 * Collective.
 */
PetscErrorCode StartFrameShape(MPI_Comm world, const char *path, const char *which, PetscInt64 shape[2]);
PetscErrorCode StartFrameSetUp(Start start, const TokensLayout *layout);
/* start_rows.c: refuses (user input) rows without a direction, and tames those whose norm leaves double precision; puts
 * the rows of block b into x[d][B]. rows[n][d] are this rank's, the first of which is row `first` of the file. The
 * former is collective. */
PetscErrorCode StartFileCheckRows(const TokensLayout *layout, const char *path, PetscInt64 first, PetscInt64 n,
                                  double *rows);
void StartFilePlaceRows(const TokensLayout *layout, PetscInt b, const double *rows, double *x);
/* Block b as the law has it: placed, or drawn token by token (start.c). */
PetscErrorCode StartPlace(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x);
/* The rule of the uniform measure on tokens of this layout, which the caller destroys (start_quadrature.c). */
PetscErrorCode StartCreateQuadrature(const TokensLayout *layout, Start *start);
extern const StartLaw StartQuadrature, StartFisher, StartClusters, StartHarmonic, StartEquiangular, StartFile;

#endif
