/* What THEORY.md sections 2, 5 and 6 say about a run of the study sync before it starts. */
#include <chorale/twopoint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "study/sync/sync.h"

/* lambda1 where all tokens have met at X: Att[delta_X](y) = v X, e^beta times that for usa, draws a twin at angle theta
 * by -v sin(theta). Unknown for weights of a file, and for usa under a mask, where it is another for every token. */
static PetscReal ClusterExponent(const SyncTheory *theory, const char *type, PetscBool weights, PetscBool causal) {
  if (theory->value == 0) return theory->lambda1;
  if (weights || (causal && !strcmp(type, "usa"))) return NAN;
  return theory->lambda1 - theory->value * (strcmp(type, "usa") ? 1 : exp(theory->attention_beta));
}

static PetscErrorCode Exponents(SyncTheory *theory) {
  PetscFunctionBeginUser;
  if (!theory->kernel) PetscFunctionReturn(0);
  PetscCall(KernelLyapunov(theory->kernel, &theory->lambda1));
  PetscCall(KernelCoercivity(theory->kernel, &theory->lambda_bar));
  PetscCall(KernelRate(theory->kernel, theory->beta, &theory->lambda_rate));
  PetscCall(KernelRateBound(theory->kernel, theory->beta, &theory->rate_bound));
  PetscFunctionReturn(0);
}

/* E[E_beta] of `count` independent tokens of which two have E e^{beta (u - 1)} = f: the N diagonal pairs have none. */
static PetscReal EnergyOfPairs(const SyncTheory *theory, PetscInt64 count, PetscReal f) {
  return 0.5 * (1 - 1 / (PetscReal)count) * exp(theory->beta) * (1 - f);
}

/* The mean of 2 (1 - u) over all pairs, f = E u. */
static PetscReal SquareOfPairs(const SyncTheory *theory, PetscInt64 count, PetscReal f) {
  (void)theory;
  return 2 * (1 - 1 / (PetscReal)count) * (1 - f);
}

PetscReal SyncPairFactor(PetscReal beta) {
  return 4 / sinh(beta);
}

PetscErrorCode SyncTheoryCreate(Noise noise, Attention attention, const ModelOptions *options, SyncTheory *theory) {
  const char *type = options->attention.type;
  const PetscBool weights = options->attention.weights[0] ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool softmax = !strcmp(type, "softmax") && !weights ? PETSC_TRUE : PETSC_FALSE;
  PetscBool zero, causal;
  PetscReal f;
  TwoPoint start;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  PetscCall(AttentionIsCausal(attention, &causal));
  *theory = (SyncTheory){.energy_start = NAN,
                         .beta = options->attention.energy_beta,
                         .attention_beta = options->attention.beta,
                         .value = zero ? 0 : options->attention.value};
  PetscCall(NoiseGetKernel(noise, &theory->kernel));
  PetscCall(Exponents(theory));
  PetscCall(NoiseIsOdd(noise, &theory->odd));
  theory->lambda1_cluster = ClusterExponent(theory, type, weights, causal);
  theory->pushes = theory->value != 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(AttentionEnergyRate(attention, theory->beta, &theory->epsilon_low, &theory->epsilon_high));
  theory->gradient = theory->value > 0 && !weights && theory->epsilon_high == 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(AttentionStrength(attention, &theory->strength));
  PetscCall(SyncStepBias(theory, options, &theory->bias));
  if (!theory->kernel || strcmp(options->start.init, "uniform")) PetscFunctionReturn(0);
  theory->pair = causal ? 0.5 * theory->value : theory->value;
  theory->exact = theory->value == 0 || (softmax && options->start.count == 2) ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(TwoPointCreate(theory->kernel, theory->beta, 0, &start));
  PetscCall(TwoPointUniform(start, 0, &f));
  PetscCall(TwoPointDestroy(&start));
  theory->energy_start = EnergyOfPairs(theory, options->start.count, f);
  PetscFunctionReturn(0);
}

/* f at time[i], or *converged false: theory that cannot be had must not cost a run its results. */
static PetscErrorCode TryUniform(TwoPoint twopoint, PetscReal time, PetscReal *f, PetscBool *converged) {
  PetscErrorCode code;

  PetscFunctionBeginUser;
  PetscCall(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  code = TwoPointUniform(twopoint, time, f);
  PetscCall(PetscPopErrorHandler());
  *converged = code != PETSC_ERR_CONV_FAILED ? PETSC_TRUE : PETSC_FALSE;
  if (*converged) PetscCall(code);
  PetscFunctionReturn(0);
}

/* What is asked of the pairs of tokens. */
typedef PetscReal (*OfPairs)(const SyncTheory *theory, PetscInt64 count, PetscReal f);

static PetscErrorCode CreateTwoPoint(const SyncTheory *theory, OfPairs of, TwoPoint *twopoint) {
  const PetscReal beta = theory->value == 0 ? theory->beta : theory->attention_beta; /* no attention, no beta */

  PetscFunctionBeginUser;
  PetscCall(TwoPointCreate(theory->kernel, beta, theory->pair, twopoint));
  if (of == SquareOfPairs)
    PetscCall(TwoPointMeasureCosine(*twopoint));
  else if (beta != theory->beta)
    PetscCall(TwoPointMeasureEnergy(*twopoint, theory->beta));
  PetscFunctionReturn(0);
}

/* values[n] at the ascending times, up to *end, from where on they are not known: NaN. */
static PetscErrorCode Solve(const SyncTheory *theory, OfPairs of, PetscInt64 count, MPI_Comm comm, PetscInt n,
                            const PetscReal time[], PetscReal values[], PetscInt *end) {
  PetscMPIInt rank, size;
  PetscBool converged = PETSC_TRUE;
  PetscReal f;
  TwoPoint twopoint;

  PetscFunctionBeginUser;
  *end = n;
  for (PetscInt i = 0; i < n; i++) values[i] = theory->exact ? 0 : NAN;
  if (!theory->exact) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(CreateTwoPoint(theory, of, &twopoint));
  for (PetscInt i = rank; i < n && converged; i += size) {
    PetscCall(TryUniform(twopoint, time[i], &f, &converged));
    if (converged)
      values[i] = of(theory, count, f);
    else
      *end = i;
  }
  PetscCall(TwoPointDestroy(&twopoint));
  /* One rank has the number and the others 0: the sum is exact. */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values, n, MPIU_REAL, MPIU_SUM, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, end, 1, MPIU_INT, MPI_MIN, comm));
  for (PetscInt i = *end; i < n; i++) values[i] = NAN;
  PetscFunctionReturn(0);
}

PetscErrorCode SyncTheoryPairs(const SyncTheory *theory, PetscInt64 count, MPI_Comm comm, PetscInt n,
                               const PetscReal time[], PetscReal square[]) {
  PetscInt end;

  PetscFunctionBeginUser;
  PetscCall(Solve(theory, SquareOfPairs, count, comm, n, time, square, &end));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncTheoryEnergy(const SyncTheory *theory, PetscInt64 count, MPI_Comm comm, PetscInt n,
                                const PetscReal time[], PetscReal energy[]) {
  PetscMPIInt rank;
  PetscInt end;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(Solve(theory, EnergyOfPairs, count, comm, n, time, energy, &end));
  if (end < n && !rank)
    fprintf(stderr,
            "chorale: warning: attention_value = %.6g, attention_beta = %.6g: the exact energy is not known from time "
            "%.6g on\n",
            (double)theory->value, (double)theory->attention_beta, (double)time[end]);
  PetscFunctionReturn(0);
}
