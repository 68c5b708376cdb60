#include <chorale/sum.h>

#include "attention/impl.h"
#include "base/log.h"

PetscErrorCode AttentionReduce(Attention attention, PetscInt n, PetscInt64 values[]) {
  static PetscLogEvent event;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttnAllreduce", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(SumAllreduce(attention->layout.comm, n, values));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
