/* The folder of a snapshot: made ready before the first chunk, completed after the last. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/context_document.h"
#include "failpoint.h"
#include "worker/snapshot.h"
#include "worker/snapshot_parts.h"

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return yoco_context_path(folder, name, path) == YOCO_OK && access(path, F_OK) == 0;
}

static yoco_status remove_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_context_path(folder, name, path));
    if ((yoco_failpoint("file.remove") && unlink(path) == 0) || errno == ENOENT)
        return YOCO_OK;
    yoco_log_error("cannot remove %s: %s", path, strerror(errno));
    return YOCO_ERR_IO;
}

static bool is_json(const char *name)
{
    return strcmp(name, yoco_context_manifest_name) == 0 ||
           strcmp(name, yoco_context_partial_name) == 0;
}

static bool is_temporary(const char *name)
{
    const char *end = strrchr(name, '.');
    return end && strcmp(end, ".tmp") == 0;
}

/* Removes this snapshot's files, or only those that an interrupted write left. The two that say
 * what the folder is go last. *n_others: files that are not a snapshot's. */
static yoco_status sweep(const char *folder, bool temporary_only, int *n_others)
{
    DIR *files = opendir(folder);
    if (!files) {
        yoco_log_error("cannot open folder %s: %s", folder, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    yoco_status status = YOCO_OK;
    *n_others = 0;
    for (struct dirent *file; status == YOCO_OK && (file = readdir(files));) {
        const char *name = file->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (!yoco_context_owns_name(name))
            ++*n_others;
        else if (temporary_only ? is_temporary(name) : !is_json(name))
            status = remove_file(folder, name);
    }
    closedir(files);
    return status;
}

static yoco_status make_folder(const char *folder)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return YOCO_OK;
    yoco_log_error("cannot create folder %s: %s", folder, strerror(errno));
    return YOCO_ERR_OPEN;
}

static yoco_status check_identity(const yoco_snapshot *s, const char *name, bool partial)
{
    char path[PATH_MAX];
    yoco_context_manifest found;
    YOCO_TRY(yoco_context_path(s->folder, name, path));
    YOCO_TRY(yoco_context_manifest_load(path, partial, &found));
    yoco_status status = yoco_context_identity_check(path, &found.identity, &s->manifest.identity);
    yoco_context_manifest_free(&found);
    return status;
}

static yoco_status start(const yoco_snapshot *s, const int32_t *ids, int n_others)
{
    const yoco_context_manifest partial = {.identity = s->manifest.identity};
    char path[PATH_MAX];
    if (n_others > 0) {
        yoco_log_error("%s has other files in it and no context: give a folder of its own",
                       s->folder);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_context_path(s->folder, yoco_context_partial_name, path));
    YOCO_TRY(yoco_context_manifest_save(path, &partial));
    return yoco_context_document_save(s->folder, &s->manifest.identity, ids);
}

yoco_status yoco_snapshot_folder_begin(const yoco_snapshot *s, const int32_t *ids)
{
    int n_others;
    YOCO_TRY(make_folder(s->folder));
    YOCO_TRY(sweep(s->folder, true, &n_others));
    if (has(s->folder, yoco_context_manifest_name))
        return check_identity(s, yoco_context_manifest_name, false);
    if (!has(s->folder, yoco_context_partial_name))
        return start(s, ids, n_others);
    YOCO_TRY(check_identity(s, yoco_context_partial_name, true));
    return yoco_context_document_save(s->folder, &s->manifest.identity, ids);
}

yoco_status yoco_snapshot_folder_finish(const yoco_snapshot *s)
{
    const yoco_context_manifest *m = &s->manifest;
    char path[PATH_MAX];
    YOCO_TRY(yoco_context_path(s->folder, yoco_context_manifest_name, path));
    YOCO_TRY(yoco_context_manifest_save(path, m));
    for (int64_t chunk = 0; chunk < m->n_chunks; chunk++) {
        const yoco_context_part part = {&m->identity, YOCO_CONTEXT_EDGE, chunk};
        if (m->edges[chunk].bytes > 0)
            continue;
        YOCO_TRY(yoco_context_part_path(s->folder, &part, path));
        YOCO_TRY(remove_file(s->folder, strrchr(path, '/') + 1)); /* of a stop, or damaged */
    }
    return remove_file(s->folder, yoco_context_partial_name);
}

yoco_status yoco_snapshot_remove(const char *folder)
{
    int n_others;
    YOCO_TRY(sweep(folder, false, &n_others));
    YOCO_TRY(remove_file(folder, yoco_context_partial_name));
    YOCO_TRY(remove_file(folder, yoco_context_manifest_name));
    if (n_others > 0 || rmdir(folder) == 0)
        return YOCO_OK;
    yoco_log_error("cannot remove folder %s: %s", folder, strerror(errno));
    return YOCO_ERR_IO;
}
