#include "distance/market.h"

#define BATCH  512  /* persons that bid after searches at the prices of one moment; the same for any number of ranks */
#define SMALL  4096 /* objects below which ranks do not share searches: they would wait for each other */
#define SHARED 32   /* searches from which on the ranks share them: fewer cost less than the message */
#define LEFT   0.1  /* of epsilon: what the mass that a phase leaves may cost at most, or tiny masses take for ever */
#define CROWD  16   /* lots of an object that nobody minds */
#define MANY   64   /* ... among which looking for those of one person costs more than it saves */
#define BIDS   1000 /* of a person in a phase on average, from which on epsilon is too small */
#define RAISE  5    /* ... and so many times larger from then on */

/* What a search leaves for later bids of its person. */
typedef struct {
  PetscInt near[MARKET_NEAR];
  double beyond;
} Found;

PetscErrorCode MarketCreate(MPI_Comm comm, const Points *persons, const Points *objects, Market *market) {
  PetscFunctionBeginUser;
  *market = (Market){.comm = comm, .persons = persons, .objects = objects};
  PetscCallMPI(MPI_Comm_size(comm, &market->ranks));
  PetscCallMPI(MPI_Comm_rank(comm, &market->rank));
  PetscCall(PetscMalloc2(market->ranks, &market->counts, market->ranks, &market->starts));
  PetscCallMPI(MPI_Type_contiguous((int)sizeof(Found), MPI_BYTE, &market->record));
  PetscCallMPI(MPI_Type_commit(&market->record));
  PetscCall(PriceTreeCreate(objects, &market->offers));
  PetscCall(PriceTreeCreate(persons, &market->asks));
  PetscCall(LotsCreate(&market->lots));
  PetscCall(PetscMalloc4(persons->n, &market->value, persons->n, &market->rest, (size_t)persons->n * MARKET_NEAR,
                         &market->near, persons->n, &market->beyond));
  PetscCall(PetscMalloc5(objects->n, &market->top, objects->n, &market->count, objects->n, &market->crowd,
                         persons->n + 1, &market->pool, persons->n + 1, &market->place));
  for (PetscInt i = 0; i <= persons->n; i++) market->place[i] = -1;
  for (PetscInt i = 0; i < persons->n; i++) {
    market->rest[i] = persons->mass[i];
    market->near[(size_t)i * MARKET_NEAR] = -1;
    market->total += (PetscReal)persons->mass[i];
  }
  for (PetscInt j = 0; j < objects->n; j++) {
    market->top[j] = LOTS_NONE;
    market->count[j] = 1;
    market->crowd[j] = CROWD;
    PetscCall(LotsPush(&market->lots, 0, objects->mass[j], LOTS_NONE, &market->top[j]));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode MarketDestroy(Market *market) {
  PetscFunctionBeginUser;
  PetscCall(PriceTreeDestroy(&market->offers));
  PetscCall(PriceTreeDestroy(&market->asks));
  PetscCall(LotsDestroy(&market->lots));
  if (market->record) PetscCallMPI(MPI_Type_free(&market->record));
  PetscCall(PetscFree2(market->counts, market->starts));
  PetscCall(PetscFree4(market->value, market->rest, market->near, market->beyond));
  PetscCall(PetscFree5(market->top, market->count, market->crowd, market->pool, market->place));
  PetscFunctionReturn(0);
}

static const double *Person(const Market *market, PetscInt i) {
  return market->persons->x + (size_t)i * market->persons->dim;
}

/* Deals n pieces of work to the ranks. */
static void Share(const Market *market, PetscInt n) {
  for (PetscMPIInt r = 0; r < market->ranks; r++) {
    market->starts[r] = (PetscMPIInt)((PetscInt64)n * r / market->ranks);
    market->counts[r] = (PetscMPIInt)((PetscInt64)n * (r + 1) / market->ranks) - market->starts[r];
  }
}

/* The least |x - y|^2 + price for each of the points: the ranks share them. */
static PetscErrorCode Least(const Market *market, const Points *points, const PriceTree *tree, double *values) {
  PetscInt last = -1;

  PetscFunctionBeginUser;
  Share(market, points->n);
  const PetscInt first = market->starts[market->rank], end = first + market->counts[market->rank];
  for (PetscInt i = first; i < end; i++)
    PriceTreeFind(tree, points->x + (size_t)i * points->dim, last, 1, &last, &values[i]);
  PetscCallMPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values, market->counts, market->starts, MPI_DOUBLE,
                              market->comm));
  PetscFunctionReturn(0);
}

