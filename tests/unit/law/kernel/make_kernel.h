/* A kernel by the name of its activation. */
#ifndef CHORALE_MAKE_KERNEL_H
#define CHORALE_MAKE_KERNEL_H

#include <chorale/kernel.h>

#include "test.h"

static inline Kernel Make(const char *name, int dim, double bias_u, double bias_w) {
  Kernel kernel = NULL;
  const Activation *activation = ActivationFind(name);
  assert_non_null(activation);
  OK(KernelCreate(activation, dim, bias_u, bias_w, &kernel));
  return kernel;
}

#endif
