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
  return theory->lambda1 - theory->value * (strcmp(type, "usa") ? 1 : exp(theory->beta));
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

PetscErrorCode SyncTheoryCreate(Noise noise, Attention attention, const ModelOptions *options, SyncTheory *theory) {
  const char *type = options->attention.type;
  const PetscBool weights = options->attention.weights[0] ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool softmax = !strcmp(type, "softmax") && !weights ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool usa = !strcmp(type, "usa") && !weights ? PETSC_TRUE : PETSC_FALSE;
  PetscBool zero, causal;
  PetscReal f;
  TwoPoint start;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  PetscCall(AttentionIsCausal(attention, &causal));
  *theory =
      (SyncTheory){.energy_start = NAN, .beta = options->attention.beta, .value = zero ? 0 : options->attention.value};
  PetscCall(NoiseGetKernel(noise, &theory->kernel));
  PetscCall(Exponents(theory));
  PetscCall(NoiseIsOdd(noise, &theory->odd));
  theory->lambda1_cluster = ClusterExponent(theory, type, weights, causal);
  /* dE_beta/dt = -beta v sum_i w_i |P M_i|^2 / Z_i with M_i = sum_j w_j e^{beta <x_i,x_j>} x_j; Z_i = 1 for usa. */
  theory->gradient = theory->value > 0 && (softmax || usa) && !causal ? PETSC_TRUE : PETSC_FALSE;
  theory->pushes = theory->value != 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(AttentionEnergyRate(attention, &theory->epsilon_low, &theory->epsilon_high));
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

PetscErrorCode SyncTheoryEnergy(const SyncTheory *theory, PetscInt64 count, MPI_Comm comm, PetscInt n,
                                const PetscReal time[], PetscReal energy[]) {
  PetscMPIInt rank, size;
  PetscBool converged = PETSC_TRUE;
  PetscInt end = n; /* from there on theory is not known */
  PetscReal f;
  TwoPoint twopoint;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < n; i++) energy[i] = theory->exact ? 0 : NAN;
  if (!theory->exact) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(TwoPointCreate(theory->kernel, theory->beta, theory->pair, &twopoint));
  for (PetscInt i = rank; i < n && converged; i += size) {
    PetscCall(TryUniform(twopoint, time[i], &f, &converged));
    if (converged)
      energy[i] = EnergyOfPairs(theory, count, f);
    else
      end = i;
  }
  PetscCall(TwoPointDestroy(&twopoint));
  /* One rank has the number and the others 0: the sum is exact. */
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, energy, n, MPIU_REAL, MPIU_SUM, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &end, 1, MPIU_INT, MPI_MIN, comm));
  for (PetscInt i = end; i < n; i++) energy[i] = NAN;
  if (end < n && !rank)
    fprintf(stderr,
            "chorale: warning: attention_value = %.6g, attention_beta = %.6g: the exact energy is not known from time "
            "%.6g on\n",
            (double)theory->value, (double)theory->beta, (double)time[end]);
  PetscFunctionReturn(0);
}
