/* A range of tokens as tokens of their own: both are split over the ranks by their own number of blocks, so tokens
 * change ranks. */
#include <chorale/tokens.h>

#include "base/plan.h"
#include "base/traffic.h"

/* Tokens first .. end - 1. */
typedef struct {
  PetscInt64 first, end;
} Range;

static Range RangeOfShard(const TokensLayout *layout, PetscMPIInt shard, PetscMPIInt shards) {
  const PetscInt64 first = TokensFirstBlock(layout->blocks, shard, shards);
  const PetscInt64 end = TokensFirstBlock(layout->blocks, shard + 1, shards);

  return (Range){PetscMin(layout->count, first * layout->block), PetscMin(layout->count, end * layout->block)};
}

static Range Overlap(Range a, Range b) {
  const PetscInt64 first = PetscMax(a.first, b.first);

  return (Range){first, PetscMax(first, PetscMin(a.end, b.end))};
}

/* Where component 0 of this rank's token i (global number) lies in its blocks. */
static PetscInt Place(const TokensLayout *layout, PetscInt64 i) {
  const PetscInt own = (PetscInt)(i - (PetscInt64)layout->first * layout->block);

  return own / layout->block * layout->block * layout->dim + own % layout->block;
}

/* Numbers to each rank and from each rank, in the order of tokens. */
static PetscErrorCode Plan(const TokensLayout *from, PetscInt64 shift, const TokensLayout *to, PetscMPIInt *counts[2],
                           PetscMPIInt *offsets[2]) {
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(from->comm, &rank));
  PetscCallMPI(MPI_Comm_size(from->comm, &size));
  for (int way = 0; way < 2; way++) {
    PetscMPIInt total = 0;

    for (PetscMPIInt other = 0; other < size; other++) {
      const Range source = RangeOfShard(from, way == 0 ? rank : other, size);
      const Range target = RangeOfShard(to, way == 0 ? other : rank, size);
      const Range common = Overlap(source, (Range){target.first + shift, target.end + shift});

      counts[way][other] =
          (PetscMPIInt)(common.end - common.first) * from->dim; /* fits an int, as the length of a Vec does */
      offsets[way][other] = total;
      total += counts[way][other];
    }
  }
  PetscFunctionReturn(0);
}

/* What a planned rank gets: its own tokens take the place of those that come. */
static void Pretend(const TokensLayout *source, const TokensLayout *target, const double *x, double *y) {
  PetscInt64 begin[2], n[2];

  TokensOwnRows(source, &begin[0], &n[0]);
  TokensOwnRows(target, &begin[1], &n[1]);
  for (PetscInt64 i = 0; i < n[1]; i++) {
    const double *from = x + Place(source, begin[0] + i % n[0]);
    double *to = y + Place(target, begin[1] + i);

    for (PetscInt c = 0; c < source->dim; c++) to[c * target->block] = from[c * source->block];
  }
}

static PetscErrorCode Exchange(const TokensLayout *source, PetscInt64 first, const TokensLayout *target,
                               const double *x, double *y) {
  PetscMPIInt rank, size, *counts[2], *offsets[2];
  double *sent, *received;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(source->comm, &rank));
  PetscCallMPI(MPI_Comm_size(source->comm, &size));
  PetscCall(PetscMalloc4(size, &counts[0], size, &counts[1], size, &offsets[0], size, &offsets[1]));
  PetscCall(Plan(source, first, target, counts, offsets));
  const Range wanted = {first, first + target->count};
  const Range out = Overlap(RangeOfShard(source, rank, size), wanted), in = RangeOfShard(target, rank, size);

  PetscCall(PetscMalloc2((size_t)(out.end - out.first) * source->dim, &sent, (size_t)(in.end - in.first) * source->dim,
                         &received));
  for (PetscInt64 i = out.first, k = 0; i < out.end; i++) {
    const double *token = x + Place(source, i);

    for (PetscInt c = 0; c < source->dim; c++) sent[k++] = token[c * source->block];
  }
  PetscCallMPI(MPI_Alltoallv(sent, counts[0], offsets[0], MPI_DOUBLE, received, counts[1], offsets[1], MPI_DOUBLE,
                             source->comm));
  for (PetscInt64 i = in.first, k = 0; i < in.end; i++) {
    double *token = y + Place(target, i);

    for (PetscInt c = 0; c < source->dim; c++) token[c * target->block] = received[k++];
  }
  PetscCall(PetscFree2(sent, received));
  PetscCall(PetscFree4(counts[0], counts[1], offsets[0], offsets[1]));
  PetscFunctionReturn(0);
}

PetscErrorCode TokensExtract(Tokens from, PetscInt64 first, Tokens to) {
  TokensLayout source, target;
  PetscMPIInt size;
  PetscInt64 begin, n;
  const double *x;
  PetscBool part;
  double *y;
  Vec vx, vy;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(from, &source));
  PetscCall(TokensGetLayout(to, &target));
  PetscCheck(first >= 0 && first + target.count <= source.count && source.dim == target.dim, source.comm,
             PETSC_ERR_ARG_OUTOFRANGE,
             "tokens %" PetscInt64_FMT " to %" PetscInt64_FMT " of %" PetscInt64_FMT " cannot be extracted", first,
             first + target.count - 1, source.count);
  PetscCall(PlanIsPart(source.comm, &part));
  PetscCall(PlanSize(source.comm, &size));
  TokensOwnRows(&target, &begin, &n);
  TrafficExchange(size, n * target.dim);
  PetscCall(TokensGetVec(from, &vx));
  PetscCall(TokensGetVec(to, &vy));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArray(vy, &y));
  if (part)
    Pretend(&source, &target, x, y);
  else
    PetscCall(Exchange(&source, first, &target, x, y));
  PetscCall(VecRestoreArray(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  PetscFunctionReturn(0);
}
