/* For tests of the models: a block of threads that runs alone, in a given order, and one that ought
 * to end the program. Include after cmocka. */
#ifndef CUDA_HOST_TEST_BLOCK_H
#define CUDA_HOST_TEST_BLOCK_H

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cuda_host/fibers.h"

struct block_of_test {
    int n_threads;
    size_t shared_bytes;
};

static const cuda_host_order orders[] = {CUDA_HOST_ASCENDING, CUDA_HOST_DESCENDING,
                                         CUDA_HOST_SHUFFLED};

static inline void run(const block_of_test &block, cuda_host_order order,
                       const std::function<void()> &body)
{
    cuda_host_run_grid("test", dim3(1), dim3((unsigned)block.n_threads), block.shared_bytes, order,
                       body);
}

/* Runs in a process of its own, which is to end with a line that has `words`. */
static inline void ends_with(const block_of_test &block, const char *words,
                             const std::function<void()> &body)
{
    int ends[2], status;
    char text[4096];
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        run(block, CUDA_HOST_ASCENDING, body);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        fail_msg("not refused: %s", words);
    if (!strstr(text, words))
        fail_msg("'%s' does not say '%s'", text, words);
}

#endif
