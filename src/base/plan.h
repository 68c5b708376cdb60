/* Ranks that a dry run plans without starting them (dry_ranks): one process has the part of the last one of a group,
 * and none has more tokens; it communicates with no other, and what it would get from them is made up. Else those
 * there are. */
#ifndef CHORALE_BASE_PLAN_H
#define CHORALE_BASE_PLAN_H

#include <petscsys.h>

/* From now on there shall be so many, 0 for those there are. Checks that one process alone plans. Collective. */
PETSC_INTERN PetscErrorCode PlanSet(PetscInt64 ranks);
/* All ranks of the run. */
PETSC_INTERN PetscErrorCode PlanRanks(PetscMPIInt *ranks);
/* This communicator stands for so many ranks, its copies too. Nothing without a plan. Collective. */
PETSC_INTERN PetscErrorCode PlanShare(MPI_Comm comm, PetscInt ranks);
/* Those that it stands for, and which of them this process is. */
PETSC_INTERN PetscErrorCode PlanSize(MPI_Comm comm, PetscMPIInt *size);
PETSC_INTERN PetscErrorCode PlanRank(MPI_Comm comm, PetscMPIInt *rank);
/* Is only a part of the ranks of comm here? */
PETSC_INTERN PetscErrorCode PlanIsPart(MPI_Comm comm, PetscBool *part);

#endif