PetscErrorCode MarketValues(Market *market, PetscReal *dual) {
  const Points *persons = market->persons, *objects = market->objects;
  long double sum = 0; /* values and prices are larger than what they leave */

  PetscFunctionBeginUser;
  PetscCall(Least(market, persons, &market->offers, market->value));
  for (PetscInt i = 0; i < persons->n; i++) sum += (long double)persons->mass[i] * market->value[i];
  for (PetscInt j = 0; j < objects->n; j++) sum -= (long double)objects->mass[j] * market->offers.price[j];
  *dual = (PetscReal)(sum / market->total);
  PetscFunctionReturn(0);
}

PetscErrorCode MarketInherit(Market *market, const Market *coarse) {
  PetscFunctionBeginUser;
  PetscCall(Least(market, market->persons, &coarse->offers, market->value));
  PetscFunctionReturn(0);
}

/* Empties the heap of object j into the pool: *n lots, one for each person, at the least of its prices: that changes
 * neither the least price of the object nor what persons may pay. */
static void Pool(Market *market, PetscInt j, PetscInt *n) {
  PetscInt *top = &market->top[j];

  for (*n = 0; *top != LOTS_NONE; LotsPop(&market->lots, top)) {
    const Lot *lot = &market->lots.lot[*top];
    PetscInt *place = &market->place[lot->person + 1];

    if (lot->mass == 0) continue;
    if (*place < 0) {
      *place = (*n)++;
      market->pool[*place] = *lot;
    } else
      market->pool[*place].mass += lot->mass;
  }
  for (PetscInt k = 0; k < *n; k++) market->place[market->pool[k].person + 1] = -1;
  market->count[j] = *n;
}

/* In the middle of a phase; ever later, since prices that fall must not go on for ever. */
static PetscErrorCode PoolCrowd(Market *market, PetscInt j) {
  PetscInt n;

  PetscFunctionBeginUser;
  Pool(market, j, &n);
  market->crowd[j] *= 2;
  for (PetscInt k = 0; k < n; k++)
    PetscCall(
        LotsPush(&market->lots, market->pool[k].price, market->pool[k].mass, market->pool[k].person, &market->top[j]));
  PetscFunctionReturn(0);
}

/* All lots of object j at one price; a person keeps its lot if that is within epsilon of its value. */
static PetscErrorCode Resell(Market *market, PetscInt j, double price, PetscReal epsilon) {
  PetscInt64 freed = 0;
  PetscInt n;

  PetscFunctionBeginUser;
  Pool(market, j, &n);
  market->count[j] = 0;
  for (PetscInt k = 0; k < n; k++) {
    const PetscInt i = market->pool[k].person;
    const PetscInt64 mass = market->pool[k].mass;

    if (i != LOTS_NONE && PriceTreeCost(&market->offers, j, Person(market, i)) + price <= market->value[i] + epsilon) {
      PetscCall(LotsPush(&market->lots, price, mass, i, &market->top[j]));
      market->count[j]++;
      continue;
    }
    freed += mass;
    if (i != LOTS_NONE) market->rest[i] += mass;
  }
  if (freed) PetscCall(LotsPush(&market->lots, price, freed, LOTS_NONE, &market->top[j]));
  market->count[j] += freed > 0;
  market->crowd[j] = 2 * market->count[j] + CROWD;
  PetscFunctionReturn(0);
}

PetscErrorCode MarketLower(Market *market, PetscReal epsilon) {
  const PetscInt n = market->persons->n, m = market->objects->n;
  double *price;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(PetscMax(n, m), &price));
  for (PetscInt i = 0; i < n; i++) price[i] = -market->value[i];
  PriceTreeSetAll(&market->asks, price);
  PetscCall(Least(market, market->objects, &market->asks, price));
  for (PetscInt j = 0; j < m; j++) price[j] = -price[j];
  PriceTreeSetAll(&market->offers, price);
  for (PetscInt j = 0; j < m; j++) PetscCall(Resell(market, j, price[j], epsilon));
  for (PetscInt i = 0; i < n; i++) market->near[(size_t)i * MARKET_NEAR] = -1; /* prices fell */
  PetscCall(PetscFree(price));
  PetscFunctionReturn(0);
}

