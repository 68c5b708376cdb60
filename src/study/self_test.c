#include "study/self_test.h"

#include <chorale/kernel.h>
#include <chorale/observables.h>

#include <string.h>
#include <unistd.h>

#include "io/hdf.h"
#include "study/model.h"

#define TOLD 128 /* characters that a check may say */

/* ---- the theory ---- */

/* k(1) and lambda1 in d = 4 with biases 0.4 and 0.3, by Gauss-Legendre quadrature of the definitions (THEORY.md section
 * 2) in another program. */
#define DIM    4
#define BIAS_U 0.4
#define BIAS_W 0.3
static const struct {
  const char *activation;
  PetscReal k1, lambda1;
} laws[] = {
    {"relu", 0.295, -0.38},
    {"leaky_relu", 0.2950205, -0.3800245},
    {"gelu", 0.239882104421878, -0.31080533731675},
    {"silu", 0.21625449789018, -0.283929527507616},
    {"sigmoid", 0.361499429001514, -0.53563717171162},
    {"tanh", 0.3323812753613, -0.419903692110992},
    {"erf", 0.387543795472166, -0.483362596998687},
    {"softplus", 0.74756365780699, -1.0874080580853},
    {"sin", 0.369784172747, -0.464649280713876},
    {"identity", 0.5, -0.625},
};

static PetscErrorCode CheckKernels(char *told, PetscBool *ok) {
  const size_t count = sizeof(laws) / sizeof(*laws);
  PetscReal off = 0;

  PetscFunctionBeginUser;
  for (size_t i = 0; i < count; i++) {
    PetscReal k1, kp1, lambda1;
    Kernel kernel;

    PetscCall(KernelCreate(ActivationFind(laws[i].activation), DIM, BIAS_U, BIAS_W, &kernel));
    PetscCall(KernelAtOne(kernel, &k1, &kp1));
    PetscCall(KernelLyapunov(kernel, &lambda1));
    PetscCall(KernelDestroy(&kernel));
    off = PetscMax(off, PetscMax(fabs(k1 - laws[i].k1), fabs(lambda1 - laws[i].lambda1)));
  }
  *ok = off <= 1e-12 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscSNPrintf(told, TOLD, "kernels and exponents of %d activations: off by %.1e, at most 1e-12", (int)count,
                          (double)off));
  PetscFunctionReturn(0);
}

/* ---- layers ---- */

static char *words[] = {"chorale",         "simulate", "-tokens_count",   "2000", "-tokens_dim",    "3",
                        "-mlp_width",      "64",       "-mlp_bias_u",     "0.3",  "-mlp_bias_w",    "0.2",
                        "-mlp_activation", "tanh",     "-attention_beta", "2",    "-ensemble_seed", "5"};
#define LAYERS 3
#define STEP   0.1                                                            /* T/L */
static const PetscReal energy = 2.630727894658042, order = 0.183802129115928; /* with the sums over all pairs */

/* The tokens of the words on these ranks after the layers, and their observables. */
static PetscErrorCode Layers(MPI_Comm comm, System *system, PetscReal values[]) {
  ModelOptions options;
  Noise noise;
  Field field;
  Start start;

  PetscFunctionBeginUser;
  PetscCall(ModelOptionsRead(&options));
  PetscCall(SystemCreate(comm, options.start.count, &options, system));
  PetscCall(StartCreate(system->tokens, &options.start, &start));
  PetscCall(TokensStart(system->tokens, start, 0));
  PetscCall(NoiseCreate((PetscInt)options.start.dim, &options.noise, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  for (PetscInt step = 0; step < LAYERS; step++) {
    PetscCall(NoiseDraw(noise, 0, step, field));
    PetscCall(SystemStep(system, 0, step, field, STEP));
  }
  PetscCall(ObservablesEvaluate(system->tokens, system->attention, values));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(StartDestroy(&start));
  PetscFunctionReturn(0);
}

static PetscErrorCode CheckLayers(char *told, PetscBool *ok) {
  PetscReal values[OBSERVE_VALUES] = {0}, off;
  System system = {0};

  PetscFunctionBeginUser;
  PetscCall(Layers(PETSC_COMM_WORLD, &system, values));
  PetscCall(SystemDestroy(&system));
  off = PetscMax(fabs(values[ObservableFirst(OBSERVE_ENERGY)] - energy),
                 fabs(values[ObservableFirst(OBSERVE_ORDER)] - order));
  *ok = off <= 1e-11 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscSNPrintf(told, TOLD, "%d layers of 2000 tokens: off by %.1e, at most 1e-11", LAYERS, (double)off));
  PetscFunctionReturn(0);
}

/* ---- ranks ---- */

/* Own tokens here are those of the same blocks where one rank has all. */
static PetscErrorCode SameTokens(Tokens mine, Tokens all, PetscBool *same) {
  const double *x, *y;
  TokensLayout layout;
  Vec part, whole;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(mine, &layout));
  const size_t length = (size_t)layout.dim * layout.block;
  PetscCall(TokensGetVec(mine, &part));
  PetscCall(TokensGetVec(all, &whole));
  PetscCall(VecGetArrayRead(part, &x));
  PetscCall(VecGetArrayRead(whole, &y));
  *same = memcmp(x, y + layout.first * length, layout.owned * length * sizeof(*x)) ? PETSC_FALSE : PETSC_TRUE;
  PetscCall(VecRestoreArrayRead(whole, &y));
  PetscCall(VecRestoreArrayRead(part, &x));
  PetscFunctionReturn(0);
}

