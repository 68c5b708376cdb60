/* One step of the SPDE's density on one core, beside tokens: bench_density. Prints `name value unit` lines of CPU time,
 * least of several repeats, the draw of the noise included. A circle of 1024 modes and a sphere of degree 64, schemes
 * flow (a step that takes one RK4 substep: degree x |dW| up to 1.4) and euler. Beside them a step of flow of tokens of
 * equal accuracy: a quadrature rule that resolves the same degree (2304 nodes; 2 x 65^2), and independent draws whose
 * statistical error is 1e-4, the share of the spectrum at which a density counts as outgrown: 1e8 of them, scaled up
 * from 65536. */
#include <chorale/attention.h>
#include <chorale/density.h>
#include <chorale/error.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include <time.h>

#include "keys.h"

enum { REPEATS = 7 };

static double Now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static PetscErrorCode Set(const char *name, const char *value) {
  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, name, value));
  PetscFunctionReturn(0);
}

/* Least seconds of a step. */
static PetscErrorCode Density_(PetscInt d, const char *scheme, PetscInt steps, double *least) {
  Density density;
  Noise noise;
  Field field;

  PetscFunctionBeginUser;
  PetscCall(Set("-scheme_type", scheme));
  PetscCall(NoiseFromKeys(d, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(DensityFromKeys(PETSC_COMM_SELF, d, noise, &density));
  *least = 1e9;
  for (int i = 0; i < REPEATS; i++) {
    PetscCall(DensityStart(density, 0));
    const double start = Now();
    for (PetscInt l = 0; l < steps; l++) {
      PetscCall(NoiseDraw(noise, 0, l, field));
      PetscCall(DensityStep(density, field, 1e-9));
    }
    *least = PetscMin(*least, (Now() - start) / (double)steps);
  }
  PetscCall(DensityDestroy(&density));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Particles(PetscInt d, PetscInt64 count, PetscInt steps, double *least) {
  Attention attention;
  Scheme scheme;
  Tokens tokens;
  Start start;
  Noise noise;
  Field field;

  PetscFunctionBeginUser;
  PetscCall(Set("-scheme_type", "flow"));
  PetscCall(TokensCreate(PETSC_COMM_SELF, count, d, &tokens));
  PetscCall(StartCreateRule(tokens, &start));
  PetscCall(TokensStart(tokens, start, 0));
  PetscCall(AttentionFromKeys(tokens, &attention));
  PetscCall(NoiseFromKeys(d, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeFromKeys(tokens, &scheme));
  *least = 1e9;
  for (int i = 0; i < REPEATS; i++) {
    const double begin = Now();
    for (PetscInt l = 0; l < steps; l++) {
      PetscCall(NoiseDraw(noise, 0, l, field));
      PetscCall(SchemeStep(scheme, attention, field, 1e-9, tokens));
    }
    *least = PetscMin(*least, (Now() - begin) / (double)steps);
  }
  PetscCall(SchemeDestroy(&scheme));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(AttentionDestroy(&attention));
  PetscCall(StartDestroy(&start));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Case(PetscInt d, const char *degree, const char *noise, PetscInt64 nodes, PetscInt steps) {
  const char *name = d == 2 ? "circle" : "sphere";
  double flow, euler, rule, many;

  PetscFunctionBeginUser;
  PetscCall(Set("-spde_degree", degree));
  PetscCall(Set("-noise_degree", noise));
  PetscCall(Density_(d, "flow", steps, &flow));
  PetscCall(Density_(d, "euler", steps, &euler));
  PetscCall(Particles(d, nodes, steps, &rule));
  PetscCall(Particles(d, d == 2 ? 65536 : 65522, 1, &many));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "density_%s_%s_flow_one_substep %.4g us\n", name, degree, 1e6 * flow));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "density_%s_%s_euler %.4g us\n", name, degree, 1e6 * euler));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "density_%s_tokens_rule_%d %.4g us\n", name, (int)nodes, 1e6 * rule));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "density_%s_tokens_iid_1e8 %.4g us\n", name, 1e6 * many * 1e8 / 65536));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (Set("-attention_engine", "moments") || Set("-noise_type", "spectral") || Set("-mlp_activation", "relu")) return 1;
  if (Set("-tokens_init", "vmf")) return 1;
  if (Case(2, "1024", "64", 2304, 50) || Case(3, "64", "32", 2 * 65 * 65, 3)) return 1;
  return PetscFinalize() != 0;
}
