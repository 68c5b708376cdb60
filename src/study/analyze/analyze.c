/* Study analyze: what was not measured while tokens moved, from their recorded trajectories. Frames are independent of
 * each other, so there are no checkpoints: a run that was stopped leaves nothing and is started again. */
#include <chorale/attention.h>
#include <chorale/deck.h>
#include <chorale/observables.h>
#include <chorale/recording.h>
#include <string.h>

#include "study/analyze/analyze.h"
#include "study/studies.h"

typedef struct {
  Recording recording, other;
  RecordingInfo info;
  PetscInt first, every, frames; /* the analyzed ones: first, first + every, ... */
  PetscInt64 *step;              /* [frames] */
  PetscReal *time;
  AnalyzeReference reference;
  AnalyzeMeasures measures;
  EnsembleLayout layout;
  Tokens tokens, compared;
  Attention attention;
  PetscBool adopted; /* the file says how it was recorded */
  PetscBool good;    /* all frames could be read so far */
} Analysis;

/* The energy as the run computed it: from the kernel sums of its attention, so that its bits come back. */
static PetscErrorCode AdoptAttention(Analysis *a, AttentionOptions *options) {
  static const char *const keys[] = {"attention_type",   "attention_beta", "attention_value",
                                     "attention_engine", "attention_tol",  "attention_weights"};

  PetscFunctionBeginUser;
  PetscCall(RecordingAdopt(a->recording, sizeof(keys) / sizeof(keys[0]), keys, &a->adopted));
  PetscCall(AttentionOptionsRead(options));
  if (options->weights[0]) { /* whose sums do not serve the energy */
    PetscCall(DeckResolve("attention_weights", ""));
    PetscCall(DeckResolve("attention_type", "none"));
    PetscCall(DeckResolve("attention_engine", "direct"));
    PetscCall(AttentionOptionsRead(options));
  }
  PetscFunctionReturn(0);
}

/* The frames of the range. */
static PetscErrorCode SelectFrames(Analysis *a) {
  PetscInt64 first, last, every;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("analyze_first", &first));
  PetscCall(DeckGetInt("analyze_last", &last));
  PetscCall(DeckGetInt("analyze_every", &every));
  PetscCheck(first < a->info.frames, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_first = %" PetscInt64_FMT ": the file has the frames 0 to %" PetscInt_FMT, first,
             a->info.frames - 1);
  PetscCheck(last < a->info.frames, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_last = %" PetscInt64_FMT ": the file has the frames 0 to %" PetscInt_FMT, last,
             a->info.frames - 1);
  if (last < 0) last = a->info.frames - 1;
  PetscCheck(first <= last, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_last = %" PetscInt64_FMT ": must be at least analyze_first = %" PetscInt64_FMT, last, first);
  a->first = (PetscInt)first;
  a->every = (PetscInt)PetscMin(every, a->info.frames);
  a->frames = (PetscInt)(last - first) / a->every + 1;
  PetscCall(PetscMalloc2(a->frames, &a->step, a->frames, &a->time));
  for (PetscInt f = 0; f < a->frames; f++) {
    a->step[f] = a->info.step[a->first + f * a->every];
    a->time[f] = a->info.time[a->first + f * a->every];
  }
  PetscFunctionReturn(0);
}

/* The other file, which must be comparable frame by frame. */
static PetscErrorCode OpenOther(Analysis *a) {
  char name[PETSC_MAX_PATH_LEN];
  PetscInt shared = 0;
  RecordingInfo other;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("analyze_other", name));
  if (a->reference != DISTANCE_OTHER) PetscFunctionReturn(0);
  PetscCheck(name[0], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other is not set: analyze_distance = other needs it");
  PetscCall(RecordingOpen(PETSC_COMM_WORLD, "analyze_other", &a->other));
  PetscCall(RecordingGetInfo(a->other, &other));
  PetscCheck(other.count == a->info.count && other.dim == a->info.dim && other.realizations == a->info.realizations,
             PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other = %s: has %" PetscInt_FMT " realizations of %" PetscInt64_FMT " tokens in R^%" PetscInt_FMT
             ", analyze_file has %" PetscInt_FMT " of %" PetscInt64_FMT " in R^%" PetscInt_FMT,
             name, other.realizations, other.count, other.dim, a->info.realizations, a->info.count, a->info.dim);
  for (PetscInt f = 0; f < a->frames; f++) {
    const PetscInt frame = a->first + f * a->every;
    if (frame >= other.frames) break;
    PetscCheck(other.step[frame] == a->step[f] && other.time[frame] == a->time[f], PETSC_COMM_WORLD,
               PETSC_ERR_USER_INPUT,
               "analyze_other = %s: frame %" PetscInt_FMT " is step %" PetscInt64_FMT " at time %.6g, in analyze_file "
               "step %" PetscInt64_FMT " at time %.6g",
               name, frame, other.step[frame], (double)other.time[frame], a->step[f], (double)a->time[f]);
    shared++;
  }
  PetscCheck(shared, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other = %s: has only the frames 0 to %" PetscInt_FMT ", none of those analyzed", name,
             other.frames - 1);
  PetscFunctionReturn(0);
}

