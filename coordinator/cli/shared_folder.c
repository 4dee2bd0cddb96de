#include "coordinator/cli/shared_folder.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/cli/machine.h"

/* The identity of a folder on one machine. Zeroed before it is filled: it is compared as bytes. */
typedef struct place {
    char machine[YOCO_MACHINE_ID_BYTES];
    uint64_t device, inode;
    int64_t found;
} place;

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void find_place(const char *folder, place *out)
{
    struct stat info;
    memset(out, 0, sizeof *out);
    out->found = yoco_machine_id(out->machine) && stat(folder, &info) == 0;
    if (!out->found)
        return;
    out->device = (uint64_t)info.st_dev;
    out->inode = (uint64_t)info.st_ino;
}

/* The name comes from rank 0: no rank has looked for it before, so no cache says that it is absent.
 */
static yoco_status look_for_file(yoco_comm *comm, const char *folder, int64_t *seen)
{
    char path[PATH_MAX + 64];
    int64_t name[2] = {getpid(), (int64_t)(1e9 * yoco_now_s())};
    YOCO_TRY(yoco_broadcast(comm, 0, name, sizeof name));
    snprintf(path, sizeof path, "%s/.yoco-shared.%llx.%llx", folder, (long long)name[0],
             (long long)name[1]);
    FILE *file = comm->rank == 0 ? fopen(path, "wxe") : NULL;
    if (file)
        fclose(file);
    YOCO_TRY(yoco_agree(comm, YOCO_OK));
    *seen = access(path, F_OK) == 0;
    YOCO_TRY(yoco_agree(comm, YOCO_OK));
    if (file)
        unlink(path);
    return YOCO_OK;
}

yoco_status yoco_shared_folder_look(yoco_comm *comm, const char *folder, bool *mine,
                                    int64_t *n_seen)
{
    place here, first;
    bool is_first, differs;
    int64_t seen = 1;
    find_place(folder, &here);
    first = here;
    YOCO_TRY(yoco_broadcast(comm, 0, &first, sizeof first));
    bool same = here.found && memcmp(&here, &first, sizeof here) == 0;
    YOCO_TRY(yoco_comm_first(comm, !same, &is_first, &differs));
    if (differs)
        YOCO_TRY(look_for_file(comm, folder, &seen));
    *mine = seen != 0;
    *n_seen = seen;
    return yoco_all_sum_i64(comm, n_seen, 1);
}

static yoco_status check_access(const char *option, const char *name, const char *folder)
{
    if (access(folder, W_OK | X_OK) == 0)
        return YOCO_OK;
    yoco_log_error("%s %s: cannot write to %s: %s", option, name, folder, strerror(errno));
    return YOCO_ERR_OPEN;
}

yoco_status yoco_shared_folder_check(yoco_comm *comm, const char *option, const char *folder)
{
    char around[PATH_MAX] = "";
    bool mine, is_first, any;
    int64_t n_seen, exists = is_folder(folder);
    if (comm->n_ranks == 1)
        return YOCO_OK;
    YOCO_TRY(yoco_broadcast(comm, 0, &exists, sizeof exists));
    snprintf(around, sizeof around, "%s", folder);
    const char *looked = exists ? folder : dirname(around);
    exists = is_folder(looked);
    YOCO_TRY(yoco_broadcast(comm, 0, &exists, sizeof exists));
    if (!exists) /* whoever makes the folder says so */
        return YOCO_OK;
    YOCO_TRY(yoco_shared_folder_look(comm, looked, &mine, &n_seen));
    if (n_seen > 0) {
        YOCO_TRY(yoco_comm_first(comm, !mine, &is_first, &any));
        if (is_first)
            yoco_log_error("%s %s: this rank does not see what rank 0 writes to %s; all ranks need "
                           "one folder: name one on a shared file system (yoco doctor --dir %s)",
                           option, folder, looked, looked);
        if (any)
            return YOCO_ERR_OPEN;
    }
    yoco_log_hold();
    return yoco_comm_agree_lines(comm, check_access(option, folder, looked));
}
