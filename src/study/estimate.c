#include "study/estimate.h"

#include <petsclog.h>
#include <string.h>

#include "base/plan.h"
#include "base/traffic.h"
#include "study/estimate_impl.h"

#define LONG       3   /* seconds: what the study knows to take longer is not timed */
#define PATIENCE   5   /* seconds, after which nothing is timed twice */
#define BUDGET     0.6 /* seconds for the first steps, and once more for samples of later ones; of all cells timed */
#define SHORT      20  /* realizations that are timed, at most, where they are short */
#define MAIN_STAGE 0   /* of PETSc's log */
#define CELLS      12  /* of a sweep that are timed, at most, spread over those from most work to least */

/* Of one realization, on this rank's group: seconds of a start, a step and a frame. */
typedef struct {
  Traffic traffic;   /* of a step */
  PetscReal network; /* seconds of a step, of the network between planned ranks */
  PetscReal start, step, frame;
  PetscReal kind[KINDS]; /* seconds of a realization by kind of work */
  PetscReal guessed;     /* 1 where steps or frames take so long that they are not timed; else 0 */
} Times;

typedef struct {
  const char *name;
  EstimateKind kind;
} Event;
/* Events of PETSc's log by kind of work; one that contains others is not among them. */
static const Event events[] = {{"AttentionEval", ATTENTION}, {"SpectralDraw", NOISE}, {"SpectralApply", NOISE},
                               {"GramApply", NOISE},         {"MLPDraw", DRAW},       {"MLPApply", NOISE},
                               {"DistCircle", W2},           {"DistSliced", W2},      {"DistAuction", W2}};

static PetscLogEvent ids[PETSC_STATIC_ARRAY_LENGTH(events)]; /* -1: nothing of that kind was made so far */

/* Seconds, by kind as far as they are of events. */
typedef struct {
  double all, kind[KINDS];
} Clock;

/* What is timed of one realization. */
typedef struct {
  Clock start, step, frame; /* step: a step's mean over the realization; frame: the sum of so many frames */
  Traffic traffic;          /* of so many steps */
  PetscReal steps;
  PetscInt frames;
  PetscReal growth;                      /* of W2, from the frames that are timed to all; 0: not asked yet */
  double begun, budget;                  /* when the first cell was begun; seconds for this one */
  PetscBool step_guessed, frame_guessed; /* they take long */
} Sample;

