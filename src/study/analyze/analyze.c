/* Study analyze: what was not measured while tokens moved, from their recorded trajectories. Frames are independent of
 * each other, so there are no checkpoints: a run that was stopped leaves nothing and is started again. */
#include <chorale/observables.h>
#include <chorale/recording.h>
#include <string.h>

#include "run/extras.h"
#include "study/analyze/analyze.h"

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
  Extras extras;
} Analysis;

/* The energy's beta: that of an attention_beta that is given, else as recorded; files of before it was a key have
 * attention's. */
static PetscErrorCode AdoptEnergy(Recording recording) {
  char beta[PETSC_MAX_PATH_LEN];
  PetscBool given, found;

  PetscFunctionBeginUser;
  PetscCall(DeckReadText(AttentionKeys, "attention_beta", beta));
  PetscCall(DeckResolve("energy_beta", beta));
  PetscCall(DeckHas("attention_beta", &given));
  if (!given) PetscCall(RecordingAdopt(recording, 1, (const char *const[]){"energy_beta"}, &found));
  PetscFunctionReturn(0);
}

/* The energy as the run computed it: from the kernel sums of its attention, so that its bits come back. */
static PetscErrorCode AdoptAttention(Analysis *analysis, AttentionOptions *options) {
  static const char *const keys[] = {"attention_type",   "attention_mask", "attention_beta",   "attention_value",
                                     "attention_engine", "attention_tol",  "attention_weights"};

  PetscFunctionBeginUser;
  PetscCall(RecordingAdopt(analysis->recording, sizeof(keys) / sizeof(keys[0]), keys, &analysis->adopted));
  PetscCall(AdoptEnergy(analysis->recording));
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
static PetscErrorCode SelectFrames(Analysis *analysis, const AnalyzeOptions *options) {
  const PetscInt64 first = options->first, every = options->every;
  PetscInt64 last = options->last;

  PetscFunctionBeginUser;
  PetscCheck(first < analysis->info.frames, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_first = %" PetscInt64_FMT ": the file has the frames 0 to %" PetscInt_FMT, first,
             analysis->info.frames - 1);
  PetscCheck(last < analysis->info.frames, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_last = %" PetscInt64_FMT ": the file has the frames 0 to %" PetscInt_FMT, last,
             analysis->info.frames - 1);
  if (last < 0) last = analysis->info.frames - 1;
  PetscCheck(first <= last, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_last = %" PetscInt64_FMT ": must be at least analyze_first = %" PetscInt64_FMT, last, first);
  analysis->first = (PetscInt)first;
  analysis->every = (PetscInt)PetscMin(every, analysis->info.frames);
  analysis->frames = (PetscInt)(last - first) / analysis->every + 1;
  PetscCall(PetscMalloc2(analysis->frames, &analysis->step, analysis->frames, &analysis->time));
  for (PetscInt f = 0; f < analysis->frames; f++) {
    analysis->step[f] = analysis->info.step[analysis->first + f * analysis->every];
    analysis->time[f] = analysis->info.time[analysis->first + f * analysis->every];
  }
  PetscFunctionReturn(0);
}

/* The other file, which must be comparable frame by frame. */
static PetscErrorCode OpenOther(Analysis *analysis, const char *name) {
  PetscInt shared = 0;
  RecordingInfo other;

  PetscFunctionBeginUser;
  if (analysis->reference != DISTANCE_OTHER) PetscFunctionReturn(0);
  PetscCheck(name[0], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other is not set: analyze_distance = other needs it");
  PetscCall(RecordingOpen(PETSC_COMM_WORLD, "analyze_other", name, &analysis->other));
  PetscCall(RecordingGetInfo(analysis->other, &other));
  PetscCheck(other.count == analysis->info.count && other.dim == analysis->info.dim &&
                 other.realizations == analysis->info.realizations,
             PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other = %s: has %" PetscInt_FMT " realizations of %" PetscInt64_FMT " tokens in R^%" PetscInt_FMT
             ", analyze_file has %" PetscInt_FMT " of %" PetscInt64_FMT " in R^%" PetscInt_FMT,
             name, other.realizations, other.count, other.dim, analysis->info.realizations, analysis->info.count,
             analysis->info.dim);
  for (PetscInt f = 0; f < analysis->frames; f++) {
    const PetscInt frame = analysis->first + f * analysis->every;
    if (frame >= other.frames) break;
    PetscCheck(other.step[frame] == analysis->step[f] && other.time[frame] == analysis->time[f], PETSC_COMM_WORLD,
               PETSC_ERR_USER_INPUT,
               "analyze_other = %s: frame %" PetscInt_FMT " is step %" PetscInt64_FMT " at time %.6g, in analyze_file "
               "step %" PetscInt64_FMT " at time %.6g",
               name, frame, other.step[frame], (double)other.time[frame], analysis->step[f], (double)analysis->time[f]);
    shared++;
  }
  PetscCheck(shared, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_other = %s: has only the frames 0 to %" PetscInt_FMT ", none of those analyzed", name,
             other.frames - 1);
  PetscFunctionReturn(0);
}

static PetscErrorCode Open(Analysis *analysis, const AnalyzeOptions *options) {
  PetscFunctionBeginUser;
  PetscCheck(options->file[0], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "analyze_file is not set: name a trajectory (.h5md) or a results file with trajectories");
  PetscCall(RecordingOpen(PETSC_COMM_WORLD, "analyze_file", options->file, &analysis->recording));
  PetscCall(RecordingGetInfo(analysis->recording, &analysis->info));
  PetscCall(SelectFrames(analysis, options));
  PetscCall(OpenOther(analysis, options->other));
  PetscFunctionReturn(0);
}

/* The first frame of the first realization that has any: whether all groups could read it is settled before they go on.
 */
static PetscErrorCode ReadFirst(Analysis *analysis) {
  PetscBool good;
  PetscInt r = 0;

  PetscFunctionBeginUser;
  while (RecordingFrames(analysis->recording, r) == 0) r++;
  PetscCall(RecordingRead(analysis->recording, r, 0, analysis->tokens, &good));
  PetscCall(RecordingCheck(analysis->recording));
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
static PetscErrorCode NoteSource(Analysis *analysis, Results results) {
  char number[32];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt64_FMT, analysis->info.count));
  PetscCall(ResultsText(results, "source_tokens_count", number));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, analysis->info.dim));
  PetscCall(ResultsText(results, "source_tokens_dim", number));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, analysis->info.realizations));
  PetscCall(ResultsText(results, "source_ensemble_realizations", number));
  PetscCall(RecordingVisit(analysis->recording, Note, results));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Analysis *analysis = state;
  AnalyzeOptions options;
  AttentionOptions attention;
  EnsembleOptions ensemble;
  ExtrasOptions extras;

  PetscFunctionBeginUser;
  analysis->good = PETSC_TRUE;
  PetscCall(DeckRead(AnalyzeKeys, &options));
  analysis->reference = AnalyzeGetReference(&options);
  PetscCall(Open(analysis, &options));
  PetscCall(AdoptAttention(analysis, &attention));
  PetscCall(EnsembleOptionsRead(&ensemble));
  ensemble.realizations = analysis->info.realizations;
  PetscCall(RunCreateEnsemble(run, &ensemble, TokensBlockCount(analysis->info.count), &analysis->layout));
  PetscCall(TokensCreate(analysis->layout.shards, analysis->info.count, analysis->info.dim, &analysis->tokens));
  PetscCall(ReadFirst(analysis));
  if (analysis->reference != DISTANCE_NONE) PetscCall(TokensDuplicate(analysis->tokens, &analysis->compared));
  PetscCall(ExtrasOptionsRead(&extras));
  PetscCall(ExtrasCreate(analysis->info.count, analysis->info.dim, &extras, &analysis->extras));
  PetscCall(AnalyzeMeasuresCreate(analysis->tokens, &options, attention.beta, &analysis->measures));
  PetscCall(AttentionCreate(analysis->tokens, &attention, &analysis->attention));
  PetscCall(RunSetFrameList(run, analysis->frames, analysis->step, analysis->time));
  PetscCall(RunDeclareObservables(run, attention.energy_beta));
  PetscCall(ExtrasDeclare(analysis->extras, RunGetResults(run)));
  for (PetscInt q = 0; q < analysis->measures.count; q++)
    PetscCall(ResultsDeclare(RunGetResults(run), &analysis->measures.quantity[q]));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Analysis *analysis = state;

  PetscFunctionBeginUser;
  PetscCall(AttentionDestroy(&analysis->attention));
  PetscCall(ExtrasDestroy(&analysis->extras));
  PetscCall(TokensDestroy(&analysis->compared));
  PetscCall(TokensDestroy(&analysis->tokens));
  PetscCall(PetscFree2(analysis->step, analysis->time));
  PetscCall(RecordingDestroy(&analysis->other));
  PetscCall(RecordingDestroy(&analysis->recording));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Analysis *analysis = state;

  PetscFunctionBeginUser;
  PetscCall(AttentionBrief(analysis->attention, STUDY_PHRASE, brief->model, brief->accuracy));
  PetscCall(PetscStrlcat(brief->model, analysis->adopted ? ", as recorded" : ", from the deck", STUDY_PHRASE));
  PetscCall(PetscSNPrintf(brief->size, STUDY_PHRASE, "%" PetscInt64_FMT " tokens in R^%" PetscInt_FMT,
                          analysis->info.count, analysis->info.dim));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Analysis *analysis = state;
  PetscInt recorded = 0, whole = 0;

  PetscFunctionBeginUser;
  for (PetscInt r = 0; r < analysis->info.realizations; r++) {
    recorded += RecordingFrames(analysis->recording, r) > 0;
    whole += RecordingFrames(analysis->recording, r) == analysis->info.frames;
  }
  PetscCall(PetscPrintf(analysis->layout.world,
                        "recording  %" PetscInt_FMT " frames up to step %" PetscInt64_FMT ", of %" PetscInt_FMT
                        " realizations %" PetscInt_FMT " have all of them, %" PetscInt_FMT " none; attention_* %s\n",
                        analysis->info.frames, analysis->info.step[analysis->info.frames - 1],
                        analysis->info.realizations, whole, analysis->info.realizations - recorded,
                        analysis->adopted ? "as recorded" : "from the deck"));
  if (analysis->layout.group == 0) {
    PetscCall(TokensView(analysis->tokens));
    PetscCall(AttentionView(analysis->attention));
    PetscCall(ExtrasView(analysis->extras, analysis->tokens));
    PetscCall(AnalyzeMeasuresView(&analysis->measures, analysis->tokens, &analysis->layout, analysis->frames));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Guess(void *state, StudyGuess *guess) {
  Analysis *analysis = state;

  PetscFunctionBeginUser;
  PetscCall(AnalyzeGuess(&analysis->measures, analysis->tokens, guess));
  PetscFunctionReturn(0);
}

/* What the tokens of a frame are compared with, NULL when there is nothing. */
static PetscErrorCode Compared(Analysis *analysis, PetscInt r, PetscInt f, Tokens *compared, PetscBool *good) {
  const PetscInt frame = analysis->first + f * analysis->every;

  PetscFunctionBeginUser;
  *compared = analysis->compared;
  if (analysis->reference == DISTANCE_FIRST && f == 0) PetscCall(TokensCopy(analysis->tokens, analysis->compared));
  if (analysis->reference == DISTANCE_PREVIOUS && f == 0) *compared = NULL;
  if (analysis->reference != DISTANCE_OTHER) PetscFunctionReturn(0);
  if (frame < RecordingFrames(analysis->other, r))
    PetscCall(RecordingRead(analysis->other, r, frame, analysis->compared, good));
  else
    *compared = NULL;
  PetscFunctionReturn(0);
}

/* Reads frame f and what it is compared with; a realization ends where its recording does. */
static PetscErrorCode Read(void *state, PetscInt r, PetscInt f, PetscBool *ended) {
  Analysis *analysis = state;
  const PetscInt frame = analysis->first + f * analysis->every;

  PetscFunctionBeginUser;
  if (analysis->good && frame < RecordingFrames(analysis->recording, r))
    PetscCall(RecordingRead(analysis->recording, r, frame, analysis->tokens, &analysis->good));
  else
    *ended = PETSC_TRUE;
  if (!analysis->good) *ended = PETSC_TRUE;
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Analysis *analysis = state;
  Tokens compared;
  PetscInt size;

  PetscFunctionBeginUser;
  PetscCall(Compared(analysis, r, f, &compared, &analysis->good));
  if (!analysis->good) PetscFunctionReturn(0);
  PetscCall(ObservablesEvaluate(analysis->tokens, analysis->attention, values));
  values += OBSERVE_VALUES;
  PetscCall(ExtrasEvaluate(analysis->extras, analysis->tokens, analysis->attention, values));
  PetscCall(ExtrasGetSize(analysis->extras, &size));
  PetscCall(AnalyzeMeasure(&analysis->measures, analysis->tokens, compared, values + size));
  if (analysis->reference == DISTANCE_PREVIOUS) PetscCall(TokensCopy(analysis->tokens, analysis->compared));
  PetscFunctionReturn(0);
}

/* Whether all groups could read their frames; the table of observables speaks for itself. */
static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Analysis *analysis = state;

  PetscFunctionBeginUser;
  (void)samples;
  if (analysis->other) PetscCall(RecordingClose(analysis->other));
  PetscCall(RecordingCheck(analysis->recording));
  if (analysis->other) PetscCall(RecordingCheck(analysis->other));
  PetscCall(NoteSource(analysis, results));
  PetscFunctionReturn(0);
}

const Study StudyAnalyze = {
    .name = "analyze",
    .options = &AnalyzeTable,
    .summary = "recorded trajectories: observables, distances and histograms of their frames",
    .form = {.integers = 1, .rows = 20},
    .size = sizeof(Analysis),
    .create = Create,
    .brief = Brief,
    .view = View,
    .guess = Guess,
    .step = Read,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
