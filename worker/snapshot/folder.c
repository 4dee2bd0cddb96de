/* The folder of a snapshot: made ready before the first chunk, completed after the last. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/context/document.h"
#include "configs/files/lock.h"
#include "failpoint.h"
#include "worker/snapshot/parts.h"
#include "worker/snapshot/snapshot.h"

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    return yoco_path_join(folder, name, path) == YOCO_OK && access(path, F_OK) == 0;
}

static yoco_status remove_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(folder, name, path));
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

/* Not of a process that lives: that has a lock on it (configs/files/atomic_file.h). */
static bool is_abandoned(const char *folder, const char *name)
{
    char path[PATH_MAX];
    if (yoco_path_join(folder, name, path) != YOCO_OK)
        return false;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return true;
    bool abandoned = yoco_lock_try(fd);
    close(fd);
    return abandoned;
}

/* What stands in a folder besides interrupted writes. */
typedef struct contents {
    bool own;       /* chunks, edges, the document */
    char other[64]; /* "": none; the name of a file that is no snapshot's */
} contents;

/* Removes this snapshot's files, or only those that an interrupted write left. The two that say
 * what the folder is go last, the lock with its owner. */
static yoco_status sweep(const char *folder, bool temporary_only, contents *found)
{
    DIR *files = opendir(folder);
    if (!files) {
        yoco_log_error("cannot open folder %s: %s", folder, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    yoco_status status = YOCO_OK;
    *found = (contents){.own = false};
    for (struct dirent *file; status == YOCO_OK && (file = readdir(files));) {
        const char *name = file->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            strcmp(name, YOCO_LOCK_NAME) == 0 || yoco_context_passes_name(name))
            continue;
        if (!yoco_context_owns_name(name)) {
            snprintf(found->other, sizeof found->other, "%.60s", name);
        } else if (is_temporary(name)) {
            if (is_abandoned(folder, name))
                status = remove_file(folder, name);
        } else if (!is_json(name)) {
            found->own = true;
            if (!temporary_only)
                status = remove_file(folder, name);
        }
    }
    closedir(files);
    return status;
}

static yoco_status make_folder(const char *folder)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return YOCO_OK;
    int error = errno;
    yoco_log_error("cannot create folder %s: %s", folder, strerror(error));
    return yoco_status_of_errno(error);
}

/* The manifest or partial.json. *temporary: who began it may remove it. */
static yoco_status take_up(yoco_snapshot *s, const char *name, bool partial, bool *temporary)
{
    char path[PATH_MAX];
    yoco_context_manifest found;
    YOCO_TRY(yoco_path_join(s->folder, name, path));
    YOCO_TRY(yoco_context_manifest_load(path, partial, &found));
    yoco_status status = yoco_context_identity_check(path, &found.identity, &s->manifest.identity);
    *temporary = found.temporary;
    yoco_context_manifest_free(&found);
    return status;
}

static yoco_status save_partial(const yoco_snapshot *s)
{
    const yoco_context_manifest partial = {.identity = s->manifest.identity,
                                           .temporary = s->manifest.temporary};
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(s->folder, yoco_context_partial_name, path));
    return yoco_context_manifest_save(path, &partial);
}

static yoco_status refuse_others(const yoco_snapshot *s, const contents *found)
{
    yoco_log_error("%s has other files in it (%s) and no context: give a folder of its own",
                   s->folder, found->other);
    return YOCO_ERR_DATA;
}

/* A saved context may be worth hours: it is never made temporary. What was begun as a checkpoint
 * may become a saved context. */
static yoco_status begin(yoco_snapshot *s, const int32_t *ids, bool temporary)
{
    contents found;
    bool was_temporary = temporary;
    YOCO_TRY(sweep(s->folder, true, &found));
    bool complete = has(s->folder, yoco_context_manifest_name);
    bool partial = !complete && has(s->folder, yoco_context_partial_name);
    if (complete || partial)
        YOCO_TRY(take_up(s, complete ? yoco_context_manifest_name : yoco_context_partial_name,
                         partial, &was_temporary));
    else if (found.other[0])
        return refuse_others(s, &found);
    else if (found.own)
        was_temporary = false; /* its manifest was lost */
    s->manifest.temporary = temporary && was_temporary;
    if (temporary && !was_temporary)
        yoco_log_warn("%s is a saved context and stays: --context asks it without a document",
                      s->folder);
    if (complete)
        return YOCO_OK;
    if (!partial || was_temporary != s->manifest.temporary)
        YOCO_TRY(save_partial(s));
    return yoco_context_document_save(s->folder, &s->manifest.identity, ids);
}

yoco_status yoco_snapshot_folder_begin(yoco_snapshot *s, const int32_t *ids, bool temporary)
{
    yoco_snapshot_unlock(s->w);
    YOCO_TRY(make_folder(s->folder));
    YOCO_TRY(yoco_lock_folder(s->folder, &s->w->snapshot_lock));
    return begin(s, ids, temporary);
}

void yoco_snapshot_unlock(yoco_worker *w)
{
    yoco_lock_release(w->snapshot_lock);
    w->snapshot_lock = NULL;
}

yoco_status yoco_snapshot_folder_finish(const yoco_snapshot *s)
{
    const yoco_context_manifest *m = &s->manifest;
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(s->folder, yoco_context_manifest_name, path));
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

/* Of what is in the folder. Where nothing says what it is, nothing but a lock is left of it. */
static yoco_status read_mark(const char *folder, bool *temporary)
{
    bool complete = has(folder, yoco_context_manifest_name);
    contents found;
    char path[PATH_MAX];
    if (!complete && !has(folder, yoco_context_partial_name)) {
        YOCO_TRY(sweep(folder, true, &found));
        *temporary = !found.own;
        return YOCO_OK;
    }
    yoco_context_manifest manifest;
    YOCO_TRY(yoco_path_join(
        folder, complete ? yoco_context_manifest_name : yoco_context_partial_name, path));
    YOCO_TRY(yoco_context_manifest_load(path, !complete, &manifest));
    *temporary = manifest.temporary;
    yoco_context_manifest_free(&manifest);
    return YOCO_OK;
}

static yoco_status remove_files(const char *folder, bool *removed)
{
    contents found;
    YOCO_TRY(read_mark(folder, removed));
    if (!*removed)
        return YOCO_OK;
    YOCO_TRY(sweep(folder, false, &found));
    YOCO_TRY(remove_file(folder, yoco_context_partial_name));
    return remove_file(folder, yoco_context_manifest_name);
}

yoco_status yoco_snapshot_remove(yoco_worker *w, const char *folder)
{
    bool removed;
    if (!yoco_lock_covers(w->snapshot_lock, folder)) {
        yoco_snapshot_unlock(w);
        YOCO_TRY(yoco_lock_folder_try(folder, &w->snapshot_lock));
        if (!w->snapshot_lock)
            return YOCO_OK;
    }
    yoco_status status = remove_files(folder, &removed);
    yoco_snapshot_unlock(w);
    YOCO_TRY(status);
    /* A link, a mount point, a folder that has other files or belongs to others: it may stay. */
    if (removed && rmdir(folder) != 0)
        yoco_log_info("the folder %s stays: %s", folder, strerror(errno));
    return YOCO_OK;
}
