#include "configs/files/atomic_file.h"

#include "configs/files/lock.h"
#include "configs/files/real_path.h"
#include "failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16 };

struct yoco_atomic_file {
    int fd;
    char path[PATH_MAX];      /* as it was given */
    char target[PATH_MAX];    /* where its links lead */
    char temporary[PATH_MAX]; /* beside the target; "": a stream, written as it is */
    size_t n_buffered;
    unsigned char buffer[BUFFER_BYTES]; /* small pieces on their way to the file */
};

/* A device or an open stream is written as it is. */
static bool is_stream(const char *path)
{
    struct stat info;
    return yoco_stream_of(path) >= 0 || (stat(path, &info) == 0 && S_ISCHR(info.st_mode));
}

static bool open_stream(yoco_atomic_file *file)
{
    int fd = yoco_stream_of(file->path);
    file->temporary[0] = '\0';
    file->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : open(file->path, O_WRONLY | O_CLOEXEC);
    return file->fd >= 0;
}

/* As far as this user and this file system may. A group that is not the old one gets no rights. */
static void keep_owner_and_mode(int fd, const struct stat *old)
{
    mode_t mode = old->st_mode & 0777;
    if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0)
        mode &= ~(mode_t)070;
    if (fchmod(fd, mode) != 0 && errno != EPERM && errno != EOPNOTSUPP)
        yoco_log_warn("a file that is replaced loses its mode %o: %s",
                      (unsigned)old->st_mode & 0777, strerror(errno));
}

static bool open_beside(yoco_atomic_file *file)
{
    struct stat old;
    bool replaces = stat(file->target, &old) == 0;
    file->fd =
        open(file->temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, replaces ? 0600 : 0666);
    if (file->fd < 0)
        return false;
    /* The lock says that the writer of this file lives, until it has its name. */
    bool taken = yoco_lock_try(file->fd);
    if (taken && replaces)
        keep_owner_and_mode(file->fd, &old);
    if (taken && ftruncate(file->fd, 0) == 0)
        return true;
    int error = taken ? errno : EBUSY;
    close(file->fd);
    errno = error;
    return false;
}

static bool make_names(yoco_atomic_file *file)
{
    if (!yoco_real_path(file->path, file->target))
        return false;
    int n = snprintf(file->temporary, sizeof file->temporary, "%s.%ld.tmp", file->target,
                     (long)getpid());
    errno = ENAMETOOLONG;
    return n < (int)sizeof file->temporary;
}

yoco_status yoco_atomic_file_create(const char *path, yoco_atomic_file **out)
{
    if (!is_stream(path))
        YOCO_TRY(yoco_lock_check(path));
    return yoco_atomic_file_create_locked(path, out);
}

yoco_status yoco_atomic_file_create_locked(const char *path, yoco_atomic_file **out)
{
    struct stat info;
    bool stream = is_stream(path);
    if (!stream && stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        yoco_log_error("cannot write %s: it is there and not a regular file: give a file", path);
        return YOCO_ERR_OPEN;
    }
    yoco_atomic_file *file;
    YOCO_TRY(yoco_alloc(sizeof *file, path, (void **)&file));
    file->n_buffered = 0;
    snprintf(file->path, sizeof file->path, "%s", path);
    if (stream ? !open_stream(file) : !make_names(file) || !open_beside(file)) {
        int error = errno;
        yoco_log_error("cannot write %s: %s", path, strerror(error));
        yoco_free(file);
        return yoco_status_of_errno(error);
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

yoco_status yoco_atomic_file_rewrite(yoco_atomic_file *file, size_t offset, const void *data,
                                     size_t bytes)
{
    if (!flush(file) || !yoco_failpoint("file.write") ||
        pwrite(file->fd, data, bytes, (off_t)offset) != (ssize_t)bytes)
        return failed(file);
    return YOCO_OK;
}

/* Some file systems cannot sync a folder and say so with EINVAL. */
static bool folder_sync(const char *target)
{
    char folder[PATH_MAX];
    yoco_real_path_parent(target, folder);
    int fd = yoco_failpoint("file.folder") ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return synced;
}

static yoco_status unsynced(const char *path)
{
    yoco_log_error("cannot sync the folder of %s: %s", path, strerror(errno));
    return YOCO_ERR_IO;
}

static bool publish(yoco_atomic_file *file)
{
    if (!file->temporary[0])
        return flush(file);
    return flush(file) && yoco_failpoint("file.sync") && fsync(file->fd) == 0 &&
           yoco_failpoint("file.rename") && rename(file->temporary, file->target) == 0;
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
    if (file->temporary[0] && !folder_sync(file->target))
        status = unsynced(file->path);
    yoco_free(file);
    return status;
}

yoco_status yoco_atomic_file_sync_folder(const char *path)
{
    char real[PATH_MAX];
    return yoco_real_path(path, real) && folder_sync(real) ? YOCO_OK : unsynced(path);
}

yoco_status yoco_atomic_file_check_names(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink == 1)
        return YOCO_OK;
    yoco_log_error("cannot write %s: it has other names (hard links), which would keep the old "
                   "content: remove it, or give another path",
                   path);
    return YOCO_ERR_OPEN;
}

void yoco_atomic_file_discard(yoco_atomic_file *file)
{
    if (!file)
        return;
    if (file->temporary[0])
        unlink(file->temporary);
    close(file->fd);
    yoco_free(file);
}

yoco_status yoco_atomic_file_save(const char *path, const void *data, size_t bytes)
{
    yoco_atomic_file *file;
    YOCO_TRY(yoco_atomic_file_create(path, &file));
    yoco_status status = yoco_atomic_file_write(file, data, bytes);
    if (status == YOCO_OK)
        return yoco_atomic_file_finish(file);
    yoco_atomic_file_discard(file);
    return status;
}
