/* Files mapped into memory, and the signal that comes where one was cut short. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A list that only grows, so that the signal handler may walk it at any time. */
typedef struct mapped_file {
    const uint8_t *_Atomic data; /* NULL: free for another file */
    size_t size;
    char *path;
    struct mapped_file *next;
} mapped_file;

static mapped_file *_Atomic files;
static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction action_before; /* UCX's, or a sanitizer's */
static bool catches;

static size_t append(char *line, size_t size, size_t used, const char *text)
{
    while (*text && used < size)
        line[used++] = *text++;
    return used;
}

/* Only what a signal handler may call. */
static void die_of(const mapped_file *file)
{
    char line[1024];
    size_t room = sizeof line - 256, used = append(line, room, 0, yoco_log_prefix());
    used = append(line, room, used, "error: ");
    used = append(line, room, used, file->path);
    used = append(line, sizeof line, used,
                  " was cut short while it was in use: put a new file in its place with mv, which "
                  "leaves the old one to those who read it\n");
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
    _exit(yoco_status_exit_code(YOCO_ERR_IO));
}

/* Any other bus error is left to whoever handled it before: the access is tried again. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const uint8_t *at = info->si_addr;
    (void)context;
    for (const mapped_file *file = atomic_load(&files); file; file = file->next) {
        const uint8_t *data = atomic_load(&file->data);
        if (data && at >= data && (size_t)(at - data) < file->size)
            die_of(file);
    }
    sigaction(number, &action_before, NULL);
}

static void catch_bus_error(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    if (!catches && sigaction(SIGBUS, &action, &action_before) == 0)
        catches = true;
}

static bool remember(const char *path, const uint8_t *data, size_t size)
{
    char *name = strdup(path);
    pthread_mutex_lock(&files_lock);
    catch_bus_error();
    mapped_file *file = atomic_load(&files);
    while (file && atomic_load(&file->data))
        file = file->next;
    if (!file && name && (file = calloc(1, sizeof *file)) != NULL) {
        file->next = atomic_load(&files);
        atomic_store(&files, file);
    }
    if (file && name) {
        free(file->path);
        file->path = name;
        file->size = size;
        atomic_store(&file->data, data);
    } else {
        free(name);
    }
    pthread_mutex_unlock(&files_lock);
    return file && name;
}

static void forget(const uint8_t *data)
{
    pthread_mutex_lock(&files_lock);
    mapped_file *file = atomic_load(&files);
    while (file && atomic_load(&file->data) != data)
        file = file->next;
    if (file)
        atomic_store(&file->data, (const uint8_t *)NULL);
    pthread_mutex_unlock(&files_lock);
}

static int64_t to_ns(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static yoco_file_id file_id(const struct stat *info)
{
    return (yoco_file_id){.device = (uint64_t)info->st_dev,
                          .inode = (uint64_t)info->st_ino,
                          .size = (uint64_t)info->st_size,
                          .modified_ns = to_ns(info->st_mtim),
                          .changed_ns = to_ns(info->st_ctim)};
}

/* Of a path that open refused; a link may name what is not there, as one of a cache without it. */
static yoco_status refuse_open(const char *path, int reason)
{
    char target[PATH_MAX];
    ssize_t n = reason == ENOENT ? readlink(path, target, sizeof target - 1) : -1;
    if (n >= 0)
        yoco_log_error("cannot open %s: it is a link to %.*s, which is not there", path, (int)n,
                       target);
    else
        yoco_log_error("cannot open %s: %s", path, strerror(reason));
    return YOCO_ERR_OPEN;
}

yoco_status yoco_regular_open(const char *path, int *fd)
{
    struct stat info;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer */
    if (opened < 0)
        return refuse_open(path, errno);
    if (fstat(opened, &info) != 0 || !S_ISREG(info.st_mode)) {
        yoco_log_error("cannot open %s: it is %s, and a regular file is wanted here", path,
                       S_ISDIR(info.st_mode)                              ? "a folder"
                       : S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) ? "a pipe"
                                                                          : "a device");
        close(opened);
        return YOCO_ERR_OPEN;
    }
    *fd = opened;
    return YOCO_OK;
}

static yoco_status map_file(const char *path, int fd, yoco_map *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        yoco_log_error("cannot read %s: %s", path, strerror(errno));
        return YOCO_ERR_IO;
    }
    yoco_map map = {.size = (size_t)info.st_size, .id = file_id(&info)};
    if (map.size > 0) {
        void *data = mmap(NULL, map.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            yoco_log_error("cannot map %s: %s", path, strerror(errno));
            return YOCO_ERR_IO;
        }
        map.data = data;
    }
    if (map.data && !remember(path, map.data, map.size)) {
        yoco_log_error("cannot allocate the name of %s", path);
        munmap((void *)map.data, map.size);
        return YOCO_ERR_MEMORY;
    }
    *out = map;
    return YOCO_OK;
}

yoco_status yoco_map_open(const char *path, yoco_map *out)
{
    int fd;
    YOCO_TRY(yoco_regular_open(path, &fd));
    yoco_status status = map_file(path, fd, out);
    close(fd);
    return status;
}

void yoco_map_close(yoco_map *map)
{
    if (map->data) {
        forget(map->data);
        munmap((void *)map->data, map->size);
    }
    *map = (yoco_map){0};
}
