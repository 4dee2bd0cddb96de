#include "configs/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct yoco_atomic_file {
    FILE *stream;
    char path[PATH_MAX], temporary[PATH_MAX];
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
    file->stream = fopen(file->temporary, "wbe");
    if (!file->stream) {
        yoco_log_error("cannot write %s: %s", file->temporary, strerror(errno));
        yoco_free(file);
        return YOCO_ERR_OPEN;
    }
    *out = file;
    return YOCO_OK;
}

yoco_status yoco_atomic_file_write(yoco_atomic_file *file, const void *data, size_t bytes)
{
    if (bytes == 0 || fwrite(data, 1, bytes, file->stream) == bytes)
        return YOCO_OK;
    yoco_log_error("writing %s failed: %s", file->temporary, strerror(errno));
    return YOCO_ERR_IO;
}

/* Makes the rename durable. Some file systems cannot sync a folder and say so with EINVAL. */
static bool folder_sync(char *path)
{
    int fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return synced;
}

yoco_status yoco_atomic_file_finish(yoco_atomic_file *file)
{
    bool written = fflush(file->stream) == 0 && fsync(fileno(file->stream)) == 0;
    if (!written || rename(file->temporary, file->path) != 0) {
        yoco_log_error("writing %s failed: %s", file->path, strerror(errno));
        yoco_atomic_file_discard(file);
        return YOCO_ERR_IO;
    }
    fclose(file->stream);
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
    fclose(file->stream);
    unlink(file->temporary);
    yoco_free(file);
}
