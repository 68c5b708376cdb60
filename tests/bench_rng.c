/* Throughput of the draws and of the activations: lines `name value unit`, each the median of 5 stretches of at least
 * 0.2 s. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <chorale/activation.h>
#include <chorale/rng.h>

enum { N = 2048, REPEATS = 5 }; /* 16 KB: stays in the first-level cache */
static double x[N], y[N];

static double Seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int Ascending(const void *a, const void *b) {
  const double p = *(const double *)a, q = *(const double *)b;
  return (p > q) - (p < q);
}

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

static void Measure(const char *name, void (*run)(const void *, uint64_t), const void *context) {
  double rate[REPEATS];
  for (int r = 0; r < REPEATS; r++) {
    const double start = Seconds();
    double elapsed;
    uint64_t calls = 0;
    do {
      for (int i = 0; i < 64; i++) run(context, calls++);
      elapsed = Seconds() - start;
    } while (elapsed < 0.2);
    rate[r] = (double)calls * N / elapsed;
  }
  qsort(rate, REPEATS, sizeof(double), Ascending);
  printf("%s %.4g 1/s\n", name, rate[REPEATS / 2]);
}

int main(void) {
  const Activation *activation;
  Measure("normals_per_second", Normals, NULL);
  Measure("uniforms_per_second", Uniforms, NULL);
  RngNormal((RngStream){2, 0, 0, RNG_TEST}, 0, N, x);
  for (PetscInt i = 0; (activation = ActivationGet(i)); i++) {
    char name[64];
    snprintf(name, sizeof(name), "%s_per_second", activation->name);
    Measure(name, Apply, activation);
  }
  return 0;
}
