/* What a type of scheme implements. A new type is one file like layer.c and a word in SCHEMES. Where the norm stands is
 * no concern of a type that takes its fields from SchemeFields or SchemeSlope and moves tokens by TokensMove. */
#ifndef CHORALE_SCHEME_IMPL_H
#define CHORALE_SCHEME_IMPL_H

#include <chorale/scheme.h>

#include "law/sphere/tabulation.h"

enum { SCHEME_WORK_MAX = 3, SCHEME_PIECE = 16 }; /* SCHEME_PIECE: blocks of a piece */

typedef struct {
  const char *name;        /* value of scheme_type */
  const char *description; /* the step in one line, for SchemeView */
  PetscInt stages;         /* evaluations of the noise in a step */
  PetscInt works;          /* work vectors, at most SCHEME_WORK_MAX */
  PetscBool pieces;        /* moves tokens piece by piece where the fields allow it; else needs work vectors */
  PetscBool inner;         /* needs a second set of tokens, for its stages inside a step */
  PetscBool joins;         /* adds both fields at the same places */
  PetscBool barycentre;    /* is right for noise at barycentres: of the Ito form */
  /* Refuses steps of size dt with noise of variance k1; NULL when the type takes any. */
  PetscErrorCode (*check)(Scheme scheme, PetscReal k1, PetscReal dt);
  PetscErrorCode (*step)(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens);
} SchemeType;

/* Where the norm stands, NEIGHBOURS.md (13.1): three switches in the residual stream of a layer. */
typedef struct {
  const char *name;        /* value of scheme_norm */
  const char *description; /* in one line, for SchemeView; NULL for the plain one */
  PetscBool radius;        /* the stream is not normalised: tokens keep a radius */
  PetscBool unit;          /* what a branch adds is normalised */
  PetscBool depth;         /* what a branch adds is divided by sqrt(t + 1) */
} SchemeNorm;

/* Both fields as one table, see joint.c. */
typedef struct {
  Tabulation table; /* NULL until there is one */
  PetscInt degree;
  PetscReal tol;
  double *values, *part; /* [blocks][d][B] of its points: the sum of the fields, and one of them */
} SchemeJoint;

struct _p_Scheme {
  const SchemeType *type;
  const SchemeNorm *norm;
  PetscReal alpha;        /* factor of attention's normalised output */
  PetscReal time;         /* at which the next step begins */
  PetscReal tol, substep; /* of flow with steps that adapt: error per time, 0 for none; the next substep, 0 for any */
  MPI_Comm comm;          /* the tokens' */
  PetscInt dim;           /* d */
  Vec work[SCHEME_WORK_MAX]; /* fields at the tokens; NULL beyond type->works, and before SchemeWork */
  double *piece;             /* [works][SCHEME_PIECE][d][B]: fields at the tokens of a piece, or NULL */
  SchemeJoint joint;
  Tokens inner;           /* the tokens at a stage inside a step, or NULL */
  Tokens trial[2];        /* the tokens after a substep and after two halves of it, or NULL */
  Tokens mean;            /* barycentres as positions, not of norm 1; NULL for noise at the tokens */
  SchemeWatcher watcher;  /* of the noise, or NULL */
  void *watching;         /* its context */
  PetscBool watched;      /* it has seen this step */
  PetscReal bytes, least; /* memory of the rank that has most: with work vectors; with pieces alone */
};

/* Work vectors, if there are none yet. Collective. */
PetscErrorCode SchemeWork(Scheme scheme, Tokens tokens);

/* What attention and the noise add to the tokens: Att[mu](x) and G(x), or G(m(x)) at barycentres, normalised where the
 * norm has it so. */
PetscErrorCode SchemeAttention(Scheme scheme, Attention attention, Tokens tokens, Vec drift);
PetscErrorCode SchemeNoise(Scheme scheme, Attention attention, Field field, Tokens tokens, Vec noise);
/* Both of a step. A field that is identically zero is not evaluated, and its Vec becomes NULL. Collective. */
PetscErrorCode SchemeFields(Scheme scheme, Attention attention, Field field, Tokens tokens, Vec *drift, Vec *noise);
/* What the norm multiplies both with at this time. Pure. */
PetscReal SchemeFactor(Scheme scheme, PetscReal time);
/* What it makes of the variance k(1) of the noise per time, at most. Pure. */
PetscReal SchemeVariance(Scheme scheme, PetscReal k1);
/* Which of the fields are not identically zero, and prepares these for evaluation in pieces, when all of them can.
 * Collective. */
PetscErrorCode SchemePrepare(Scheme scheme, Attention attention, Field field, Tokens tokens, PetscBool *drift,
                             PetscBool *noise, PetscBool *pieces);
/* joint.c: are both there, and is one table worth while? Pure. */
PetscErrorCode SchemeMayJoin(Attention attention, Field field, PetscBool *possible);
/* *table <- a Att[mu] + b G, up to multiples of x, as one table, after SchemePrepare has found that these can
 * come in pieces; NULL where they are not both there, or two evaluations are as good. Collective. */
PetscErrorCode SchemeJoin(Scheme scheme, Attention attention, Field field, PetscReal a, PetscReal b, Tabulation *table);
PetscErrorCode SchemeJointDestroy(Scheme scheme);
/* slope_i = P_{x_i} (Att[mu](x_i) dt + dW(x_i)) with dW = sqrt(dt) G, as they are at this time: the Stratonovich
 * increment of THEORY.md (3.2), without P for tokens that have a radius, NEIGHBOURS.md (13.2). scratch holds G on the
 * way. *zero when both fields are zero, and then slope is left alone. Collective. */
PetscErrorCode SchemeSlope(Scheme scheme, Attention attention, Field field, PetscReal time, PetscReal dt, Tokens tokens,
                           Vec scratch, Vec slope, PetscBool *zero);
/* y <- (clear ? 0 : y) + scale x, with the same bits for any number of ranks. Not collective. */
PetscErrorCode SchemeAccumulate(Vec y, PetscBool clear, PetscReal scale, Vec x);

/* All types: NAME stands for the SchemeTypeNAME of its file. */
#define SCHEMES(TYPE)     TYPE(Layer), TYPE(Euler), TYPE(Heun), TYPE(Flow)
#define SCHEME_TYPE(name) SchemeType##name
extern const SchemeType SCHEMES(SCHEME_TYPE);

#endif
