/* A study of your own on top of an installed chorale: how long tokens remember where they began. Its table below is all
 * that chorale needs to know; realizations, checkpoints, the results file and -help come from the driver.
 *
 *     mpirun -n 2 memory memory [DECK.yaml ...] [-option value ...]         keys as for chorale simulate */
#include <chorale/deck.h>
#include <chorale/error.h>
#include <chorale/fit.h>
#include <chorale/noise.h>
#include <chorale/observables.h>
#include <chorale/output.h>
#include <chorale/progress.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/study.h>

#include <math.h>

typedef struct {
  PetscReal level;
} MemoryOptions;

static const OptionKey MemoryKeys[] = {
    REAL_KEY(MemoryOptions, level, "memory_level", "0.5", -1, 1, "1",
             .help = "Tokens have forgotten their start when the overlap with it is below this."),
    {.name = NULL}};

static const OptionTable MemoryTable = {.study = "memory",
                                        .groups = (const OptionGroup[]){{.keys = StartKeys},
                                                                        {LayersKeys, "!layers_adaptive"},
                                                                        {.keys = AttentionKeys},
                                                                        {.keys = MlpKeys},
                                                                        {.keys = NoiseKeys},
                                                                        {SchemeKeys, "scheme_type"},
                                                                        {.keys = EnsembleKeys},
                                                                        {.keys = OutputKeys},
                                                                        {.keys = CheckpointKeys},
                                                                        {.keys = ProgressKeys},
                                                                        {.keys = MemoryKeys},
                                                                        {.keys = RunKeys},
                                                                        {.keys = NULL}}};

static const QuantityText texts[] = {
    {"overlap", "1", "mean over the tokens of <x_i(t), x_i(0)>"},
    {"time_forgotten", "time", "first frame at which the mean overlap is below memory_level, NaN if none is"},
    {0}};

typedef struct {
  MemoryOptions options;
  PetscReal dt;
  Tokens tokens, first; /* now, and at t = 0 */
  Start start;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
} Memory;

static PetscErrorCode CreateObjects(Memory *memory, MPI_Comm comm, const StartOptions *start) {
  AttentionOptions attention;
  SchemeOptions scheme;
  NoiseOptions noise;

  PetscFunctionBeginUser;
  PetscCall(AttentionOptionsRead(&attention));
  PetscCall(NoiseOptionsRead(&noise));
  PetscCall(SchemeOptionsRead(&scheme));
  PetscCall(TokensCreate(comm, start->count, (PetscInt)start->dim, &memory->tokens));
  PetscCall(TokensDuplicate(memory->tokens, &memory->first));
  PetscCall(StartCreate(memory->tokens, start, &memory->start));
  PetscCall(AttentionCreate(memory->tokens, &attention, &memory->attention));
  PetscCall(NoiseCreate((PetscInt)start->dim, &noise, &memory->noise));
  PetscCall(NoiseCreateField(memory->noise, &memory->field));
  PetscCall(SchemeCreate(memory->tokens, &scheme, &memory->scheme));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Memory *memory = state;
  EnsembleOptions ensemble;
  EnsembleLayout layout;
  LayersOptions layers;
  StartOptions start;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(MemoryKeys, &memory->options));
  PetscCall(StartOptionsRead(&start));
  PetscCall(LayersOptionsRead(&layers));
  PetscCall(EnsembleOptionsRead(&ensemble));
  memory->dt = layers.horizon / (PetscReal)layers.depth;
  PetscCall(RunCreateEnsemble(run, &ensemble, TokensBlockCount(start.count), &layout));
  PetscCall(RunSetFrames(run, (PetscInt)layers.depth, layers.horizon, FRAMES_SHARE));
  PetscCall(ResultsDeclare(RunGetResults(run), &(Quantity){.name = "overlap", .kind = QUANTITY_FRAME}));
  PetscCall(CreateObjects(memory, layout.shards, &start));
  PetscFunctionReturn(0);
}

