#include "coordinator/batch/checkpoints.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "configs/files/path.h"
#include "worker/snapshot/snapshot.h"

yoco_status yoco_batch_checkpoint_remove(yoco_worker *worker, const char *folder, const char *id)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(folder, id, path));
    return access(path, F_OK) == 0 ? yoco_snapshot_remove(worker, path) : YOCO_OK;
}

static yoco_status sweep(yoco_worker *worker, DIR *files, const char *folder, const json_t *done)
{
    for (const struct dirent *item; (item = readdir(files));)
        if (json_object_get(done, item->d_name))
            YOCO_TRY(yoco_batch_checkpoint_remove(worker, folder, item->d_name));
    return YOCO_OK;
}

yoco_status yoco_batch_checkpoints_sweep(yoco_worker *worker, const char *folder,
                                         const yoco_batch_input *input)
{
    DIR *files = opendir(folder);
    json_t *done = json_object();
    yoco_status status = YOCO_OK;
    for (int64_t i = 0; i < input->n; i++)
        if (input->entries[i].done)
            json_object_set_new(done, input->entries[i].id, json_true());
    if (files) {
        status = sweep(worker, files, folder, done);
        closedir(files);
    } else {
        yoco_log_error("cannot open the folder %s: %s", folder, strerror(errno));
        status = YOCO_ERR_OPEN;
    }
    json_decref(done);
    return status;
}
