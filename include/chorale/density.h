/* The state of the SPDE (THEORY.md (4.1)): a density on the circle (d = 2) or the sphere (d = 3), moved by its own
 * attention and by the noise's field,
 *
 *     d rho + div(rho P (Att[rho] dt + o dW)) = 0      Stratonovich, scheme_type flow
 *     d rho + div(rho P (Att[rho] dt + dW)) = k(1)/2 Laplacian rho dt      Ito, scheme_type euler
 *
 * and kappa Laplacian rho dt more where tokens have noise of their own (NEIGHBOURS.md section 14).
 *
 * rho = sum_k rho_k Y_k with the harmonics of chorale/harmonics.h up to spde_degree, so that rho_k is the moment
 * <mu, Y_k> that tokens have too. Pseudo-spectral: the product of density and velocity is taken on a grid fine enough
 * that it does not alias into the degrees that are kept. The velocity has the degrees of the noise and of attention;
 * that of softmax, a quotient, is held up to the degree beyond which it is below attention_tol for any density, but not
 * beyond spde_degree. Where that is too low (sharp attention: on the sphere of degree 64 from beta 3.5 on, on the
 * circle of degree 512 from beta 29 on) DensityView says so: smooth densities do not feel it (5e-10 at most was seen),
 * and a narrow one that does grows a tail, which DensityTail tells.
 *
 * What is replicated: the coefficients, on every rank of the communicator, so that any rank may evaluate the density
 * and all compute the same bits. On the circle all work is, too: a step (some 100 us) takes less time than the messages
 * of a distributed transform. On the sphere the ranks share the transforms over degrees, by order m and not by rings,
 * since that is where the work is and no sum is then split, and the noise, by blocks of grid points; Fourier transforms
 * along the rings and products, the lesser part, are replicated, and so are the arrays of the grid (136 bytes a point).
 */
#ifndef CHORALE_DENSITY_H
#define CHORALE_DENSITY_H

#include <chorale/attention.h>
#include <chorale/noise.h>
#include <chorale/start.h>

typedef struct _p_Density *Density;

typedef struct {
  PetscInt64 degree;             /* -1: 512 on the circle, 64 on the sphere */
  PetscReal tol, hyperviscosity; /* share of the norm at which degrees are outgrown; extra decay of the highest */
  const char *scheme;            /* flow or euler, as tokens beside it take */
  PetscReal independent;         /* kappa of the tokens' own noise: the density gains kappa Laplacian rho dt */
  StartOptions start;            /* the initial law */
} DensityOptions;
extern const OptionKey DensityKeys[];
/* spde_degree, spde_tol, spde_hyperviscosity, tokens_* and ensemble_seed; scheme flow, kappa 0. Collective. */
PetscErrorCode DensityOptionsRead(DensityOptions *options);
/* Ranks that share a step at most, 0 for any number. Pure. */
PetscInt DensityShards(const DensityOptions *options, PetscInt dim);

/* A density that attention and noise would move: on the sphere of the attention's tokens and on their communicator.
 * Refuses (user input) dimensions other than 2 and 3, schemes other than flow and euler, attention without a potential,
 * noise that is no sum of harmonics and degrees too low for the noise. The noise must outlive the density. Collective.
 */
PetscErrorCode DensityCreate(Attention attention, Noise noise, const DensityOptions *options, Density *density);
PetscErrorCode DensityDestroy(Density *density);
/* Degree, grid, scheme, memory on stdout of rank 0. Collective. */
PetscErrorCode DensityView(Density density);
/* How exact it is, in a phrase of at most `room` bytes. Pure. */
PetscErrorCode DensityBrief(Density density, size_t room, char accuracy[]);

/* Highest degree, number K of coefficients and the degree of each. */
PetscErrorCode DensityGetSize(Density density, PetscInt *degree, PetscInt *count, const PetscInt **degrees);
/* The coefficients rho_k, a sequential Vec of size K, owned by density; the same on every rank. */
PetscErrorCode DensityGetVec(Density density, Vec *coefficients);

/* The density of the initial law tokens_init for realization r: uniform (quadrature: the same), vmf, clusters,
 * harmonic. Refuses (user input) file, and a law whose spectrum has more than spde_tol in the upper third of the
 * degrees. Not collective. */
PetscErrorCode DensityStart(Density density, PetscInt r);
/* Refuses as DensityStart would for any of realizations 0 .. R - 1 (centres of clusters differ, and may meet in one of
 * them only), alike on all ranks; the realizations are shared out. Leaves the density undefined. Collective on comm,
 * which may be wider than the density's. */
PetscErrorCode DensityCheckStarts(Density density, MPI_Comm comm, PetscInt R);
/* Moves the density by one step of size dt > 0 under the frozen field (dW = sqrt(dt) G). flow: RK4 of the transport
 * equation over s in [0,1], in as many substeps as stability asks for; euler: Ito-Euler, the Laplacian exactly.
 * Collective. */
PetscErrorCode DensityStep(Density density, Field field, PetscReal dt);

typedef struct {
  PetscReal mass;    /* integral of rho, by quadrature on the grid */
  PetscReal minimum; /* of rho on the grid, with respect to the surface measure: uniform is 1/|S| */
  PetscReal energy;  /* E_beta, THEORY.md (5.1) */
  PetscReal entropy; /* -integral rho log(|S| rho) <= 0, 0 when uniform; where rho < 0 it counts as 0 */
  PetscReal tail;    /* share of the L2 norm in the upper third of the degrees, see DensityTail */
} DensityMeasures;
PetscErrorCode DensityMeasure(Density density, DensityMeasures *measures);
/* sqrt(sum of rho_k^2 over degrees beyond 2/3 of the highest, divided by that over all). *outgrown when it is above
 * spde_tol: the degrees no longer hold the density. Either may be NULL. Not collective. */
PetscErrorCode DensityTail(Density density, PetscReal *tail, PetscBool *outgrown);
/* power[n] = sum of rho_k^2 over the harmonics of degree n = 0 .. degree. Not collective. */
PetscErrorCode DensitySpectrum(Density density, PetscReal power[]);
/* rho at a block of points x[d][B] as in chorale/harmonics.h. Not collective. */
PetscErrorCode DensityEvaluate(Density density, PetscInt B, const double *x, double *rho);

/* Multiplies the weights of tokens by rho at them (0 where it is negative): nodes of a quadrature rule of the uniform
 * measure become one of rho. Collective on the tokens' communicator. */
PetscErrorCode DensityWeigh(Density density, Tokens tokens);
/* d = 2: tokens to the quantiles F^-1((i + 1/2)/N) of rho, equal weights. Collective on the tokens' communicator. */
PetscErrorCode DensityQuantiles(Density density, Tokens tokens);
/* moments[K] of tokens, sum_i w_i Y_k(x_i), the same on every rank and for any number. Collective on the tokens'
 * communicator. */
PetscErrorCode DensityMoments(Density density, Tokens tokens, double moments[]);
/* Distances between rho and tokens in moments: MMD^2 of the kernel e^{beta <x,y>} (as DistanceMMD) and the square of
 * the negative Sobolev norm, sum_k |S| (1 + n (n+d-2))^{-2} (rho_k - m_k)^2. Collective on the tokens' communicator. */
PetscErrorCode DensityCompare(Density density, Tokens tokens, PetscReal *mmd2, PetscReal *sobolev2);

#endif