PetscReal MarketCost(const Market *market, PetscReal scale) {
  long double cost = 0;
  PetscInt stack[LOTS_STACK];

  for (PetscInt j = 0; j < market->objects->n; j++) {
    PetscInt n = 0;

    stack[n++] = market->top[j];
    while (n > 0) {
      const Lot *lot = &market->lots.lot[stack[--n]];

      cost += (long double)lot->mass *
              (lot->person == LOTS_NONE ? scale : PriceTreeCost(&market->offers, j, Person(market, lot->person)));
      if (lot->left != LOTS_NONE) stack[n++] = lot->left;
      if (lot->right != LOTS_NONE) stack[n++] = lot->right;
    }
  }
  return (PetscReal)(cost / market->total);
}

static void Search(const Market *market, PetscInt i, Found *found) {
  double values[MARKET_NEAR];

  PriceTreeFind(&market->offers, Person(market, i), market->near[(size_t)i * MARKET_NEAR], MARKET_NEAR, found->near,
                values);
  found->beyond = values[MARKET_NEAR - 1];
}

/* For the n persons i[]; room: found[n]. */
static PetscErrorCode SearchAll(Market *market, PetscInt n, const PetscInt *i, Found *found) {
  const PetscBool shared = n >= SHARED && market->objects->n >= SMALL && market->ranks > 1 ? PETSC_TRUE : PETSC_FALSE;

  PetscInt first = 0, end = n;

  PetscFunctionBeginUser;
  if (shared) {
    Share(market, n);
    first = market->starts[market->rank];
    end = first + market->counts[market->rank];
  }
  for (PetscInt q = first; q < end; q++) Search(market, i[q], &found[q]);
  if (shared)
    PetscCallMPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, found, market->counts, market->starts,
                                market->record, market->comm));
  for (PetscInt q = 0; q < n; q++) {
    PetscCall(PetscArraycpy(market->near + (size_t)i[q] * MARKET_NEAR, found[q].near, MARKET_NEAR));
    market->beyond[i[q]] = found[q].beyond;
  }
  PetscFunctionReturn(0);
}

/* The object j that is best for person i, and the price up to which it stays so. False if the objects of the last
 * search no longer tell: prices rose, and only what is below `beyond` is known. */
static PetscBool Choose(const Market *market, PetscInt i, PetscInt *j, double *limit) {
  const PetscInt *near = market->near + (size_t)i * MARKET_NEAR;
  double best = PETSC_INFINITY, second = PETSC_INFINITY;

  if (near[0] < 0) return PETSC_FALSE;
  for (PetscInt k = 0; k < MARKET_NEAR && near[k] >= 0; k++) {
    const double value = PriceTreeCost(&market->offers, near[k], Person(market, i)) + market->offers.price[near[k]];

    if (value < best) *j = near[k];
    second = PetscMin(second, PetscMax(value, best));
    best = PetscMin(best, value);
  }
  *limit = market->offers.price[*j] + (second < PETSC_INFINITY ? second - best : 0);
  return second <= market->beyond[i] * (1 + 1e-15) + 1e-15 || second == PETSC_INFINITY ? PETSC_TRUE : PETSC_FALSE;
}

typedef struct {
  PetscInt n, *person;
} Queue;

/* Empties person i's lots below the price in a heap; returns their mass. They leave the heap when they are its top. */
static PetscInt64 Withdraw(Lots *lots, PetscInt top, PetscInt i, double price) {
  PetscInt stack[LOTS_STACK], n = 0;
  PetscInt64 mass = 0;

  if (top != LOTS_NONE) stack[n++] = top;
  while (n > 0) {
    Lot *lot = &lots->lot[stack[--n]];

    if (lot->price >= price) continue;
    if (lot->person == i) {
      mass += lot->mass;
      lot->mass = 0;
    }
    if (lot->left != LOTS_NONE) stack[n++] = lot->left;
    if (lot->right != LOTS_NONE) stack[n++] = lot->right;
  }
  return mass;
}

static void Drop(Market *market, PetscInt j) {
  LotsPop(&market->lots, &market->top[j]);
  market->count[j]--;
}