/* Adds or takes away what the events have so far. */
static PetscErrorCode Count(double sign, Clock *clock) {
  PetscFunctionBeginUser;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(events); i++) {
    PetscEventPerfInfo info = {0};
    if (ids[i] < 0) PetscCall(PetscLogEventGetId(events[i].name, &ids[i]));
    if (ids[i] < 0) continue;
    PetscCall(PetscLogEventGetPerfInfo(PETSC_DETERMINE, ids[i], &info));
    clock->kind[events[i].kind] += sign * info.time;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Go(Clock *clock) {
  PetscFunctionBeginUser;
  PetscCall(Count(-1, clock));
  clock->all -= MPI_Wtime();
  PetscFunctionReturn(0);
}

static PetscErrorCode Halt(Clock *clock) {
  PetscFunctionBeginUser;
  clock->all += MPI_Wtime();
  PetscCall(Count(1, clock));
  PetscFunctionReturn(0);
}

static void Accumulate(Clock *sum, double factor, const Clock *clock) {
  sum->all += factor * clock->all;
  for (int k = 0; k < KINDS; k++) sum->kind[k] += factor * clock->kind[k];
}

/* Has the first shard timed for long enough? Collective on the group. */
static PetscErrorCode IsLate(Run run, double end, PetscBool *late) {
  PetscFunctionBeginUser;
  *late = MPI_Wtime() > end ? PETSC_TRUE : PETSC_FALSE;
  PetscCallMPI(MPI_Bcast(late, 1, MPIU_BOOL, 0, run->layout.shards));
  PetscFunctionReturn(0);
}

/* One step, and what it asks of the network: a step that adds no sums over ranks asks with a call of its own whether to
 * stop. */
static PetscErrorCode TimeStep(Run run, PetscInt r, PetscInt l, Sample *sample, Clock *step, PetscBool *ended) {
  Traffic *traffic = &sample->traffic;

  PetscFunctionBeginUser;
  const Traffic before = TrafficGet();
  PetscCall(Go(step));
  if (run->study->step) PetscCall(run->study->step(run->state, r, l, ended));
  PetscCall(Halt(step));
  const PetscBool ride = TrafficGet().rides > before.rides ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool asks = (l + 1) % run->stride == 0 ? PETSC_TRUE : PETSC_FALSE;
  if (asks && !ride) TrafficSum(1);
  const Traffic after = TrafficGet();
  traffic->calls += after.calls - before.calls;
  traffic->waits += after.waits - before.waits;
  traffic->bytes += after.bytes - before.bytes + (asks && ride ? 2 * sizeof(PetscInt64) : 0);
  sample->steps++;
  PetscFunctionReturn(0);
}

/* Of planned ranks frames are not told: they need the tokens of all, where steps take any others for those. */
static PetscErrorCode TimeFrame(Run run, PetscInt r, PetscInt f, Sample *sample) {
  PetscBool late, part;

  PetscFunctionBeginUser;
  PetscCall(PlanIsPart(run->layout.shards, &part));
  if (part) PetscFunctionReturn(0);
  PetscCall(IsLate(run, sample->begun + PATIENCE, &late));
  if (sample->frame_guessed || (late && sample->frames)) PetscFunctionReturn(0);
  PetscCall(Go(&sample->frame));
  PetscCall(run->study->frame(run->state, r, f, ResultsFrame(run->results, run->current, f)));
  PetscCall(Halt(&sample->frame));
  sample->frames++;
  PetscFunctionReturn(0);
}

/* Steps from l on, and their frames, until `seconds` have passed on the first shard; at least one stride. *next: the
 * step that it came to; *step: their sum. *ended: nothing follows. */
static PetscErrorCode TimeSteps(Run run, PetscInt r, PetscInt l, double seconds, Sample *sample, PetscInt *next,
                                Clock *step, PetscBool *ended) {
  const double end = MPI_Wtime() + seconds;
  PetscBool over = PETSC_FALSE;

  PetscFunctionBeginUser;
  *step = (Clock){0};
  *ended = PETSC_FALSE;
  for (*next = l; *next < run->steps && !*ended && !over;) {
    PetscCall(TimeStep(run, r, (*next)++, sample, step, ended));
    const PetscInt f = *ended ? -1 : FramesAt(&run->frames, *next);
    if (f >= 0) PetscCall(TimeFrame(run, r, f, sample));
    if (*next % run->stride == 0) PetscCall(IsLate(run, end, &over));
  }
  PetscFunctionReturn(0);
}

/* From where the first steps came to: single strides at places spread over the rest, by the golden section, so that
 * they meet every phase of what comes again and again; where there is no time for any, the first ones, *first in all,
 * speak for them. */
static PetscErrorCode TimeRest(Run run, PetscInt r, PetscInt reached, const Clock *first, Sample *sample) {
  const PetscReal rest = 1 - (PetscReal)reached / run->steps, golden = (PetscSqrtReal(5) - 1) / 2;
  const PetscInt strides = (run->steps - reached) / run->stride;
  const double end = PetscMin(MPI_Wtime() + sample->budget, sample->begun + PATIENCE);
  PetscBool ended = PETSC_FALSE, late = PETSC_FALSE;
  PetscInt next, taken = 0;
  Clock sum = {0}, step;

  PetscFunctionBeginUser;
  for (PetscInt i = 1; i <= strides && !ended; i++) {
    const PetscReal place = (PetscReal)i * golden;
    PetscCall(IsLate(run, end, &late));
    if (late) break;
    PetscCall(TimeSteps(run, r, reached + (PetscInt)((place - PetscFloorReal(place)) * strides) * run->stride, -1,
                        sample, &next, &step, &ended));
    Accumulate(&sum, 1, &step);
    taken += run->stride;
  }
  Accumulate(&sample->step, rest / (taken ? taken : reached), taken ? &sum : first);
  PetscFunctionReturn(0);
}

/* What the study knows to take long. */
static PetscErrorCode Guess(Run run, Sample *sample) {
  StudyGuess guess = {0};
  PetscBool part;

  PetscFunctionBeginUser;
  PetscCall(PlanIsPart(run->layout.shards, &part));
  if (run->study->guess) PetscCall(run->study->guess(run->state, &guess));
  sample->growth = guess.growth > 0 ? guess.growth : 1;
  if (guess.step > LONG) {
    sample->step_guessed = PETSC_TRUE;
    sample->step.all = guess.step;
  }
  if (!part && guess.frame + guess.transport > LONG) {
    sample->frame_guessed = PETSC_TRUE;
    sample->frame.all = guess.frame + guess.transport;
    sample->frame.kind[W2] = guess.transport;
    sample->frames = 1;
  }
  PetscFunctionReturn(0);
}

/* Realization r from its start as far as time allows, and then here and there. */
static PetscErrorCode TakeOne(Run run, PetscInt r, Sample *sample) {
  PetscInt reached;
  PetscBool ended;
  Clock step;

  PetscFunctionBeginUser;
  PetscCall(Go(&sample->start));
  if (run->study->start) PetscCall(run->study->start(run->state, r));
  PetscCall(Halt(&sample->start));
  if (sample->growth == 0) PetscCall(Guess(run, sample));
  RunClearTail(run); /* a study may have less to do where they are known */
  if (FramesAt(&run->frames, 0) >= 0) PetscCall(TimeFrame(run, r, 0, sample));
  if (sample->step_guessed) PetscFunctionReturn(0);
  PetscCall(TimeSteps(run, r, 0, sample->budget, sample, &reached, &step, &ended));
  Accumulate(&sample->step, 1.0 / run->steps, &step);
  if (reached < run->steps && !ended)
    PetscCall(TimeRest(run, r, reached, &step, sample));
  else
    sample->growth = 1;                            /* seen */
  if (run->frames.count > 1 && sample->frames < 2) /* they are rarer than these steps */
    PetscCall(TimeFrame(run, r, run->frames.count / 2, sample));
  PetscFunctionReturn(0);
}

static void Divide(Clock *clock, double n) {
  clock->all /= n;
  for (int k = 0; k < KINDS; k++) clock->kind[k] /= n;
}

/* The realizations of this group behind the first one: one of them, or more where they are short. */
static PetscErrorCode TakeLater(Run run, Sample *later) {
  const EnsembleLayout *e = &run->layout;
  const double end = MPI_Wtime() + later->budget;
  PetscBool late = PETSC_FALSE;
  PetscInt taken = 0;

  PetscFunctionBeginUser;
  do {
    PetscCall(TakeOne(run, e->group + ++taken * e->groups, later));
    PetscCall(IsLate(run, end, &late));
  } while (!late && taken < PetscMin(SHORT, e->owned - 1));
  Divide(&later->start, taken);
  Divide(&later->step, taken);
  PetscFunctionReturn(0);
}

/* *clock is that of the first of n realizations, until it is the mean of all, whose kinds have its shares. */
static void Join(Clock *clock, const Clock *later, PetscInt n) {
  const double mean = (clock->all + (n - 1) * later->all) / n;

  for (int k = 0; k < KINDS; k++) clock->kind[k] *= clock->all > 0 ? mean / clock->all : 0;
  clock->all = mean;
}

/* The first realization takes longer than the others, since it finds memory that was never used, and since the log
 * takes a third of the time of small steps: it counts as one of all. The others are not logged. */
static PetscErrorCode TakeSample(Run run, Sample *sample) {
  const EnsembleLayout *e = &run->layout;
  PetscBool late;

  PetscFunctionBeginUser;
  PetscCall(ResultsAllocate(run->results, PETSC_FALSE));
  run->current = 0;
  PetscCall(TakeOne(run, e->group, sample));
  PetscCall(IsLate(run, sample->begun + PATIENCE, &late));
  if (late || sample->step_guessed || sample->frame_guessed || e->owned < 2) PetscFunctionReturn(0);
  Sample later = {.growth = sample->growth, .begun = sample->begun, .budget = sample->budget};
  PetscCall(PetscLogStageSetActive(MAIN_STAGE, PETSC_FALSE));
  PetscCall(TakeLater(run, &later));
  PetscCall(PetscLogStageSetActive(MAIN_STAGE, PETSC_TRUE));
  Join(&sample->start, &later.start, e->owned);
  Join(&sample->step, &later.step, e->owned);
  if (later.frames) {
    Divide(&sample->frame, sample->frames);
    Divide(&later.frame, later.frames);
    Join(&sample->frame, &later.frame, e->owned);
    sample->frames = 1;
  }
  sample->steps += later.steps;
  sample->traffic.calls += later.traffic.calls;
  sample->traffic.waits += later.traffic.waits;
  sample->traffic.bytes += later.traffic.bytes;
  PetscFunctionReturn(0);
}

/* The log has a clock of its own: parts are no more than the whole. */
static void Bound(Clock *clock) {
  double sum = 0;

  for (int k = 0; k < KINDS; k++) sum += clock->kind[k];
  for (int k = 0; k < KINDS && sum > clock->all; k++) clock->kind[k] *= clock->all / sum;
}

/* What a step asks of the network, and how long that takes between ranks that are planned: a way from one to all takes
 * as many messages one after the other as the number of ranks has binary digits. */
static PetscErrorCode EvaluateTraffic(Run run, const Sample *sample, Times *times) {
  const RunOptions *options = &run->options;
  const PetscReal n = PetscMax(1, sample->steps);
  PetscMPIInt shards;
  PetscBool part;

  PetscFunctionBeginUser;
  PetscCall(PlanSize(run->layout.shards, &shards));
  PetscCall(PlanIsPart(run->layout.shards, &part));
  times->network = 0;
  times->traffic = (Traffic){0};
  if (shards > 1)
    times->traffic = (Traffic){
        .calls = sample->traffic.calls / n, .waits = sample->traffic.waits / n, .bytes = sample->traffic.bytes / n};
  if (part)
    times->network = 1e-6 * options->latency * times->traffic.waits * PetscCeilReal(PetscLog2Real(shards)) +
                     1e-9 * times->traffic.bytes / options->bandwidth;
  PetscFunctionReturn(0);
}

/* Of one realization, all its steps and frames; what it draws is drawn once for so many cells. */
static void Evaluate(Run run, const Sample *sample, PetscInt mates, Times *times) {
  PetscReal *kind = times->kind;
  Clock frames = {0}, steps = sample->start;

  Accumulate(&steps, run->steps, &sample->step);
  if (sample->frames) Accumulate(&frames, (double)run->frames.count / sample->frames, &sample->frame);
  Bound(&steps);
  Bound(&frames);
  const PetscReal saved = steps.kind[DRAW] * (1 - 1.0 / mates);
  steps.kind[DRAW] -= saved;
  steps.all -= saved;
  frames.all += (sample->growth - 1) * frames.kind[W2];
  frames.kind[W2] *= sample->growth;
  times->guessed = sample->step_guessed || sample->frame_guessed ? 1 : 0;
  times->start = sample->start.all;
  times->step = sample->step.all - saved / run->steps + times->network;
  times->frame = frames.all / PetscMax(1, run->frames.count);
  kind[ATTENTION] = steps.kind[ATTENTION];
  kind[NOISE] = steps.kind[NOISE];
  kind[DRAW] = steps.kind[DRAW];
  kind[W2] = steps.kind[W2] + frames.kind[W2];
  kind[STEPS] = steps.all;
  for (int k = 0; k < KINDS; k++)
    if (k != STEPS) kind[STEPS] -= steps.kind[k];
  kind[FRAMES] = frames.all - frames.kind[W2];
  kind[NETWORK] = times->network * (PetscReal)run->steps;
}

/* ---- all cells ---- */

static void Add(Run run, PetscReal left, const Times *times, EstimateSum *sum) {
  sum->realizations += left;
  sum->steps += left * run->steps;
  sum->frames += left * run->frames.count;
  sum->start += left * times->start;
  sum->step += left * run->steps * times->step;
  sum->frame += left * run->frames.count * times->frame;
  sum->traffic.calls += left * run->steps * times->traffic.calls;
  sum->traffic.bytes += left * run->steps * times->traffic.bytes;
  sum->guessed += times->guessed;
  for (int k = 0; k < KINDS; k++) sum->kind[k] += left * times->kind[k];
}

/* Times of a realization whose work, by the number of operations, is `ratio` times as much as that of one timed. */
static void Scale(PetscReal ratio, PetscInt steps, const Times *timed, PetscInt their_steps, Times *times) {
  *times = *timed;
  times->step *= ratio * their_steps / steps;
  times->frame *= ratio * their_steps / steps;
  for (int k = 0; k < KINDS; k++) times->kind[k] *= ratio;
}

/* Cells of its team that have the same realizations to do on this group. */
static PetscInt CountMates(const Cells *cells, const PetscReal left[], Run run) {
  PetscInt mates = 0;

  for (PetscInt c = 0; c < cells->count; c++) {
    Run other = cells->run[c];
    mates += left[c] > 0 && other->team == run->team && other->layout.group == run->layout.group;
  }
  return mates;
}

/* This group's sum: a few of its cells are timed, those in between are like the one before them. */
static PetscErrorCode AddCells(const Cells *cells, const PetscReal left[], EstimateSum *sum) {
  PetscInt mine = 0, seen = 0;
  const double begun = MPI_Wtime();
  Times timed = {0}, times;
  PetscReal work = 1, timed_work = 1;
  Run before = NULL;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < cells->count; c++) mine += left[c] > 0;
  const PetscInt stretch = (mine + CELLS - 1) / CELLS;
  for (PetscInt i = 0; i < cells->count; i++) {
    Run run = cells->run[cells->order[i]];
    Sample sample = {.begun = begun, .budget = BUDGET * stretch / mine};
    PetscBool late = PETSC_FALSE;
    if (left[run->cell] <= 0) continue;
    PetscCall(RunGetWork(run, &work));
    if (before) PetscCall(IsLate(run, begun + PATIENCE, &late));
    if (seen++ % stretch || late)
      Scale(work / timed_work, run->steps, &timed, before->steps, &times);
    else {
      PetscCall(TakeSample(run, &sample));
      PetscCall(EvaluateTraffic(run, &sample, &timed));
      Evaluate(run, &sample, CountMates(cells, left, run), &timed);
      times = timed;
      timed_work = work;
      before = run;
      sum->timed++;
    }
    Add(run, left[run->cell], &times, sum);
  }
  PetscFunctionReturn(0);
}

