/* Paths of a command that get into each other's way. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "configs/files/real_path.h"
#include "coordinator/cli/paths_parts.h"

/* A device takes what comes. */
static bool is_stream(const yoco_path *p)
{
    return p->self.exists && S_ISCHR(p->self.mode);
}

static bool is_same(const yoco_path *a, const yoco_path *b)
{
    if (is_stream(a) || is_stream(b))
        return false;
    if (yoco_path_identity_same(&a->self, &b->self))
        return true;
    if (a->real[0] == '\0' || b->real[0] == '\0' || a->self.exists || b->self.exists)
        return false;
    return strcmp(a->real, b->real) == 0 ||
           (yoco_path_identity_same(&a->parent, &b->parent) &&
            strcmp(strrchr(a->real, '/'), strrchr(b->real, '/')) == 0);
}

static bool is_folder(const char *path, const yoco_path *folder)
{
    struct stat info;
    if (!folder->self.exists)
        return strcmp(path, folder->real) == 0;
    return stat(path, &info) == 0 && info.st_dev == folder->self.dev &&
           info.st_ino == folder->self.ino;
}

/* True where the path lies below the folder, at a name that the folder's command owns. */
static bool is_below(const yoco_path *p, const yoco_path *folder)
{
    char at[PATH_MAX], parent[PATH_MAX];
    if (folder->kind != YOCO_PATH_IS_FOLDER || !folder->owns || folder->real[0] == '\0' ||
        p->real[0] == '\0')
        return false;
    memcpy(at, p->real, sizeof at);
    while (strcmp(at, "/") != 0) {
        yoco_real_path_parent(at, parent);
        if (is_folder(parent, folder))
            return folder->owns(strrchr(at, '/') + 1);
        memcpy(at, parent, sizeof at);
    }
    return false;
}

/* True where a file is one of the model folder's, through whatever name. */
static bool is_model_file(const yoco_path *p, const yoco_path *model)
{
    if (model->kind != YOCO_PATH_IS_MODEL || p->kind != YOCO_PATH_IS_FILE || !p->self.exists)
        return false;
    DIR *folder = opendir(model->path);
    bool found = false;
    for (const struct dirent *item; folder && !found && (item = readdir(folder));) {
        struct stat info;
        if (item->d_name[0] == '.')
            continue;
        found = fstatat(dirfd(folder), item->d_name, &info, 0) == 0 && info.st_dev == p->self.dev &&
                info.st_ino == p->self.ino;
    }
    if (folder)
        closedir(folder);
    return found;
}

/* Folders that several may share, each with names of its own. */
static bool may_share(const yoco_path *p)
{
    return p->kind == YOCO_PATH_IS_MODEL ||
           (p->kind == YOCO_PATH_IS_FOLDER && p->role != YOCO_PATH_READS_CONTEXT &&
            p->role != YOCO_PATH_WRITES_CONTEXT);
}

/* "--dump FILE"; a stream is its own name. */
static const char *name(const yoco_path *p, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s%s", p->option ? "--" : "", p->option ? p->option : "",
             p->option ? " " : "", p->path);
    return text;
}

static yoco_status refuse(const char *command, const yoco_path *a, const char *how,
                          const yoco_path *b)
{
    char first[PATH_MAX + 64], second[PATH_MAX + 64];
    yoco_log_error("yoco %s: %s %s %s: one would destroy the other; give another path", command,
                   name(a, first, sizeof first), how, name(b, second, sizeof second));
    return YOCO_ERR_USAGE;
}

yoco_status yoco_path_compare(const char *command, const yoco_path *a, const yoco_path *b)
{
    if ((!a->writes && !b->writes) || (!a->option && !b->option))
        return YOCO_OK;
    if (is_same(a, b) && !(may_share(a) && may_share(b)))
        return refuse(command, a, "is the same as", b);
    if (is_below(a, b))
        return refuse(command, a, "lies in the folder of", b);
    if (is_below(b, a))
        return refuse(command, b, "lies in the folder of", a);
    if (is_model_file(a, b))
        return refuse(command, a, "is a file of", b);
    if (is_model_file(b, a))
        return refuse(command, b, "is a file of", a);
    return YOCO_OK;
}

yoco_status yoco_paths_compare(const char *command, const yoco_path_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t j = i + 1; j < list->n; j++)
            YOCO_TRY(yoco_path_compare(command, &list->items[i], &list->items[j]));
    return YOCO_OK;
}
