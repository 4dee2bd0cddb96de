# yoco-sim beside yoco, where SimGrid is found. SimGrid's smpicc is a compiler of its own, so it is a build of its own.
find_program(SMPICC smpicc)
if(NOT SMPICC)
    message(STATUS "SimGrid not found: building without yoco-sim; yoco scale --simulate needs it (Debian: libsimgrid-dev)")
    return()
endif()
include(ExternalProject)
ExternalProject_Add(simulator
    SOURCE_DIR ${CMAKE_SOURCE_DIR}
    BINARY_DIR ${CMAKE_BINARY_DIR}/sim
    CONFIGURE_COMMAND ${CMAKE_COMMAND} -E env --unset=CFLAGS --unset=LDFLAGS
                      ${CMAKE_COMMAND} -S <SOURCE_DIR> -B <BINARY_DIR> --preset sim
                      -DCMAKE_INSTALL_PREFIX=${CMAKE_INSTALL_PREFIX}
    BUILD_COMMAND ${CMAKE_COMMAND} --build <BINARY_DIR>
    BUILD_ALWAYS ON
    INSTALL_COMMAND ${CMAKE_COMMAND} -E copy_if_different <BINARY_DIR>/yoco-sim ${CMAKE_BINARY_DIR}/yoco-sim)
install(PROGRAMS ${CMAKE_BINARY_DIR}/yoco-sim TYPE BIN)
