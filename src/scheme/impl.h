/* What a type of scheme implements. A new type is one file like layer.c and one line in the registry of scheme.c. */
#ifndef CHORALE_SCHEME_IMPL_H
#define CHORALE_SCHEME_IMPL_H

#include <chorale/scheme.h>

typedef struct {
  const char *name;        /* value of scheme_type */
  const char *description; /* the step in one line, for SchemeView */
  PetscErrorCode (*step)(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens);
} SchemeType;

struct _p_Scheme {
  const SchemeType *type;
  MPI_Comm comm; /* the tokens' */
  Vec work;      /* a field at the tokens */
};

extern const SchemeType SchemeTypeLayer;

#endif