static PetscErrorCode Open(Analysis *a, AttentionOptions *attention) {
  char name[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("analyze_file", name));
  PetscCheck(name[0], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_file is not set: name a trajectory (.h5md) or a results file with trajectories");
  PetscCall(AnalyzeGetReference(&a->reference));
  PetscCall(RecordingOpen(PETSC_COMM_WORLD, "analyze_file", &a->recording));
  PetscCall(RecordingGetInfo(a->recording, &a->info));
  PetscCall(SelectFrames(a));
  PetscCall(OpenOther(a));
  PetscCall(AdoptAttention(a, attention));
  PetscFunctionReturn(0);
}

/* The method of transport depends on the weights: those of the file, of the first realization that has any. Whether all
 * groups could read them is settled here, before the first frame. */
static PetscErrorCode ReadFirst(Analysis *a) {
  PetscBool good;
  PetscInt r = 0;

  PetscFunctionBeginUser;
  while (RecordingFrames(a->recording, r) == 0) r++;
  PetscCall(RecordingRead(a->recording, r, 0, a->tokens, &good));
  PetscCall(RecordingCheck(a->recording));
  PetscFunctionReturn(0);
}

static PetscErrorCode Note(const char *key, const char *value, void *context) {
  static const char *const aside[] = {"output_",         "checkpoint_", "progress", "ensemble_realizations",
                                      "ensemble_groups", "dry_run"};
  char name[64];

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof(aside) / sizeof(aside[0]); i++)
    if (!strncmp(key, aside[i], strlen(aside[i]))) PetscFunctionReturn(0);
  if (!strcmp(key, "tokens_count") || !strcmp(key, "tokens_dim")) PetscFunctionReturn(0); /* the positions say them */
  PetscCall(PetscSNPrintf(name, sizeof(name), "source_%s", key));
  PetscCall(ResultsText((Results)context, name, value));
  PetscFunctionReturn(0);
}

/* What was analyzed, as attributes source_KEY of /study/analyze: N, d and R of the positions, and the keys that
 * made them. */
