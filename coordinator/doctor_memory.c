/* Memory that is left, under the limit of the control group too, against a plan. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/doctor.h"

static const double gib = 1 << 30;

/* "MemAvailable:  123 kB" */
static int64_t available_bytes(void)
{
    char text[256];
    int64_t kib = -1;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && kib < 0 && fgets(text, sizeof text, file))
        if (sscanf(text, "MemAvailable: %" SCNd64, &kib) != 1)
            kib = -1;
    if (file)
        fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

/* The number in a file; -1: none, as in "max". */
static int64_t read_number(const char *folder, const char *name)
{
    char path[PATH_MAX + 64];
    int64_t value = -1;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%" SCNd64, &value) != 1)
        value = -1;
    if (file)
        fclose(file);
    return value;
}

/* Version 2: what is left below the tightest limit of this process's group and those above it.
 * INT64_MAX: no limit. */
static int64_t group_left(void)
{
    static const char root[] = "/sys/fs/cgroup";
    char text[PATH_MAX], folder[PATH_MAX + sizeof root];
    int64_t left = INT64_MAX;
    FILE *file = fopen("/proc/self/cgroup", "r");
    folder[0] = '\0';
    while (file && fgets(text, sizeof text, file))
        if (strncmp(text, "0::", 3) == 0)
            snprintf(folder, sizeof folder, "%s%.*s", root, (int)strcspn(text + 3, "\n"), text + 3);
    if (file)
        fclose(file);
    while (strlen(folder) >= strlen(root)) {
        int64_t most = read_number(folder, "memory.max"),
                used = read_number(folder, "memory.current");
        if (most >= 0 && used >= 0)
            left = yoco_i64_min(left, yoco_i64_max(most - used, 0));
        *strrchr(folder, '/') = '\0';
    }
    return left;
}

void yoco_doctor_memory(yoco_doctor *d, size_t plan_bytes)
{
    int64_t available = available_bytes(), group = group_left();
    int n_ranks = d->comm->node_n_ranks;
    const char *limit = group < available ? " (a limit of the control group)" : "";
    double left = (double)yoco_i64_min(available, group);
    double needed = (double)plan_bytes * n_ranks;
    if (available < 0)
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
