#include "configs/files/real_path.h"

#include "streams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINKS = 40 };

static bool join(const char *folder, const char *name, char out[PATH_MAX])
{
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    if (snprintf(out, PATH_MAX, "%s%s%s", folder, slash, name) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

void yoco_real_path_parent(const char *real, char parent[PATH_MAX])
{
    const char *slash = strrchr(real, '/');
    size_t n = slash && slash != real ? (size_t)(slash - real) : 1;
    memcpy(parent, real, n);
    parent[n] = '\0';
}

/* One name onto a real path, which may lead to another place. */
static bool step(char real[PATH_MAX], const char *name, int *n_links);

static bool walk(char real[PATH_MAX], const char *path, int *n_links)
{
    char rest[PATH_MAX], *next = rest;
    if (strlen(path) >= sizeof rest) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(rest, path, strlen(path) + 1);
    if (path[0] == '/')
        memcpy(real, "/", 2);
    for (char *name; (name = strsep(&next, "/"));)
        if (*name && strcmp(name, ".") != 0 && !step(real, name, n_links))
            return false;
    return true;
}

static bool step(char real[PATH_MAX], const char *name, int *n_links)
{
    char path[PATH_MAX], link[PATH_MAX];
    if (strcmp(name, "..") == 0) {
        yoco_real_path_parent(real, path);
        memcpy(real, path, strlen(path) + 1);
        return true;
    }
    if (!join(real, name, path))
        return false;
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n < 0) {
        memcpy(real, path, strlen(path) + 1);
        return true;
    }
    link[n] = '\0';
    if (++*n_links <= MAX_LINKS)
        return walk(real, link, n_links);
    errno = ELOOP;
    return false;
}

bool yoco_real_path(const char *path, char real[PATH_MAX])
{
    int n_links = 0;
    if (path[0] != '/' && !getcwd(real, PATH_MAX))
        return false;
    return walk(real, path, &n_links);
}

static int named_stream(const char *path)
{
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 3; i++)
        if (strcmp(path, names[i]) == 0)
            return i;
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(folders[i]);
        int64_t fd;
        if (strncmp(path, folders[i], n) == 0 && yoco_parse_size(path + n, &fd) && fd < INT_MAX)
            return (int)fd;
    }
    return -1;
}

int yoco_stream_of(const char *path)
{
    int fd = named_stream(path);
    return fd == STDOUT_FILENO ? fileno(yoco_stdout()) : fd;
}
