#include "configs/atomic_file.h"

#include "failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16 };

struct yoco_atomic_file {
    int fd;
    char path[PATH_MAX], temporary[PATH_MAX];
    size_t n_buffered;
    unsigned char buffer[BUFFER_BYTES]; /* small pieces on their way to the file */
};

yoco_status yoco_atomic_file_create(const char *path, yoco_atomic_file **out)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        yoco_log_error("cannot write %s: it is there and not a regular file", path);
        return YOCO_ERR_OPEN;
    }
    yoco_atomic_file *file;
    YOCO_TRY(yoco_alloc(sizeof *file, path, (void **)&file));
    int n = snprintf(file->temporary, sizeof file->temporary, "%s.%ld.tmp", path, (long)getpid());
    if (n >= (int)sizeof file->temporary) {
        yoco_log_error("cannot write %s: the path is too long", path);
        yoco_free(file);
        return YOCO_ERR_OPEN;
    }
    snprintf(file->path, sizeof file->path, "%s", path);
    file->n_buffered = 0;
    file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        yoco_log_error("cannot write %s: %s", file->temporary, strerror(errno));
        yoco_free(file);
        return YOCO_ERR_OPEN;
    }
    *out = file;
    return YOCO_OK;
}

static yoco_status failed(const yoco_atomic_file *file)
{
    yoco_log_error("writing %s failed: %s", file->path, strerror(errno));
    return YOCO_ERR_IO;
}

static bool flush(yoco_atomic_file *file)
{
    size_t bytes = file->n_buffered;
    file->n_buffered = 0;
    return bytes == 0 || yoco_write_all("file.write", file->fd, file->buffer, bytes);
}

yoco_status yoco_atomic_file_write(yoco_atomic_file *file, const void *data, size_t bytes)
{
    if (bytes > BUFFER_BYTES - file->n_buffered && !flush(file))
        return failed(file);
    if (bytes > BUFFER_BYTES)
        return yoco_write_all("file.write", file->fd, data, bytes) ? YOCO_OK : failed(file);
    if (bytes > 0)
        memcpy(file->buffer + file->n_buffered, data, bytes);
    file->n_buffered += bytes;
    return YOCO_OK;
}

/* Makes the rename durable. Some file systems cannot sync a folder and say so with EINVAL. */
static bool folder_sync(char *path)
{
    int fd = yoco_failpoint("file.folder") ? open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                           : -1;
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return synced;
}

static bool publish(yoco_atomic_file *file)
{
    return flush(file) && yoco_failpoint("file.sync") && fsync(file->fd) == 0 &&
           yoco_failpoint("file.rename") && rename(file->temporary, file->path) == 0;
}

yoco_status yoco_atomic_file_finish(yoco_atomic_file *file)
{
    if (!publish(file)) {
        yoco_status status = failed(file);
        yoco_atomic_file_discard(file);
        return status;
    }
    close(file->fd);
    yoco_status status = YOCO_OK;
    if (!folder_sync(file->temporary)) {
        yoco_log_error("cannot sync the folder of %s: %s", file->path, strerror(errno));
        status = YOCO_ERR_IO;
    }
    yoco_free(file);
    return status;
}

void yoco_atomic_file_discard(yoco_atomic_file *file)
{
    if (!file)
        return;
    close(file->fd);
    unlink(file->temporary);
    yoco_free(file);
}
