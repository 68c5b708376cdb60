/* What the studies read: tables of keys that several of them take, and the table of each. */
#ifndef CHORALE_STUDY_OPTIONS_H
#define CHORALE_STUDY_OPTIONS_H

#include <chorale/attention.h>
#include <chorale/checkpoint.h>
#include <chorale/density.h>
#include <chorale/ensemble.h>
#include <chorale/noise.h>
#include <chorale/output.h>
#include <chorale/progress.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/study.h>

#include "run/control.h"
#include "run/extras.h"
#include "run/target.h"

typedef struct {
  PetscBool dry, verbose;
  PetscInt64 ranks;             /* planned ones, 0 for those there are */
  PetscReal latency, bandwidth; /* of a network: microseconds, GB/s */
} RunOptions;

typedef struct {
  PetscReal tol;
} DistanceOptions;

typedef struct {
  PetscInt64 degree, growth;
  PetscBool spectrum, values;
} KernelOptions;

typedef struct {
  PetscInt64 reference;
  const char *supremum; /* name */
} LimitsOptions;

enum { CHAOS_REFERENCE_QUADRATURE = -1, CHAOS_REFERENCE_TWIN = -2 };
typedef struct {
  PetscInt64 reference; /* a number of tokens, or one of these */
  PetscInt64 nodes, restarts;
} ChaosOptions;

enum { SYNC_TWINS_AUTO = -1 };
typedef struct {
  PetscBool map;
  PetscInt64 twins; /* or SYNC_TWINS_AUTO */
  PetscInt64 starts;
  PetscBool spectrum;
  PetscInt64 exponents;
} SyncOptions;

typedef struct {
  const char *particles;
  PetscInt64 snapshots;
} SpdeOptions;

typedef struct {
  char file[PETSC_MAX_PATH_LEN], other[PETSC_MAX_PATH_LEN];
  PetscInt64 first, last, every, bins;
  const char *distance, *transport;
  PetscBool pairs, coordinates;
} AnalyzeOptions;

typedef struct {
  char files[PETSC_MAX_PATH_LEN]; /* a list */
} MergeOptions;

/* Tables of keys, to be filled in by DeckRead. */
extern const OptionKey DistanceKeys[], KernelKeys[], LimitsKeys[], ChaosKeys[], SyncKeys[], SpdeKeys[], AnalyzeKeys[],
    MergeKeys[];
extern const OptionTable SimulateTable, KernelTable, LimitsTable, ChaosTable, SyncTable, SpdeTable, AnalyzeTable,
    MergeTable;

/* Groups that most studies take: of the model, which depth, horizon and ensemble belong to; of any run. */
#define MODEL_KEYS_FROM(start, noise)                                                                                  \
  {StartKeys, start}, {.keys = LayersKeys}, {.keys = AttentionKeys}, {.keys = MlpKeys}, {NoiseKeys, noise},            \
      {.keys = SchemeKeys}, {                                                                                          \
    .keys = EnsembleKeys                                                                                               \
  }
#define MODEL_KEYS        MODEL_KEYS_FROM(NULL, NULL)
#define COMMON_MODEL_KEYS MODEL_KEYS_FROM(NULL, "!noise_independent") /* all noise is common to the tokens */
#define RUN_KEYS                                                                                                       \
  {.keys = ProgressKeys}, {                                                                                            \
    .keys = RunKeys                                                                                                    \
  }
/* Of dry_* and verbose, where no ranks are planned. */
#define RUN_ALONE "dry_run|verbose"
/* A change: what the study compares tokens with is a theory of the norm of the paper. */
#define NORM_OF_THEORY                                                                                                 \
  { .name = "scheme_norm", .words = OPTION_WORDS("post") }
/* Of output_*: the file of results and the table; these and frames. */
#define OUTPUT_FILES  "output_file|output_overwrite|output_table"
#define OUTPUT_FRAMES OUTPUT_FILES "|output_every|output_log"

#endif
