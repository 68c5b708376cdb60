/* One transport problem at auction (Bertsekas; NUMERICS.md (9.14)): persons are points that give their mass away,
 * objects are points that take it, in lots, at prices.
 *
 * Every rank of comm holds all of it. Only searches are shared, and what they find is the same on every rank, so all
 * ranks do the same. */
#ifndef CHORALE_DISTANCE_MARKET_H
#define CHORALE_DISTANCE_MARKET_H

#include "distance/lots.h"
#include "distance/price_tree.h"

#define MARKET_NEAR 8 /* objects that a search finds */

typedef struct {
  MPI_Comm comm;
  PetscMPIInt ranks, rank, *counts, *starts; /* [ranks] what each of them does of a shared piece of work */
  MPI_Datatype record;                       /* what a search finds */
  const Points *persons, *objects;           /* sorted; of the same total mass */
  PriceTree offers;                          /* objects with the prices of their cheapest lots, p */
  PriceTree asks;                            /* persons with the prices -v */
  double *value;                             /* v[persons] = min_j |x - y_j|^2 + p_j, when MarketValues made them */
  PetscInt64 *rest;                          /* [persons] what is left to give */
  Lots lots;
  PetscInt *top;           /* [objects] heaps of lots */
  PetscInt *count, *crowd; /* [objects] lots, and from how many on those of one person are put together */
  Lot *pool;               /* [persons + 1] lots of one object, put together: one for each person */
  PetscInt *place;         /* [persons + 1] of a person's lot in the pool; -1 */
  PetscInt *near;          /* [persons][MARKET_NEAR] the best objects at the last search */
  double *beyond;          /* [persons] nothing else was below it then */
  PetscReal total;
} Market;

PetscErrorCode MarketCreate(MPI_Comm comm, const Points *persons, const Points *objects, Market *market);
PetscErrorCode MarketDestroy(Market *market);
/* The values v at the market's prices, and the dual value sum_i a_i v_i - sum_j b_j p_j over the total mass: never more
 * than the least cost. Collective. */
PetscErrorCode MarketValues(Market *market, PetscReal *dual);
/* The values at the prices of another market of about the same objects. Collective. */
PetscErrorCode MarketInherit(Market *market, const Market *coarse);
/* The least prices with the same values, p_j = max_i v_i - |x_i - y_j|^2; takes back the lots that cost their person
 * more than epsilon above its value. Collective. */
PetscErrorCode MarketLower(Market *market, PetscReal epsilon);
/* Persons bid until all mass is given away but some that, at the cost `scale` at most, adds little to epsilon; each lot
 * is within epsilon of the best its person could do. Raises *epsilon if prices have far to go. Collective. */
PetscErrorCode MarketAuction(Market *market, PetscReal scale, PetscReal *epsilon);
/* Mean cost of the plan, after MarketAuction; what is left costs `scale`. */
PetscReal MarketCost(const Market *market, PetscReal scale);

#endif
