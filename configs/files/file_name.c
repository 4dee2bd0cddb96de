#include "configs/files/file_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utf8proc.h>

static int open_at(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

static bool is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static bool same_letters(const char *a, const char *b)
{
    uint8_t *left = utf8proc_NFC((const uint8_t *)a), *right = utf8proc_NFC((const uint8_t *)b);
    bool same = left && right && strcmp((char *)left, (char *)right) == 0;
    free(left);
    free(right);
    return same;
}

/* Whether the folder has a name of the same letters as `name`, spelled otherwise. */
static bool folder_has(int fd, const char *name)
{
    bool found = false;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        close(fd);
        return false;
    }
    for (const struct dirent *entry = readdir(folder); entry && !found; entry = readdir(folder))
        found = strcmp(entry->d_name, name) != 0 && same_letters(entry->d_name, name);
    closedir(folder);
    return found;
}

/* Goes down the path to the first part that is not there. */
static void find(int folder, const char *path, uint64_t resolve, char *hint)
{
    char parent[PATH_MAX] = ".", part[PATH_MAX];
    size_t at = strspn(path, "/"), used = at;
    hint[0] = '\0';
    if (is_ascii(path) || strlen(path) >= sizeof parent - 1)
        return;
    if (at > 0)
        snprintf(parent, sizeof parent, "/");
    while (path[at]) {
        size_t size = strcspn(path + at, "/");
        snprintf(part, sizeof part, "%.*s", (int)size, path + at);
        used = at + size;
        char whole[PATH_MAX];
        snprintf(whole, sizeof whole, "%.*s", (int)used, path);
        int fd = open_at(folder, whole, O_PATH, resolve);
        if (fd < 0)
            break;
        close(fd);
        snprintf(parent, sizeof parent, "%s", whole);
        at = used + strspn(path + used, "/");
    }
    if (!path[at] || is_ascii(part))
        return;
    int fd = open_at(folder, parent, O_RDONLY | O_DIRECTORY, resolve);
    if (fd >= 0 && folder_has(fd, part))
        snprintf(hint, YOCO_FILE_NAME_HINT,
                 "; its folder has that name in another Unicode form (NFC and NFD look alike): "
                 "rename it, or spell it as `ls` prints it");
}

void yoco_file_name_hint(const char *path, char hint[YOCO_FILE_NAME_HINT])
{
    find(AT_FDCWD, path, 0, hint);
}

void yoco_file_name_hint_beneath(int folder, const char *path, char hint[YOCO_FILE_NAME_HINT])
{
    find(folder, path, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, hint);
}
