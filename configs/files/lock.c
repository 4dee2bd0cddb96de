#include "configs/files/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct yoco_lock {
    int fd;
    char folder[PATH_MAX], path[PATH_MAX];
};

enum { MAX_TRIES = 100 }; /* to open a lock file while others remove theirs */

/* 0, or the errno of flock. */
static int try(int fd)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

bool yoco_lock_try(int fd)
{
    return try(fd) != EWOULDBLOCK;
}

/* Whether the path still names the open file. */
static bool is_at(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static yoco_status refuse(const char *path)
{
    yoco_log_error("%s is being written by another process: wait for its end, or give another path",
                   path);
    return YOCO_ERR_OPEN;
}

static void warn_of(int error, const char *path)
{
    if (error != 0)
        yoco_log_warn("%s cannot be locked (%s): see to it that no other process writes there",
                      path, strerror(error));
}

yoco_status yoco_lock_file(int fd, const char *path)
{
    int error = try(fd);
    if (error == EWOULDBLOCK || !is_at(fd, path))
        return refuse(path);
    warn_of(error, path);
    return YOCO_OK;
}

/* NFS locks only what is open for writing. */
static bool is_held(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool held = try(fd) == EWOULDBLOCK;
    close(fd);
    return held;
}

yoco_status yoco_lock_check(const char *path)
{
    return is_held(path) ? refuse(path) : YOCO_OK;
}

yoco_status yoco_lock_check_folder(const char *folder)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/" YOCO_LOCK_NAME, folder);
    return n < (int)sizeof path && is_held(path) ? refuse(folder) : YOCO_OK;
}

/* A lock file goes with its lock, so what was opened may be gone by the time it is locked. *held:
 * by another process. */
static yoco_status take(yoco_lock *lock, bool *held)
{
    *held = false;
    for (int i = 0; i < MAX_TRIES && !*held; i++) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (lock->fd < 0) {
            int error = errno;
            yoco_log_error("cannot write to folder %s: %s", lock->folder, strerror(error));
            return yoco_status_of_errno(error);
        }
        int error = try(lock->fd);
        *held = error == EWOULDBLOCK;
        if (!*held && is_at(lock->fd, lock->path)) {
            warn_of(error, lock->folder);
            return YOCO_OK;
        }
        close(lock->fd);
    }
    *held = true;
    return YOCO_OK;
}

yoco_status yoco_lock_folder_try(const char *folder, yoco_lock **out)
{
    yoco_lock *lock;
    bool held = false;
    YOCO_TRY(yoco_alloc(sizeof *lock, "a lock", (void **)&lock));
    int n = snprintf(lock->path, sizeof lock->path, "%s/" YOCO_LOCK_NAME, folder);
    yoco_status status = YOCO_OK;
    if (n >= (int)sizeof lock->path) {
        yoco_log_error("%.64s...: the path of this folder is too long", folder);
        status = YOCO_ERR_OPEN;
    }
    if (status == YOCO_OK) {
        memcpy(lock->folder, folder, strlen(folder) + 1);
        status = take(lock, &held);
    }
    if (status == YOCO_OK)
        *out = held ? NULL : lock;
    if (status != YOCO_OK || held)
        yoco_free(lock);
    return status;
}

yoco_status yoco_lock_folder(const char *folder, yoco_lock **out)
{
    YOCO_TRY(yoco_lock_folder_try(folder, out));
    return *out ? YOCO_OK : refuse(folder);
}

void yoco_lock_release(yoco_lock *lock)
{
    if (!lock)
        return;
    unlink(lock->path);
    close(lock->fd);
    yoco_free(lock);
}

bool yoco_lock_covers(const yoco_lock *lock, const char *folder)
{
    return lock && strcmp(lock->folder, folder) == 0;
}
