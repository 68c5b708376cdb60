/* Private to study chaos: the design of the experiment, its systems of tokens, what is measured on them. */
#ifndef CHORALE_STUDY_CHAOS_CHAOS_H
#define CHORALE_STUDY_CHAOS_CHAOS_H

#include "study/studies.h"

enum { CHAOS_COUNTS = 64 /* most values of tokens_count */ };

/* What the empirical measure of N tokens is compared with. */
typedef enum {
  CHAOS_NESTED,     /* a system of many tokens, of which the first N start the system of N */
  CHAOS_QUADRATURE, /* the limit: nodes of a quadrature rule, and copies, independent tokens moved by the nodes' field
                     */
  CHAOS_TWIN        /* a second system of N tokens with a start of its own */
} ChaosReference;

typedef struct {
  PetscInt counts, dim;
  PetscInt64 count[CHAOS_COUNTS]; /* N, ascending */
  ChaosReference reference;
  PetscInt64 size; /* tokens of the nested reference, nodes of the quadrature */
  PetscInt64 largest, total,
      compared;      /* tokens of the largest set, of all N together, of what they are compared with */
  PetscInt restarts; /* fresh starts along the same noise, beside the first */
  PetscInt walks;    /* all starts: restarts + 1 */
  PetscInt depth, frames;
  PetscReal horizon, dt, beta;
  PetscReal tol;             /* of W2^2 */
  PetscBool attracts, noisy; /* attention and noise move tokens */
} ChaosDesign;

/* design.c: from the deck, checked; but for frames. Collective. */
PetscErrorCode ChaosDesignRead(const ModelOptions *model, ChaosDesign *design);
PetscErrorCode ChaosDesignView(const ChaosDesign *design, const EnsembleLayout *layout);
/* About how many seconds W2^2 of N tokens, or of every N, takes at the start, and how many times as long it takes in
 * the mean of all frames. Pure. */
PetscReal ChaosTransportSecondsOf(const ChaosDesign *design, PetscInt i);
PetscReal ChaosTransportSeconds(const ChaosDesign *design);
PetscReal ChaosTransportGrowth(const ChaosDesign *design);
/* Tokens or nodes that those of count i are compared with. */
PetscInt64 ChaosComparedCount(const ChaosDesign *design, PetscInt i);

/* The state of the study. All systems of a group of ranks move along one noise path. */
typedef struct {
  Run run;
  ChaosDesign design;
  EnsembleLayout layout;
  Noise noise;
  Field field;
  Start start;
  System system[CHAOS_COUNTS];  /* of N tokens */
  System twin[CHAOS_COUNTS];    /* the second ones */
  System reference;             /* nested: its tokens; quadrature: the nodes and, with weight 0, the copies */
  Start limit;                  /* quadrature: the start of the reference */
  Tokens nodes;                 /* quadrature: the nodes alone */
  Tokens partner[CHAOS_COUNTS]; /* nested, quadrature: the N tokens that the coupling distance compares with */
  PetscReal *means;             /* mean tokens of one realization: [starts][frames][counts][d] */
} Chaos;

/* systems.c. Collective over the shards. */
PetscErrorCode ChaosCreateSystems(Chaos *chaos, const ModelOptions *options);
PetscErrorCode ChaosDestroySystems(Chaos *chaos);
/* All tokens to a checkpoint. */
PetscErrorCode ChaosKeepSystems(const Chaos *chaos, Checkpoint checkpoint);
/* The systems of N, alone or with what they are compared with, at the start of number `start` (`other` for the second
 * systems), and one step along the field of start number 0, 1, ... of the realization: those after the first are alone.
 */
PetscErrorCode ChaosStartSystems(const Chaos *chaos, PetscInt start, PetscInt other, PetscBool alone);
PetscErrorCode ChaosStepSystems(const Chaos *chaos, PetscInt r, PetscInt l, PetscInt start);

/* Numbers of one system at one time; the last is known when all restarts are. */
typedef enum {
  CHAOS_W2SQ, /* its upper end */
  CHAOS_MMD2,
  CHAOS_COUPLING,
  CHAOS_W2SQ_LOW,
  CHAOS_CORRELATION,
  CHAOS_NUMBERS
} ChaosNumber;

/* measure.c: all of a frame but the correlation, NaN being the coupling distance of twins, to
 * number[4][frames][counts], whose first frame is this one. Collective over the shards. */
PetscErrorCode ChaosMeasure(const Chaos *chaos, PetscReal number[]);
/* How fast this machine finds W2^2 of a small set as it stands, beside ChaosTransportSecondsOf: seconds for one.
 * Collective. */
PetscErrorCode ChaosTransportPace(const Chaos *chaos, PetscReal *pace);
/* mean[d] = sum_i x_i / N, the same for any number of ranks. Collective. */
PetscErrorCode ChaosMeanToken(Tokens tokens, PetscReal mean[]);
/* The correlation of two tokens of N given the noise, from the mean tokens mean[starts][d] (strided) of `starts`
 * independent starts along one noise path. Pure. */
PetscReal ChaosCorrelation(PetscInt64 N, PetscInt dim, PetscInt starts, PetscInt stride, const PetscReal mean[]);

/* report.c: statistics over realizations of rows [CHAOS_NUMBERS][frames][counts], the table, slopes and arrays. Called
 * alike on all ranks. */
PetscErrorCode ChaosReport(void *state, const Samples *samples, Results results);

#endif
