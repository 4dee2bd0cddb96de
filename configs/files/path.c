#include "configs/files/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

yoco_status yoco_path_join(const char *folder, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX)
        return YOCO_OK;
    yoco_log_error("%.64s...: the path of this folder is too long", folder);
    return YOCO_ERR_OPEN;
}

yoco_status yoco_path_alloc(const char *folder, const char *name, char **out)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path;
    YOCO_TRY(yoco_alloc(size, "a path", (void **)&path));
    snprintf(path, size, "%s/%s", folder, name);
    *out = path;
    return YOCO_OK;
}

bool yoco_path_is_missing(const char *path)
{
    struct stat info;
    return lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}
