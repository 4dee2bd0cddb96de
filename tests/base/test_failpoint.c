/* Failpoints do to a write what they say. Each case runs in a process of its own. */
#include "failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char content[] = "0123456789";

typedef struct outcome {
    int status; /* of waitpid; a process that ends by itself has the writes' errno as exit code */
    int64_t size;
} outcome;

/* Two writes of ten bytes to a file, by a process with that failpoint. */
static outcome write_twice(const char *failpoint)
{
    char path[] = "/tmp/yoco-failpoint-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = yoco_failpoint_arm(failpoint, 1);
        ok = ok && yoco_write_all("test.write", fd, content, 10);
        ok = ok && yoco_write_all("test.write", fd, content, 10);
        _exit(ok ? 0 : errno);
    }
    outcome result;
    struct stat info;
    assert_int_equal(waitpid(child, &result.status, 0), child);
    assert_int_equal(fstat(fd, &info), 0);
    result.size = info.st_size;
    close(fd);
    unlink(path);
    return result;
}

static void check(const char *failpoint, int signal_number, int error, int64_t size)
{
    outcome o = write_twice(failpoint);
    assert_int_equal(WIFSIGNALED(o.status) ? WTERMSIG(o.status) : 0, signal_number);
    assert_int_equal(WIFEXITED(o.status) ? WEXITSTATUS(o.status) : 0, error);
    assert_int_equal(o.size, size);
}

static void test_actions(void **state)
{
    (void)state;
    check("test.write:2:kill", SIGKILL, 0, 10);
    check("test.write:2:torn", SIGKILL, 0, 15);
    check("test.write:1:enospc", 0, ENOSPC, 5);
    check("test.write:2:eio", 0, EIO, 15);
    check("test.write:1:short", 0, 0, 20);
    check("test.write:3:kill", 0, 0, 20);
    check("other.write:1:kill", 0, 0, 20);
}

static void test_ranks(void **state)
{
    (void)state;
    check("test.write:1:kill:1", SIGKILL, 0, 0);
    check("test.write:1:kill:0", 0, 0, 20);
}

static void test_text(void **state)
{
    (void)state;
    assert_false(yoco_failpoint_arm("test.write", 0));
    assert_false(yoco_failpoint_arm("test.write:1", 0));
    assert_false(yoco_failpoint_arm("test.write:1:explode", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