/* What a stopped run needs to go on. */
static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Memory *memory = state;

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddTokens(checkpoint, "tokens", memory->tokens));
  PetscCall(CheckpointAddTokens(checkpoint, "first", memory->first));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Memory *memory = state;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(memory->tokens, memory->start, r));
  PetscCall(TokensCopy(memory->tokens, memory->first));
  PetscFunctionReturn(0);
}

static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Memory *memory = state;

  PetscFunctionBeginUser;
  (void)ended;
  PetscCall(NoiseDraw(memory->noise, r, l, memory->field));
  PetscCall(SchemeStep(memory->scheme, memory->attention, memory->field, memory->dt, memory->tokens));
  PetscFunctionReturn(0);
}

/* All tokens on every rank, so that the sum has the same order on any number of ranks. */
static PetscErrorCode Overlap(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Memory *memory = state;
  TokensLayout layout;
  double *now, *then;
  Vec x, y;

  PetscFunctionBeginUser;
  (void)r, (void)f;
  PetscCall(TokensGetLayout(memory->tokens, &layout));
  const size_t numbers = (size_t)layout.count * (size_t)layout.dim;
  PetscCall(PetscMalloc2(numbers, &now, numbers, &then));
  PetscCall(TokensGetVec(memory->tokens, &x));
  PetscCall(TokensGetVec(memory->first, &y));
  PetscCall(TokensGather(memory->tokens, x, now));
  PetscCall(TokensGather(memory->first, y, then));
  values[0] = 0;
  for (size_t i = 0; i < numbers; i++) values[0] += now[i] * then[i] / (double)layout.count;
  PetscCall(PetscFree2(now, then));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  const Memory *memory = state;
  const Frames *frames = samples->frames;
  PetscReal forgotten = NAN, *mean, *sem;

  PetscFunctionBeginUser;
  if (!samples->realizations) PetscFunctionReturn(0); /* of a stopped run that has completed none */
  PetscCall(PetscMalloc2(samples->width, &mean, samples->width, &sem));
  FitMean(samples->realizations, samples->width, samples->all, mean, sem);
  for (PetscInt f = 0; f < frames->count; f++) {
    if (isnan(forgotten) && mean[f] < memory->options.level) forgotten = frames->time[f];
    PetscCall(ResultsRow(results, (PetscReal[]){(PetscReal)frames->step[f], frames->time[f], mean[f], sem[f]}));
  }
  PetscCall(ResultsScalar(results, "time_forgotten", forgotten));
  PetscCall(PetscFree2(mean, sem));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Memory *memory = state;

  PetscFunctionBeginUser;
  PetscCall(SchemeDestroy(&memory->scheme));
  PetscCall(FieldDestroy(&memory->field));
  PetscCall(NoiseDestroy(&memory->noise));
  PetscCall(AttentionDestroy(&memory->attention));
  PetscCall(StartDestroy(&memory->start));
  PetscCall(TokensDestroy(&memory->first));
  PetscCall(TokensDestroy(&memory->tokens));
  PetscFunctionReturn(0);
}

static const Study StudyMemory = {
    .name = "memory",
    .summary = "how long tokens remember where they began",
    .options = &MemoryTable,
    .form = {.columns = "step,time,overlap_mean,overlap_sem", .integers = 1, .rows = 20, .texts = texts},
    .size = sizeof(Memory),
    .checkpoints = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .start = Begin,
    .step = Step,
    .frame = Overlap,
    .report = Report,
    .destroy = Destroy};

static const OptionTable *Tables(PetscInt i) {
  return i == 0 ? StudyMemory.options : NULL;
}

static PetscErrorCode Go(int argc, char **argv) {
  PetscFunctionBeginUser;
  PetscCall(DeckUse(Tables, StudyMemory.name));
  if (DeckAsksHelp(argc, argv)) PetscFunctionReturn(DeckHelp());
  PetscCall(DeckParse(argc, argv));
  PetscCall(StudyRun(&StudyMemory, NULL, Tables));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(NULL, NULL, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Go(argc, argv);
  if (ErrorMeet(code) || PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
