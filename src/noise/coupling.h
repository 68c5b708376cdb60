/* The random MLP of finite width m coupled to its limit, THEORY.md (3.5). Given the hidden weights U and b_U the
 * field G^m is Gaussian, and so is the limit G: use the same normals for both,
 *
 *     G = K^{1/2} Z,   G^m = A_m^{1/2} Z + b_W,   A_m = a^T a / m,   a = sigma(d^{-1/2} U y + b_U),
 *
 * with b_W shared: K is the Gram matrix of the limit's share without b_W. The law of G^m is exactly that of the MLP of
 * noise_type mlp, and E |G^m - G|^2 = O(1/m). limits_coupling says where Z lives:
 *   tokens     the matrices are those of the values at the tokens; Z is recovered from the values of the limit field
 *   harmonics  those of the coefficients in the harmonics of a spectral limit, so that nothing depends on the tokens;
 * the MLP's units are cut off at the degree of the limit, which keeps E of their covariance equal to the limit's none
 * not coupled: W and b_W of their own, the control */
#ifndef CHORALE_NOISE_COUPLING_H
#define CHORALE_NOISE_COUPLING_H

#include <chorale/noise.h>

typedef struct _p_Coupling *Coupling;

typedef struct {
  const char *type; /* name */
} CouplingOptions;
extern const OptionKey CouplingKeys[];
/* limits_coupling. */
PetscErrorCode CouplingOptionsRead(CouplingOptions *options);

/* limit: a spectral or gram noise, which stays the caller's and must live as long. Refuses (user
 * input) limits without values of their own to couple to (mlp, none), harmonics of anything but spectral, and weights W
 * that are not Gaussian where they are coupled. Not collective. */
PetscErrorCode CouplingCreate(Noise limit, const CouplingOptions *options, Coupling *coupling);
PetscErrorCode CouplingDestroy(Coupling *coupling);
/* The kind and what a layer costs, on stdout of rank 0 of comm. Collective on comm. */
PetscErrorCode CouplingView(Coupling coupling, MPI_Comm comm);
/* Refuses (user input) a number of tokens that G^m cannot be evaluated at: beyond 2048 at the tokens. Not collective.
 */
PetscErrorCode CouplingCheckCount(Coupling coupling, PetscInt64 count);
/* *field <- G^m of this width coupled to the limit field, whose covariance must be k (one draw, or a sum of n draws
 * over sqrt(n)) and which must stay as it is while the field is used. SchemeStep takes the field like any other; the
 * coupling owns it, and the next draw overwrites it. U, b_U and what else is fresh come from the key (realization,
 * step). The first units of a width are those of every smaller one. Not collective. */
PetscErrorCode CouplingDraw(Coupling coupling, PetscInt realization, PetscInt step, PetscInt width, Field limit,
                            Field *field);

#endif
