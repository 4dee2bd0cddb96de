/* cublasLt is loaded when it is first called, not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

size_t cublasLtGetVersion(void); /* its header is for kernels/cuda alone */

static bool is_loaded(void)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        found = found || strstr(line, "libcublasLt");
    fclose(maps);
    return found;
}

static void loaded_at_the_first_call(void **state)
{
    (void)state;
    assert_false(is_loaded());
    assert_true(cublasLtGetVersion() >= 120000);
    assert_true(is_loaded());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loaded_at_the_first_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