static void SkipEmpty(Market *market, PetscInt j) {
  while (market->top[j] != LOTS_NONE && market->lots.lot[market->top[j]].mass == 0) Drop(market, j);
}

/* Person i takes the cheapest lots of object j, up to the price `limit`, and pays epsilon more than that or than the
 * next lot; so for its own lots, or it would compete with itself in ever smaller parts of lots. Persons that lose lots
 * join the queue. */
static PetscErrorCode Take(Market *market, PetscInt i, PetscInt j, double limit, PetscReal epsilon, Queue *queue) {
  PetscInt64 want = market->rest[i], taken = 0;
  PetscInt *top = &market->top[j];
  Lot *lot = NULL;

  PetscFunctionBeginUser;
  while (*top != LOTS_NONE && want > 0) {
    lot = &market->lots.lot[*top];
    if (lot->price > limit) break;
    const PetscInt64 mass = lot->person == i ? lot->mass : PetscMin(want, lot->mass);

    taken += mass;
    if (lot->person != i) want -= mass;
    if (lot->person != i && lot->person != LOTS_NONE && mass > 0) {
      if (market->rest[lot->person] == 0) queue->person[queue->n++] = lot->person;
      market->rest[lot->person] += mass;
    }
    lot->mass -= mass;
    if (lot->mass == 0) Drop(market, j);
  }
  if (taken > 0) {
    SkipEmpty(market, j);
    const double price = epsilon + (*top == LOTS_NONE ? limit : PetscMin(limit, market->lots.lot[*top].price));

    if (want == 0 && lot->mass > 0 && market->count[j] <= MANY) taken += Withdraw(&market->lots, *top, i, price);
    SkipEmpty(market, j);
    PetscCall(LotsPush(&market->lots, price, taken, i, top));
    if (++market->count[j] > market->crowd[j]) PetscCall(PoolCrowd(market, j));
    PriceTreeSet(&market->offers, j, market->lots.lot[*top].price);
  }
  market->rest[i] = want;
  if (want > 0) queue->person[queue->n++] = i;
  PetscFunctionReturn(0);
}

/* Bids of the persons i[n], one after the other, from objects that are all found at the prices of one moment. Those
 * whose objects no longer tell wait. */
static PetscErrorCode Bid(Market *market, PetscInt n, const PetscInt *i, PetscReal epsilon, Queue *queue) {
  PetscInt missing[BATCH], m = 0, j = 0;
  Found found[BATCH];
  double limit = 0;

  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < n; q++)
    if (!Choose(market, i[q], &j, &limit)) missing[m++] = i[q];
  PetscCall(SearchAll(market, m, missing, found));
  for (PetscInt q = 0; q < n; q++) {
    if (Choose(market, i[q], &j, &limit))
      PetscCall(Take(market, i[q], j, limit, epsilon, queue));
    else
      queue->person[queue->n++] = i[q];
  }
  PetscFunctionReturn(0);
}

/* Is more than this left to give? */
static PetscBool IsLeft(const Market *market, const Queue *queue, PetscReal allowed) {
  PetscReal sum = 0;

  for (PetscInt q = 0; q < queue->n && sum <= allowed; q++) sum += (PetscReal)market->rest[queue->person[q]];
  return sum > allowed ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode MarketAuction(Market *market, PetscReal scale, PetscReal *epsilon) {
  const PetscInt n = market->persons->n;
  Queue now = {0}, later = {0};
  PetscInt64 bids = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &now.person));
  PetscCall(PetscMalloc1(n, &later.person));
  for (PetscInt i = 0; i < n; i++)
    if (market->rest[i] > 0) now.person[now.n++] = i;
  while (IsLeft(market, &now, LEFT * *epsilon / scale * market->total)) {
    later.n = 0;
    for (PetscInt first = 0; first < now.n; first += BATCH)
      PetscCall(Bid(market, PetscMin(BATCH, now.n - first), now.person + first, *epsilon, &later));
    bids += now.n;
    if (bids > (PetscInt64)BIDS * n) {
      *epsilon *= RAISE;
      bids = 0;
    }
    const Queue swap = now;
    now = later;
    later = swap;
  }
  PetscCall(PetscFree(now.person));
  PetscCall(PetscFree(later.person));
  PetscFunctionReturn(0);
}
