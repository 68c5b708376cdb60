/* The certificate of lambda_bar'(beta): F is nowhere below it, and it is close to what KernelRate finds. */
#include <chorale/kernel.h>
#include <math.h>

#include "test.h"

/* F of u as section 2 defines it; near u = 1, where all terms vanish, digits are lost. */
static double Definition(double d, double k1, double k, double beta, double u) {
  const double G0 = k * (d - 2 + u * u) - k1 * (d - 1) * u, G1 = (1 - u * u) * (k1 - u * k);

  return beta * (G0 + beta * G1) / expm1(beta * (1 - u));
}

static void nowhere_below(void **unused) {
  static const char *const activations[] = {"relu", "sigmoid", "tanh", "sin", "gelu"};
  static const PetscInt dims[] = {2, 3, 5, 64};
  static const double biases[] = {0, 0.1, 0.7}, betas[] = {0.1, 1, 30, 1000};
  enum { POINTS = 3000 };
  (void)unused;

  for (int a = 0; a < 5; a++)
    for (int i = 0; i < 4; i++)
      for (int b = 0; b < 3; b++) {
        PetscReal k1, kp1, k, rate, most;
        Kernel kernel;
        OK(KernelCreate(ActivationFind(activations[a]), dims[i], biases[b], biases[b], &kernel));
        OK(KernelAtOne(kernel, &k1, &kp1));
        for (int e = 0; e < 4; e++) {
          const double scale = (double)dims[i] * (k1 + kp1);
          OK(KernelRate(kernel, betas[e], &rate));
          OK(KernelRateBound(kernel, betas[e], &most));
          assert_true(rate < most && most <= rate + 2e-9 * scale);
          for (int p = 0; p <= POINTS; p++) {
            const double x = 2 * pow(10, -4.0 * p / POINTS);
            OK(KernelEvaluate(kernel, 1 - x, &k));
            assert_true(Definition((double)dims[i], k1, k, betas[e], 1 - x) >= -most - 1e-8 * scale);
          }
        }
        OK(KernelDestroy(&kernel));
      }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(nowhere_below)};
TEST_MAIN(tests)
