#include "coordinator/cli/stdin.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "comm/comm.h"
#include "failpoint.h"

enum { READ_BYTES = 1 << 16 };

static yoco_status failed(const char *what)
{
    yoco_log_error("%s stdin failed: %s", what, strerror(errno));
    return YOCO_ERR_IO;
}

static yoco_status copy(int to)
{
    char buffer[READ_BYTES];
    while (true) {
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed("reading");
        if (n == 0)
            return YOCO_OK;
        if (!yoco_write_all("stdin.write", to, buffer, (size_t)n))
            return failed("keeping");
    }
}

yoco_status yoco_stdin_keep(void)
{
    int task;
    if (yoco_comm_launched_tasks(&task) == 0 || task != 0)
        return YOCO_OK;
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0)
        return failed("keeping");
    yoco_status status = copy(fd);
    if (status == YOCO_OK && (lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0))
        status = failed("keeping");
    close(fd);
    return status;
}