static PetscErrorCode CheckRanks(char *told, PetscBool *ok) {
  PetscReal here[OBSERVE_VALUES] = {0}, alone[OBSERVE_VALUES] = {0};
  System shared = {0}, whole = {0};
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(Layers(PETSC_COMM_WORLD, &shared, here));
  PetscCall(Layers(PETSC_COMM_SELF, &whole, alone));
  PetscCall(SameTokens(shared.tokens, whole.tokens, ok));
  if (memcmp(here, alone, sizeof(here))) *ok = PETSC_FALSE;
  PetscCall(SystemDestroy(&whole));
  PetscCall(SystemDestroy(&shared));
  PetscCall(PetscSNPrintf(told, TOLD, "%d rank%s: the same layers on each alone have the same bits", (int)size,
                          size > 1 ? "s" : ""));
  PetscFunctionReturn(0);
}

/* ---- files ---- */

#define FRAMES 3
#define ROWS   1000 /* of each rank */

static double Number(PetscInt64 row, PetscInt64 frame, int column) {
  return 1 / (1.0 + (double)row) + (double)frame + 0.25 * column;
}

static PetscErrorCode WriteFile(const char *path, PetscInt64 first, PetscInt64 N, double *rows) {
  const HdfSeriesShape shape = {.frames = FRAMES, .N = N, .d = 2, .chunk_rows = ROWS, .deflate = 1};
  HdfSeries series;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(PETSC_COMM_WORLD, path, "w", NULL, &hdf));
  PetscCall(HdfSeriesCreate(hdf, "/packed", &shape, &series));
  for (PetscInt64 t = 0; t < FRAMES; t++) {
    for (int i = 0; i < 2 * ROWS; i++) rows[i] = Number(first + i / 2, t, i % 2);
    PetscCall(HdfSeriesWrite(series, t, first, ROWS, rows));
  }
  PetscCall(HdfSeriesDestroy(&series));
  PetscCall(HdfWriteRows(hdf, "/plain", N, 2, first, 1, ROWS, rows)); /* of the last frame */
  PetscCall(HdfFlush(hdf));
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadFile(const char *path, PetscInt64 first, double *rows, PetscBool *ok) {
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(PETSC_COMM_WORLD, path, "r", NULL, &hdf));
  for (PetscInt64 t = 0; t <= FRAMES; t++) {
    const PetscInt64 frame = PetscMin(t, FRAMES - 1);

    if (t < FRAMES)
      PetscCall(HdfReadFrame(hdf, "/packed", t, first, ROWS, rows));
    else
      PetscCall(HdfReadRows(hdf, "/plain", first, ROWS, rows));
    for (int i = 0; i < 2 * ROWS; i++)
      if (rows[i] != Number(first + i / 2, frame, i % 2)) *ok = PETSC_FALSE;
  }
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

/* What one rank has written another reads. */
static PetscErrorCode CheckFiles(char *told, PetscBool *ok) {
  char path[64];
  PetscMPIInt rank, size;
  long process = (long)getpid();
  double *rows;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCallMPI(MPI_Bcast(&process, 1, MPI_LONG, 0, PETSC_COMM_WORLD));
  PetscCall(PetscSNPrintf(path, sizeof(path), "chorale-self-test.%ld.h5", process));
  PetscCall(PetscMalloc1(2 * ROWS, &rows));
  PetscCall(WriteFile(path, (PetscInt64)rank * ROWS, (PetscInt64)size * ROWS, rows));
  PetscCall(ReadFile(path, (PetscInt64)((rank + 1) % size) * ROWS, rows, ok));
  if (!rank) (void)unlink(path);
  PetscCall(PetscFree(rows));
  PetscCall(PetscStrncpy(told, "a file in this directory, plain and compressed: read as it was written", TOLD));
  PetscFunctionReturn(0);
}

static PetscErrorCode (*const checks[])(char *told, PetscBool *ok) = {CheckKernels, CheckLayers, CheckRanks,
                                                                      CheckFiles};

PetscErrorCode SelfTest(void) {
  const int count = (int)(sizeof(checks) / sizeof(*checks));
  int failed = 0;

  PetscFunctionBeginUser;
  PetscCall(DeckUse(StudyOptions, "simulate"));
  PetscCall(DeckParse((int)(sizeof(words) / sizeof(*words)), words));
  for (int i = 0; i < count; i++) {
    char told[TOLD] = "";
    PetscBool ok = PETSC_TRUE;

    PetscCall(checks[i](told, &ok));
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPIU_BOOL, MPI_LAND, PETSC_COMM_WORLD));
    if (!ok) failed++;
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%-6s  %s\n", ok ? "ok" : "FAILED", told));
  }
  (void)fflush(stdout);
  PetscCheck(!failed, PETSC_COMM_WORLD, PETSC_ERR_PLIB, "--self-test: %d of %d checks failed", failed, count);
  PetscFunctionReturn(0);
}
