/* Private to study chaos: the design of the experiment, its systems of tokens, what is measured on them. */
#ifndef CHORALE_STUDY_CHAOS_CHAOS_H
#define CHORALE_STUDY_CHAOS_CHAOS_H

#include <chorale/attention.h>
#include <chorale/checkpoint.h>
#include <chorale/ensemble.h>
#include <chorale/noise.h>
#include <chorale/results.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

enum {
  CHAOS_COUNTS = 64,      /* most values of tokens_count */
  CHAOS_TRANSPORT = 16384 /* most tokens of a measure off the circle of which W2^2 is computed: its cost is quadratic */
};

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
  PetscInt64 size;   /* tokens of the nested reference, nodes of the quadrature */
  PetscInt restarts; /* fresh starts along the same noise, beside the first */
  PetscInt walks;    /* all starts: restarts + 1 */
  PetscInt depth, frames;
  PetscReal horizon, beta;
} ChaosDesign;

/* design.c: from the deck, checked; but for frames. Collective. */
PetscErrorCode ChaosDesignRead(ChaosDesign *design);
PetscErrorCode ChaosDesignView(const ChaosDesign *design, MPI_Comm comm);
/* Tokens of the largest set, and of all systems of N together. */
PetscInt64 ChaosLargest(const ChaosDesign *design);
PetscInt64 ChaosTotal(const ChaosDesign *design);

/* Is W2^2 computed for count i? */
PetscBool ChaosHasTransport(const ChaosDesign *design, PetscInt i);

/* Tokens that interact. */
typedef struct {
  Tokens tokens;
  Attention attention;
  Scheme scheme;
} ChaosSystem;

/* All systems of a group of ranks; they move along one noise path. */
typedef struct {
  PetscInt counts;
  ChaosReference kind;
  PetscInt64 size;
  Start start;
  ChaosSystem system[CHAOS_COUNTS]; /* of N tokens */
  ChaosSystem twin[CHAOS_COUNTS];   /* the second ones */
  ChaosSystem reference;            /* nested: its tokens; quadrature: the nodes and, with weight 0, the copies */
  Start limit;                      /* quadrature: the start of the reference */
  Tokens nodes;                     /* quadrature: the nodes alone */
  Tokens partner[CHAOS_COUNTS];     /* nested, quadrature: the N tokens that the coupling distance compares with */
} ChaosSystems;

/* systems.c. Collective over the shards. */
PetscErrorCode ChaosSystemsCreate(const ChaosDesign *design, MPI_Comm shards, ChaosSystems *systems);
PetscErrorCode ChaosSystemsDestroy(ChaosSystems *systems);
PetscErrorCode ChaosSystemsView(ChaosSystems *systems);
/* All tokens to a checkpoint. */
PetscErrorCode ChaosSystemsSave(ChaosSystems *systems, Checkpoint checkpoint);
/* The systems of N, alone or with what they are compared with, at the start of number `start` (`other` for the second
 * systems), and one step of size dt. */
PetscErrorCode ChaosSystemsStart(ChaosSystems *systems, PetscInt start, PetscInt other, PetscBool alone);
PetscErrorCode ChaosSystemsStep(ChaosSystems *systems, Field field, PetscReal dt, PetscBool alone);

/* Numbers of one system at one time; the last is known when all restarts are. */
typedef enum { CHAOS_W2SQ, CHAOS_MMD2, CHAOS_COUPLING, CHAOS_CORRELATION, CHAOS_NUMBERS } ChaosNumber;

/* measure.c: W2^2 (NaN where it is left out), MMD^2 and coupling distance (NaN for twins) of a frame to
 * number[3][counts], rows `stride` apart. Collective over the shards. */
PetscErrorCode ChaosMeasure(const ChaosDesign *design, ChaosSystems *systems, PetscInt stride, PetscReal number[]);
/* How W2^2 is found: "circle", or "assignment, sinkhorn, none" where small and large N differ. Collective. */
PetscErrorCode ChaosMethods(const ChaosDesign *design, ChaosSystems *systems, size_t size, char methods[]);
/* mean[d] = sum_i x_i / N, the same for any number of ranks. Collective. */
PetscErrorCode ChaosMeanToken(Tokens tokens, PetscReal mean[]);
/* The correlation of two tokens of N given the noise, from the mean tokens mean[starts][d] (strided) of `starts`
 * independent starts along one noise path. Pure. */
PetscReal ChaosCorrelation(PetscInt64 N, PetscInt dim, PetscInt starts, PetscInt stride, const PetscReal mean[]);

/* report.c: statistics over realizations of rows [CHAOS_NUMBERS][frames][counts], the table, slopes and arrays. method:
 * those of W2^2, in words. Called alike on all ranks. */
PetscErrorCode ChaosReport(const ChaosDesign *design, const Samples *samples, const char *method, Results results);

#endif