static PetscErrorCode NoteSource(Analysis *a, Results results) {
  char number[32];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt64_FMT, a->info.count));
  PetscCall(ResultsText(results, "source_tokens_count", number));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, a->info.dim));
  PetscCall(ResultsText(results, "source_tokens_dim", number));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, a->info.realizations));
  PetscCall(ResultsText(results, "source_ensemble_realizations", number));
  PetscCall(RecordingVisit(a->recording, Note, results));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Analysis *a = state;
  AttentionOptions attention;
  EnsembleOptions ensemble;

  PetscFunctionBeginUser;
  a->good = PETSC_TRUE;
  PetscCall(Open(a, &attention));
  PetscCall(EnsembleOptionsRead(&ensemble));
  ensemble.realizations = a->info.realizations;
  PetscCall(RunCreateEnsemble(run, &ensemble, TokensBlockCount(a->info.count), &a->layout));
  PetscCall(TokensCreate(a->layout.shards, a->info.count, a->info.dim, &a->tokens));
  PetscCall(ReadFirst(a));
  if (a->reference != DISTANCE_NONE) PetscCall(TokensDuplicate(a->tokens, &a->compared));
  PetscCall(AnalyzeMeasuresCreate(a->tokens, &a->measures));
  PetscCall(AttentionCreate(a->tokens, &attention, &a->attention));
  PetscCall(RunSetFrameList(run, a->frames, a->step, a->time));
  PetscCall(RunDeclareObservables(run));
  for (PetscInt q = 0; q < a->measures.count; q++) PetscCall(RunDeclare(run, &a->measures.quantity[q]));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Analysis *a = state;

  PetscFunctionBeginUser;
  PetscCall(AttentionDestroy(&a->attention));
  PetscCall(TokensDestroy(&a->compared));
  PetscCall(TokensDestroy(&a->tokens));
  PetscCall(PetscFree2(a->step, a->time));
  PetscCall(RecordingDestroy(&a->other));
  PetscCall(RecordingDestroy(&a->recording));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Analysis *a = state;
  PetscInt recorded = 0, whole = 0;

  PetscFunctionBeginUser;
  for (PetscInt r = 0; r < a->info.realizations; r++) {
    recorded += RecordingFrames(a->recording, r) > 0;
    whole += RecordingFrames(a->recording, r) == a->info.frames;
  }
  PetscCall(PetscPrintf(a->layout.world,
                        "recording  %" PetscInt_FMT " frames up to step %" PetscInt64_FMT ", of %" PetscInt_FMT
                        " realizations %" PetscInt_FMT " have all of them, %" PetscInt_FMT " none; attention_* %s\n",
                        a->info.frames, a->info.step[a->info.frames - 1], a->info.realizations, whole,
                        a->info.realizations - recorded, a->adopted ? "as recorded" : "from the deck"));
  if (a->layout.group == 0) {
    PetscCall(TokensView(a->tokens));
    PetscCall(AttentionView(a->attention));
    PetscCall(AnalyzeMeasuresView(&a->measures, a->tokens));
  }
  PetscFunctionReturn(0);
}

/* What the tokens of a frame are compared with, NULL when there is nothing. */
static PetscErrorCode Compared(Analysis *a, PetscInt r, PetscInt f, Tokens *compared, PetscBool *good) {
  const PetscInt frame = a->first + f * a->every;

  PetscFunctionBeginUser;
  *compared = a->compared;
  if (a->reference == DISTANCE_FIRST && f == 0) PetscCall(TokensCopy(a->tokens, a->compared));
  if (a->reference == DISTANCE_PREVIOUS && f == 0) *compared = NULL;
  if (a->reference != DISTANCE_OTHER) PetscFunctionReturn(0);
  if (frame < RecordingFrames(a->other, r))
    PetscCall(RecordingRead(a->other, r, frame, a->compared, good));
  else
    *compared = NULL;
  PetscFunctionReturn(0);
}

/* Reads frame f and what it is compared with; a realization ends where its recording does. */
static PetscErrorCode Read(void *state, PetscInt r, PetscInt f, PetscBool *ended) {
  Analysis *a = state;
  const PetscInt frame = a->first + f * a->every;

  PetscFunctionBeginUser;
  if (a->good && frame < RecordingFrames(a->recording, r))
    PetscCall(RecordingRead(a->recording, r, frame, a->tokens, &a->good));
  else
    *ended = PETSC_TRUE;
  if (!a->good) *ended = PETSC_TRUE;
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Analysis *a = state;
  Tokens compared;

  PetscFunctionBeginUser;
  PetscCall(Compared(a, r, f, &compared, &a->good));
  if (!a->good) PetscFunctionReturn(0);
  PetscCall(ObservablesEvaluate(a->tokens, a->attention, values));
  PetscCall(AnalyzeMeasure(&a->measures, a->tokens, compared, values + OBSERVE_VALUES));
  if (a->reference == DISTANCE_PREVIOUS) PetscCall(TokensCopy(a->tokens, a->compared));
  PetscFunctionReturn(0);
}

/* Whether all groups could read their frames; the table of observables speaks for itself. */
static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Analysis *a = state;

  PetscFunctionBeginUser;
  (void)samples;
  if (a->other) PetscCall(RecordingClose(a->other));
  PetscCall(RecordingCheck(a->recording));
  if (a->other) PetscCall(RecordingCheck(a->other));
  PetscCall(NoteSource(a, results));
  PetscFunctionReturn(0);
}

const Study StudyAnalyze = {
    .name = "analyze",
    .options = &AnalyzeTable,
    .summary = "recorded trajectories: observables, distances and histograms of their frames",
    .form = {.integers = 1, .rows = 20},
    .size = sizeof(Analysis),
    .create = Create,
    .view = View,
    .step = Read,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
