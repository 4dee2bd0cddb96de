/* The check of the launcher's task count, over made-up environments. */
#include "comm/launch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const *environment; /* name, value, name, value, ..., NULL */

static const char *get(const char *name)
{
    for (const char *const *entry = environment; *entry; entry += 2)
        if (strcmp(entry[0], name) == 0)
            return entry[1];
    return NULL;
}

typedef struct launch_case {
    const char *environment[9];
    int n_tasks; /* 0: no launcher found */
    int task;
} launch_case;

static const launch_case cases[] = {
    {{NULL}, 0, 0},
    {{"PMI_SIZE", "4", "PMI_RANK", "3", NULL}, 4, 3},
    {{"OMPI_COMM_WORLD_SIZE", "5", "OMPI_COMM_WORLD_RANK", "1", NULL}, 5, 1},
    {{"SLURM_STEP_NUM_TASKS", "6", "SLURM_PROCID", "2", NULL}, 6, 2},
    /* mpiexec inside Slurm: one proxy per node is Slurm's task */
    {{"SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "0", "PMI_SIZE", "64", "PMI_RANK", "9", NULL},
     64,
     9},
    /* a batch script that starts one process */
    {{"SLURM_NTASKS", "8", "SLURM_PROCID", "0", NULL}, 0, 0},
    {{"SLURM_STEP_NUM_TASKS", "8", NULL}, 0, 0},
    {{"PMI_SIZE", "", "PMI_RANK", "0", NULL}, 0, 0},
    {{"PMI_SIZE", "0", "PMI_RANK", "0", NULL}, 0, 0},
    {{"PMI_SIZE", "-3", "PMI_RANK", "0", NULL}, 0, 0},
    {{"PMI_SIZE", "3x", "PMI_RANK", "0", NULL}, 0, 0},
    {{"PMI_SIZE", "99999999999999999999", "PMI_RANK", "0", NULL}, 0, 0},
};

static void reads_known_launchers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        environment = cases[i].environment;
        yoco_launch launch = yoco_launch_read(get);
        assert_int_equal(launch.n_tasks, cases[i].n_tasks);
        assert_int_equal(launch.task, cases[i].task);
        assert_int_equal(launch.variable != NULL, cases[i].n_tasks > 0);
    }
}

/* Where nothing says so, yoco runs one rank without MPI. */
static void finds_a_launcher(void **state)
{
    static const char *const none[] = {"PATH", "/bin", "SLURM_NTASKS", "8", "SLURM_PROCID",
                                       "0",    NULL};
    static const char *const without_count[] = {"PMIX_RANK", "0", NULL};
    (void)state;
    environment = none;
    assert_false(yoco_launch_found(get));
    environment = without_count;
    assert_true(yoco_launch_found(get));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        environment = cases[i].environment;
        if (cases[i].n_tasks > 0)
            assert_true(yoco_launch_found(get));
    }
}

static void refuses_a_mismatch(void **state)
{
    (void)state;
    yoco_launch none = {.variable = NULL};
    yoco_launch four = {.variable = "SLURM_STEP_NUM_TASKS", .n_tasks = 4};
    assert_int_equal(yoco_launch_check(&none, 0, 1, 0), YOCO_OK);
    assert_int_equal(yoco_launch_check(&none, 0, 3, 3), YOCO_OK);
    assert_int_equal(yoco_launch_check(&none, 0, 3, 2), YOCO_ERR_USAGE);
    assert_int_equal(yoco_launch_check(&four, 0, 4, 0), YOCO_OK);
    assert_int_equal(yoco_launch_check(&four, 2, 4, 4), YOCO_OK);
    assert_int_equal(yoco_launch_check(&four, 2, 4, 5), YOCO_ERR_USAGE);
    assert_int_equal(yoco_launch_check(&four, 0, 1, 0), YOCO_ERR_USAGE);
    assert_int_equal(yoco_launch_check(&four, 0, 1, 1), YOCO_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_known_launchers),
        cmocka_unit_test(finds_a_launcher),
        cmocka_unit_test(refuses_a_mismatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
