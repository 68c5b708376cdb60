#include <chorale/sum.h>

#include "attention/impl.h"
#include "base/log.h"
#include "base/traffic.h"

PetscErrorCode AttentionReduce(Attention attention, PetscInt n, PetscInt64 values[]) {
  static PetscLogEvent event;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttnAllreduce", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(SumAllreduce(attention->layout.comm, n, values));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionFindBlind(Attention attention, Tokens tokens) {
  const PetscInt64 B = attention->layout.block, first = attention->layout.first * B;
  const double *weights;
  PetscInt64 n = 0;

  PetscFunctionBeginUser;
  attention->blind = 0;
  if (!attention->causal) PetscFunctionReturn(0);
  PetscCall(TokensGetWeights(tokens, &weights));
  while (n < attention->layout.owned * B && weights[n] == 0) n++;
  attention->blind = n < attention->layout.owned * B ? first + n : attention->layout.count;
  TrafficSum(1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &attention->blind, 1, MPIU_INT64, MPI_MIN, attention->layout.comm));
  PetscFunctionReturn(0);
}