/* The slowest group's sum, on all ranks. */
static PetscErrorCode Slowest(MPI_Comm world, EstimateSum *sum) {
  struct {
    double seconds;
    int rank;
  } mine = {.seconds = EstimateSeconds(sum)}, most;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(world, &mine.rank));
  PetscCallMPI(MPI_Allreduce(&mine, &most, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world));
  PetscCallMPI(MPI_Bcast(sum, sizeof(*sum) / sizeof(PetscReal), MPIU_REAL, most.rank, world));
  PetscFunctionReturn(0);
}

/* Realizations of each cell that this group has left; *most: of any group, in all. *files: results and trajectories. */
static PetscErrorCode CountAll(const Cells *cells, PetscReal left[], PetscReal *most, EstimateFiles *files) {
  PetscFunctionBeginUser;
  *most = 0;
  *files = (EstimateFiles){0};
  for (PetscInt c = 0; c < cells->count; c++) {
    Run run = cells->run[c];
    left[c] = run->checkpoint ? CheckpointLeft(run->checkpoint, c) : run->layout.owned;
    *most += left[c];
    files->bytes += RunResultsDisk(run) + TrajectoriesDisk(run->trajectories);
    files->arrays += ResultsArrays(run->results);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 1, MPIU_REAL, MPIU_MAX, cells->run[0]->layout.world));
  PetscFunctionReturn(0);
}

PetscErrorCode EstimateView(const Cells *cells) {
  Run first = cells->run[0];
  PetscReal *left, most;
  EstimateFiles files;
  EstimateSum sum = {0};

  PetscFunctionBeginUser;
  if (first->study->quiet || first->reader) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(cells->count, &left));
  PetscCall(CountAll(cells, left, &most, &files));
  if (most > 0) {
    PetscCall(PetscLogDefaultBegin());
    for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(events); i++) ids[i] = -1;
    PetscCall(AddCells(cells, left, &sum));
    PetscCall(Slowest(first->layout.world, &sum));
    PetscCall(EstimateSay(cells, &files, &sum));
  }
  PetscCall(PetscFree(left));
  PetscFunctionReturn(0);
}
