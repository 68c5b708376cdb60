# Run at every build: the git revision of the sources into HEADER, which changes only when the revision does.
# cmake -DSOURCE=... -DHEADER=... -P revision.cmake
cmake_minimum_required(VERSION 3.20)
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty
  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT revision)
  set(revision "unknown")
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define CHORALE_REVISION \"@revision@\"\n" @ONLY)
