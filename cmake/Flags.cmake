# Compiler flags. -ffp-contract=off: a product and a sum fuse only where the code says fma, so that bits do not depend on
# the compiler's choice.
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
                    -ffp-contract=off -fno-math-errno -g)
if(YOCO_WERROR)
    add_compile_options(-Werror)
endif()
if(YOCO_SANITIZE)
    add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    add_link_options(-fsanitize=address,undefined)
endif()
if(YOCO_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "YOCO_FUZZ needs clang: configure with the preset 'fuzz'")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=fuzzer-no-link,address,undefined)
endif()
