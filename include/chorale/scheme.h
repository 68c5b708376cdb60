/* One step of the tokens. Types: layer, the transformer of THEORY.md (1.1):
 *
 *     y_i = LN(x_i + dt Att[mu](x_i)),   x_i^next = LN(y_i + sqrt(dt) G(y_i)),   dt = T/L
 *
 * and three for the limit SDE of THEORY.md section 3 (with dW = sqrt(dt) G): euler, projected Euler-Maruyama of the Ito
 * form; heun, projected Heun of the Stratonovich form; flow, RK4 of dx/ds = P_x (Att(x) dt + dW(x)) over s in [0,1]
 * with the field frozen. All of them with any of the norms of NEIGHBOURS.md section 13. With noise_at barycentre layer
 * and euler ask for G(m(x_i)) in place of G(x_i), with attention's output m of V = I: NEIGHBOURS.md (12.3). */
#ifndef CHORALE_SCHEME_H
#define CHORALE_SCHEME_H

#include <chorale/attention.h>
#include <chorale/field.h>
#include <chorale/noise.h>

typedef struct _p_Scheme *Scheme;

typedef struct {
  const char *at;   /* where the noise is asked for: "tokens" or "barycentre"; NULL for tokens */
  const char *type; /* name */
  const char *norm; /* name; NULL for post */
  PetscReal tol;    /* error per time of substeps that adapt, for flow without noise; 0 for steps as they are; no key */
  PetscReal alpha;
} SchemeOptions;
extern const OptionKey SchemeKeys[];
/* scheme_* and noise_at. */
PetscErrorCode SchemeOptionsRead(SchemeOptions *options);

/* With work vectors for tokens of this layout. A norm that needs one gives the tokens a radius. Refuses (user input)
 * noise at barycentres for heun and flow. Collective. */
PetscErrorCode SchemeCreate(Tokens tokens, const SchemeOptions *options, Scheme *scheme);
PetscErrorCode SchemeDestroy(Scheme *scheme);
PetscErrorCode SchemeView(Scheme scheme);
/* Type and what is not as usual, in a phrase of at most `room` bytes. Pure. */
PetscErrorCode SchemeBrief(Scheme scheme, size_t room, char text[]);
/* Sets of points at which a step evaluates the noise. Not collective. */
PetscErrorCode SchemeGetStages(Scheme scheme, PetscInt *stages);
/* Memory of the rank that has most, beside that of a table of both fields where steps are made by one. Not collective.
 */
PetscErrorCode SchemeGetBytes(Scheme scheme, PetscBool joint, PetscReal *bytes);
/* The table that has both fields where they may be one (NUMERICS.md 9.13). */
typedef struct {
  PetscInt degree;  /* negative where there is none */
  PetscReal bytes;  /* its memory on every rank */
  PetscReal error;  /* of its numbers, of the sum of the sizes of the harmonics, at most */
  PetscBool single; /* is it in single precision? */
} SchemeTable;
/* As a step takes it, of a scheme that is watched or not. Not collective. */
PetscErrorCode SchemeGetJoint(Scheme scheme, Attention attention, Noise noise, SchemeTable *table);
/* Refuses (user input) steps of size dt that this scheme cannot take with fields of this noise: for studies to call
 * before they write anything. Every rank finds the same. */
PetscErrorCode SchemeCheck(Scheme scheme, Noise noise, PetscReal dt);
/* Refuses (user input) a fixed MLP of attention_weights with a norm that has no place for it. */
PetscErrorCode SchemeCheckDrift(Scheme scheme, Attention attention);
/* Time at which the next steps begin, 0 at first: norm depth depends on it. Not collective. */
PetscErrorCode SchemeSetTime(Scheme scheme, PetscReal time);
/* Where a scheme whose steps adapt keeps the size of the next substep, which belongs to a checkpoint; NULL for others.
 * Time 0 begins anew. Not collective. */
PetscErrorCode SchemeGetSubstep(Scheme scheme, PetscReal **substep);
/* Who sees the noise of every step at the tokens that it is about to move, at the first of its stages; NULL for nobody.
 * The bits of the step do not change. context stays the caller's. Not collective; the watcher is, as SchemeStep. */
typedef PetscErrorCode (*SchemeWatcher)(void *context, Tokens tokens, Vec noise);
PetscErrorCode SchemeSetWatcher(Scheme scheme, SchemeWatcher watcher, void *context);
/* Moves the tokens by one step of size dt > 0. Collective on the tokens' communicator. */
PetscErrorCode SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens);

#endif
