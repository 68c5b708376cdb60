/* Calls that must fail, and what they must say. */
#ifndef CHORALE_EXPECT_H
#define CHORALE_EXPECT_H

#include <string.h>

#include "test.h"

static char expect_message[1024];

/* Keeps the first message instead of printing it. */
static inline PetscErrorCode ExpectHandler(MPI_Comm comm, int line, const char *function, const char *file,
                                           PetscErrorCode code, PetscErrorType type, const char *message,
                                           void *context) {
  (void)comm, (void)line, (void)function, (void)file, (void)context;
  if (type == PETSC_ERROR_INITIAL) {
    strncpy(expect_message, message, sizeof(expect_message) - 1);
    expect_message[sizeof(expect_message) - 1] = 0;
  }
  return code;
}

/* The call must return this error code, on every rank that runs it, with a message that contains this text. */
#define FAILS(call, expected, text)                                                                                    \
  do {                                                                                                                 \
    expect_message[0] = 0;                                                                                             \
    OK(PetscPushErrorHandler(ExpectHandler, NULL));                                                                    \
    const int code_ = (int)(call);                                                                                     \
    OK(PetscPopErrorHandler());                                                                                        \
    if (code_ != (expected))                                                                                           \
      fail_msg("%s returned %d, expected %d: %s", #call, code_, (int)(expected), expect_message);                      \
    if (!strstr(expect_message, text)) fail_msg("%s said \"%s\", without \"%s\"", #call, expect_message, text);        \
  } while (0)
/* What a user got wrong. */
#define REFUSED(call, text) FAILS(call, PETSC_ERR_USER_INPUT, text)

#endif
