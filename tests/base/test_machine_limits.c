/* Limits of control groups, read from trees of files as the kernel shows them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine_limits.h"

static char root[64];

static void shell(const char *format, const char *path)
{
    char command[1024];
    snprintf(command, sizeof command, format, path);
    assert_int_equal(system(command), 0);
}

static void write_file(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    shell("mkdir -p \"$(dirname '%s')\"", whole);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/yoco-limits-XXXXXX");
    return mkdtemp(root) ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    shell("rm -r '%s'", root);
    return 0;
}

static void test_none(void **state)
{
    (void)state;
    assert_true(yoco_group_memory_left(root) == INT64_MAX);
    assert_true(yoco_group_cpus(root) == HUGE_VAL);
}

/* Slurm: the job's group has the limit, the step below it has none; cache can be dropped. */
static void test_version_1(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup",
               "9:cpu,cpuacct:/slurm/job_7/step_0\n4:memory:/slurm/job_7/step_0\n"
               "0::/\n");
    write_file("/proc/self/mountinfo",
               "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
               "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
               "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "5000\n");
    write_file("/sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes", "1000\n");
    write_file("/sys/fs/cgroup/memory/slurm/job_7/memory.usage_in_bytes", "700\n");
    write_file("/sys/fs/cgroup/memory/slurm/job_7/memory.stat",
               "cache 999\ninactive_file 1\ntotal_inactive_file 150\ntotal_active_file 50\n");
    write_file("/sys/fs/cgroup/memory/slurm/job_7/step_0/memory.limit_in_bytes", "2000\n");
    write_file("/sys/fs/cgroup/memory/slurm/job_7/step_0/memory.usage_in_bytes", "600\n");
    assert_int_equal(yoco_group_memory_left(root), 500);
    write_file("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_quota_us", "150000\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/slurm/cpu.cfs_period_us", "100000\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us", "-1\n");
    write_file("/sys/fs/cgroup/cpu,cpuacct/slurm/job_7/cpu.cfs_period_us", "100000\n");
    assert_true(yoco_group_cpus(root) == 1.5);
}

static void test_version_2(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "0::/user.slice/job.scope\n");
    write_file("/proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    write_file("/sys/fs/cgroup/user.slice/memory.max", "max\n");
    write_file("/sys/fs/cgroup/user.slice/memory.current", "100\n");
    write_file("/sys/fs/cgroup/user.slice/cpu.max", "400000 100000\n");
    write_file("/sys/fs/cgroup/user.slice/job.scope/memory.max", "1000\n");
    write_file("/sys/fs/cgroup/user.slice/job.scope/memory.current", "1200\n");
    write_file("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
    assert_int_equal(yoco_group_memory_left(root), 0);
    assert_true(yoco_group_cpus(root) == 4.0);
    write_file("/sys/fs/cgroup/user.slice/job.scope/memory.stat",
               "inactive_file 300\nactive_file 100\nshmem 50\n");
    assert_int_equal(yoco_group_memory_left(root), 200);
}

/* Docker: the mount shows the container's group alone, with or without a namespace of its own. */
static void test_container(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "4:memory:/docker/ab12\n");
    write_file("/proc/self/mountinfo",
               "35 31 0:32 /docker/ab12 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
    write_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "900\n");
    assert_int_equal(yoco_group_memory_left(root), 100);
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    write_file("/sys/fs/cgroup/memory.max", "1000\n");
    write_file("/sys/fs/cgroup/memory.current", "250\n");
    assert_int_equal(yoco_group_memory_left(root), 750);
}

static void test_machine(void **state)
{
    (void)state;
    assert_true(yoco_memory_available() > 0);
    assert_in_range(yoco_cores(), 1, yoco_cores_bound());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_none, begin, end),
        cmocka_unit_test_setup_teardown(test_version_1, begin, end),
        cmocka_unit_test_setup_teardown(test_version_2, begin, end),
        cmocka_unit_test_setup_teardown(test_container, begin, end),
        cmocka_unit_test(test_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
