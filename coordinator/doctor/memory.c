/* Memory that is left, under the limit of the control group too, against a plan. */
#include <sys/statvfs.h>

#include "coordinator/doctor/doctor.h"
#include "machine_limits.h"

static const double gib = 1 << 30;

void yoco_doctor_memory(yoco_doctor *d, size_t plan_bytes)
{
    int64_t available = yoco_memory_available(), group = yoco_group_memory_left("");
    int n_ranks = d->comm->node_n_ranks;
    const char *limit = group < available ? " (a limit of the control group)" : "";
    double left = (double)yoco_i64_min(available, group);
    double needed = (double)plan_bytes * n_ranks;
    if (available == INT64_MAX)
        yoco_doctor_say(d, YOCO_WARN, "memory", "look with `free`",
                        "/proc/meminfo does not tell what is free");
    else if (plan_bytes == 0)
        yoco_doctor_say(d, left < gib ? YOCO_WARN : YOCO_FINE, "memory",
                        left < gib ? "end what else holds memory, or raise the job's limit" : NULL,
                        "%.1f GiB free%s; -m MODEL --tokens N compares it with a plan", left / gib,
                        limit);
    else
        yoco_doctor_say(d, needed > left ? YOCO_BAD : YOCO_FINE, "memory",
                        needed > left ? "use more machines, fewer --tokens or --branches, or raise "
                                        "the job's memory limit (--mem of sbatch); see yoco plan"
                                      : NULL,
                        "%.1f GiB free%s, %.1f GiB planned for %d rank%s", left / gib, limit,
                        needed / gib, n_ranks, n_ranks == 1 ? "" : "s");
}

/* MPICH and UCX keep their queues there: 4.5 MB a rank. Where it is too small MPI_Init fails, and
 * so does the doctor on that many ranks. */
void yoco_doctor_shared_memory(yoco_doctor *d)
{
    enum { RANK_BYTES = 5 << 20 };
    struct statvfs info;
    if (statvfs("/dev/shm", &info) != 0) {
        yoco_doctor_say(d, YOCO_WARN, "shm", "mount a tmpfs at /dev/shm",
                        "there is no /dev/shm, by which the ranks of a machine reach each other");
        return;
    }
    double bytes = (double)info.f_bavail * (double)info.f_frsize, room = bytes / RANK_BYTES;
    bool small = room < yoco_i64_max(d->comm->node_n_ranks, yoco_cores());
    yoco_doctor_say(d, small ? YOCO_WARN : YOCO_FINE, "shm",
                    small ? "enlarge it (docker run --shm-size=1g, mount -o remount,size=1G "
                            "/dev/shm), or use fewer ranks"
                          : NULL,
                    "%.1f GiB free in /dev/shm, enough for %.0f ranks", bytes / gib, room);
}
