/* The folder that checkpoints, contexts and results go to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "coordinator/cli/shared_folder.h"
#include "coordinator/doctor/doctor.h"
#include "failpoint.h"

enum { PROBE_BYTES = 1 << 20, N_PROBES = 8 };

static const double few_bytes = 1 << 30, slow_s = 0.1;

typedef enum kind { LOCAL, IN_MEMORY, NETWORK } kind;

static const struct {
    unsigned long magic;
    const char *name;
    kind kind;
} systems[] = {
    {0xef53, "ext4", LOCAL},          {0x58465342, "xfs", LOCAL},
    {0x9123683e, "btrfs", LOCAL},     {0x2fc12fc1, "zfs", LOCAL},
    {0x794c7630, "overlay", LOCAL},   {0x01021994, "tmpfs", IN_MEMORY},
    {0x858458f6, "ramfs", IN_MEMORY}, {0x6969, "nfs", NETWORK},
    {0x0bd00bd0, "lustre", NETWORK},  {0x19830326, "beegfs", NETWORK},
    {0x47504653, "gpfs", NETWORK},    {0x00c36400, "ceph", NETWORK},
    {0xff534d42, "cifs", NETWORK},    {0xfe534d42, "smb2", NETWORK},
    {0x65735546, "fuse", NETWORK},
};

static void check_system(yoco_doctor *d, const char *folder)
{
    struct statfs info;
    struct statvfs room;
    const char *name = "unknown";
    kind what = LOCAL;
    if (statfs(folder, &info) != 0 || statvfs(folder, &room) != 0)
        return;
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (systems[i].magic == (unsigned long)info.f_type) {
            name = systems[i].name;
            what = systems[i].kind;
        }
    double left = (double)room.f_bavail * (double)room.f_frsize;
    const char *fix = NULL;
    if (what == IN_MEMORY)
        fix = "take a folder on a disk: this one is memory, and lost when the machine stops";
    if (left < few_bytes)
        fix = "make room: a saved context takes the bytes of its K,V (yoco plan)";
    yoco_doctor_say(d, fix ? YOCO_WARN : YOCO_FINE, "disk", fix,
                    "%s: file system %s, %.1f GiB free", folder, name, left / (1 << 30));
}

/* Seconds of writing the bytes and making them durable; below 0: failed, with errno. */
static double probe(const char *path, const void *data)
{
    double begin_s = yoco_now_s(), took_s = -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (yoco_write_all("doctor.write", fd, data, PROBE_BYTES) && fsync(fd) == 0)
        took_s = yoco_now_s() - begin_s;
    int failed = errno;
    close(fd);
    errno = failed;
    return took_s;
}

/* Renames over an existing file, as every durable file is made. */
static bool probe_rename(const char *from, const char *to)
{
    FILE *old = fopen(to, "w");
    return old && fclose(old) == 0 && rename(from, to) == 0 && access(from, F_OK) != 0;
}

static void check_writes(yoco_doctor *d, const char *folder, const void *data)
{
    char path[PATH_MAX + 64], renamed[PATH_MAX + 80];
    double total_s = 0, worst_s = 0;
    snprintf(path, sizeof path, "%s/.yoco-doctor.%d.%ld", folder, d->comm->rank, (long)getpid());
    snprintf(renamed, sizeof renamed, "%s.renamed", path);
    for (int i = 0; i < N_PROBES; i++) {
        double took_s = probe(path, data);
        if (took_s < 0) {
            yoco_doctor_say(d, YOCO_BAD, "writes", "give --dir a folder that can be written to",
                            "%s: %s", folder, strerror(errno));
            unlink(path);
            return;
        }
        total_s += took_s;
        worst_s = took_s > worst_s ? took_s : worst_s;
    }
    bool slow = total_s / N_PROBES > slow_s;
    yoco_doctor_say(
        d, slow ? YOCO_WARN : YOCO_FINE, "writes",
        slow ? "take a faster folder, or larger chunks: every chunk waits for one" : NULL,
        "1 MiB durable in %.1f ms, at worst %.1f ms", 1e3 * total_s / N_PROBES, 1e3 * worst_s);
    bool renames = probe_rename(path, renamed);
    yoco_doctor_say(
        d, renames ? YOCO_FINE : YOCO_BAD, "rename",
        renames ? NULL : "take another file system: durable files are renamed into place",
        renames ? "replaces an existing file in one step" : "a file cannot replace another");
    unlink(path);
    unlink(renamed);
}

void yoco_doctor_disk(yoco_doctor *d, const char *folder)
{
    void *data = calloc(1, PROBE_BYTES);
    if (access(folder, F_OK) != 0)
        yoco_doctor_say(d, YOCO_BAD, "disk", "make it, or name another with --dir", "%s: %s",
                        folder, strerror(errno));
    else if (data) {
        check_system(d, folder);
        check_writes(d, folder, data);
    }
    free(data);
}

yoco_status yoco_doctor_shared(yoco_doctor *d, const char *folder)
{
    yoco_comm *comm = d->comm;
    bool mine;
    int64_t seen;
    YOCO_TRY(yoco_shared_folder_look(comm, folder, &mine, &seen));
    if (comm->rank != 0)
        return YOCO_OK;
    bool all = seen == comm->n_ranks;
    if (comm->n_ranks > 1)
        yoco_doctor_say(d, all ? YOCO_FINE : YOCO_WARN, "shared",
                        all ? NULL
                            : "take a folder on a shared file system for --checkpoint, --context, "
                              "--documents and --hang-dir",
                        "%lld of %d ranks see what rank 0 writes to %s", (long long)seen,
                        comm->n_ranks, folder);
    return YOCO_OK;
}
