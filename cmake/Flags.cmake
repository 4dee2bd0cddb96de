# Compiler flags. -ffp-contract=off: a product and a sum fuse only where the code says fma, so that bits do not depend on
# the compiler's choice.
set(for_c $<COMPILE_LANGUAGE:C>)
set(for_c_and_cxx $<COMPILE_LANGUAGE:C,CXX>)
set(for_cuda $<COMPILE_LANGUAGE:CUDA>)
add_compile_options("$<${for_c_and_cxx}:-Wall;-Wextra;-Wshadow;-Wpointer-arith;-Wvla;-ffp-contract=off;-fno-math-errno;-g>"
                    "$<${for_c}:-Wstrict-prototypes;-Wmissing-prototypes;-Wno-missing-field-initializers>"
                    "$<${for_cuda}:-std=c++20;-fmad=false;-Xcompiler=-Wall,-Wextra>")
if(YOCO_WERROR)
    add_compile_options($<${for_c_and_cxx}:-Werror> "$<${for_cuda}:-Werror=all-warnings>")
endif()
if(YOCO_SANITIZE)
    add_compile_options("$<${for_c_and_cxx}:-fsanitize=address,undefined;-fno-sanitize-recover=undefined;-fno-omit-frame-pointer>")
    add_link_options(-fsanitize=address,undefined)
endif()
if(YOCO_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "YOCO_FUZZ needs clang: configure with the preset 'fuzz'")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
    add_link_options(-fsanitize=fuzzer-no-link,address,undefined)
endif()
