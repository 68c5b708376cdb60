/* Throughput of the draws and of the activations: lines `name value unit`, each the median of many short stretches of
 * CPU time; and the fastest stretch of the normals, which is what a core does that shares nothing with others. */
#include <stdio.h>

#include <chorale/activation.h>

#include "bench.h"

enum { N = 2048, STRETCHES = 21 }; /* 16 KB: stays in the first-level cache */
static double x[N], y[N];

static void Normals(const void *context, uint64_t call) {
  (void)context;
  RngNormal((RngStream){1, 0, 0, RNG_TEST}, call * N, N, y);
}
static void Uniforms(const void *context, uint64_t call) {
  (void)context;
  RngUniform((RngStream){1, 0, 0, RNG_TEST}, call * N, N, y);
}
static void Apply(const void *activation, uint64_t call) {
  (void)call;
  ((const Activation *)activation)->apply(N, x, y);
}

/* Returns the rate of the fastest stretch. */
static double Measure(const char *name, void (*run)(const void *, uint64_t), const void *context) {
  double rate[STRETCHES];
  for (int r = 0; r < STRETCHES; r++) {
    const double start = BenchCpu();
    double elapsed;
    uint64_t calls = 0;
    do {
      for (int i = 0; i < 64; i++) run(context, calls++);
      elapsed = BenchCpu() - start;
    } while (elapsed < 0.04);
    rate[r] = (double)calls * N / elapsed;
  }
  printf("%s %.4g 1/s\n", name, BenchMedian(STRETCHES, rate));
  return rate[STRETCHES - 1];
}

int main(void) {
  const Activation *activation;
  printf("normals_per_second_fastest %.4g 1/s\n", Measure("normals_per_second", Normals, NULL));
  Measure("uniforms_per_second", Uniforms, NULL);
  RngNormal((RngStream){2, 0, 0, RNG_TEST}, 0, N, x);
  for (PetscInt i = 0; (activation = ActivationGet(i)); i++) {
    char name[64];
    snprintf(name, sizeof(name), "%s_per_second", activation->name);
    Measure(name, Apply, activation);
  }
  return 0;
}
