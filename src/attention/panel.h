/* Panels: one block of tokens after the other, in global order, on every rank. Panels of one owner travel
 * in groups; while one is worked on, the next one travels. Memory: the packs of the own blocks and two groups.
 *
 *     PanelsStart(panels, tokens, NULL);
 *     for (J = 0; J < blocks; J++) {
 *       PanelsNext(panels, &pack);     collective; pack is valid until the next call
 *       ... work, with PanelsProgress now and then
 *     } */
#ifndef CHORALE_ATTENTION_PANEL_H
#define CHORALE_ATTENTION_PANEL_H

#include <chorale/tokens.h>

#include "attention/direct_tile.h"

typedef struct _p_Panels *Panels;

/* Collective on layout->comm. */
PetscErrorCode PanelsCreate(const TokensLayout *layout, Panels *panels);
PetscErrorCode PanelsDestroy(Panels *panels);
/* Packs the own blocks, with weights w f (factors[owned * B], NULL for f = 1), and sends for panel 0. Collective. */
PetscErrorCode PanelsStart(Panels panels, Tokens tokens, const double *factors);
/* The next panel. A rank without blocks gets an empty pack when one rank owns all. Collective. */
PetscErrorCode PanelsNext(Panels panels, TilePack *pack);
/* The pack of own block b = 0 .. owned - 1 of the tokens of the last PanelsStart. Not collective. */
TilePack PanelsOwn(Panels panels, PetscInt b);
/* Lets messages proceed (MPI moves them only when asked). Not collective. */
PetscErrorCode PanelsProgress(Panels panels);
#define PANELS_TOGETHER 8 /* panels of a group, at most: each costs two calls that wait for all ranks */
typedef struct {
  PetscMPIInt owner;
  PetscInt first, count; /* panels */
} PanelsGroup;
/* The group of panel J, and whether panels travel at all. */
PanelsGroup PanelsGroupOf(Panels panels, PetscInt J);
PetscBool PanelsTravel(Panels panels);
/* Blocks of the rank that has most, and bytes that it holds. */
PetscInt PanelsMost(Panels panels);
PetscLogDouble PanelsMemory(Panels panels);

/* The pack of a block, length B (d + 1): positions x[d][B], weights w[B] times factors[B], NULL for 1. */
void PackBlock(PetscInt dim, PetscInt block, const double *x, const double *w, const double *factors, double *pack,
               double *wide);
/* Its positions alone; weights stay as they are. */
void PackPositions(PetscInt dim, PetscInt block, const double *x, double *pack);
/* n zeroed numbers of 8 bytes on a cache line, as the tiles need them; freed with free(). */
PetscErrorCode PackAllocate(size_t n, void *pack);

#endif
