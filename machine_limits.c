#include "machine_limits.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 3 * PATH_MAX };

static const int64_t UNLIMITED = (int64_t)1 << 60; /* version 1 writes nearly 2^63 */

/* This process's group in the hierarchy of one controller. */
typedef struct group {
    char path[LINE_BYTES]; /* of its folder */
    size_t top;            /* bytes of the hierarchy's mount point, where the walk up ends */
    bool v2;
} group;

static FILE *open_below(const char *root, const char *path)
{
    char whole[LINE_BYTES];
    int n = snprintf(whole, sizeof whole, "%s%s", root, path);
    return n > 0 && (size_t)n < sizeof whole ? fopen(whole, "re") : NULL;
}

static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

/* "4:memory:/job" of version 1, "0::/job" of version 2. */
static bool find_group(const char *root, const char *controller, bool v2, char *path, size_t size)
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/cgroup");
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *list = strchr(line, ':'), *at = list ? strchr(++list, ':') : NULL;
        if (!at)
            continue;
        *at++ = '\0';
        found = v2 ? strncmp(line, "0:", 2) == 0 && *list == '\0' : lists(list, controller);
        if (found)
            snprintf(path, size, "%s", at);
    }
    if (file)
        fclose(file);
    return found;
}

/* "32 31 0:29 ROOT POINT rw - cgroup cgroup rw,memory": where the hierarchy is mounted, and which
 * part of it. */
static bool find_mount(const char *root, const char *controller, bool v2, char *part, char *point)
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/mountinfo");
    while (file && !found && fgets(line, sizeof line, file)) {
        char type[32], options[PATH_MAX];
        const char *rest = strstr(line, " - ");
        if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", part, point) != 2 ||
            sscanf(rest, " - %31s %*s %4095s", type, options) != 2)
            continue;
        found = v2 ? strcmp(type, "cgroup2") == 0
                   : strcmp(type, "cgroup") == 0 && lists(options, controller);
    }
    if (file)
        fclose(file);
    return found;
}

/* In a container the mount may show only a part of the hierarchy, which the group's path begins
 * with; where it does not, the mount is the group itself or what is above it. */
static bool group_find(const char *root, const char *controller, bool v2, group *out)
{
    char path[PATH_MAX], part[PATH_MAX], point[PATH_MAX];
    if (!find_group(root, controller, v2, path, sizeof path) ||
        !find_mount(root, controller, v2, part, point))
        return false;
    size_t n = strcmp(part, "/") == 0 ? 0 : strlen(part);
    const char *below = path;
    if (n > 0)
        below = strncmp(path, part, n) == 0 && (path[n] == '/' || !path[n]) ? path + n : "";
    *out = (group){.top = strlen(root) + strlen(point), .v2 = v2};
    int used = snprintf(out->path, sizeof out->path, "%s%s%s", root, point, below);
    while (used > 0 && (size_t)used > out->top && out->path[used - 1] == '/')
        out->path[--used] = '\0';
    return used > 0 && (size_t)used < sizeof out->path;
}

/* False past the top. */
static bool group_up(group *g)
{
    char *slash = strrchr(g->path, '/');
    if (!slash || (size_t)(slash - g->path) < g->top)
        return false;
    *slash = '\0';
    return true;
}

static FILE *open_in(const group *g, const char *name)
{
    return open_below(g->path, name);
}

/* The number in a file; -1: none, as in "max". */
static int64_t read_number(const group *g, const char *name)
{
    int64_t value = -1;
    FILE *file = open_in(g, name);
    if (file && fscanf(file, "%" SCNd64, &value) != 1)
        value = -1;
    if (file)
        fclose(file);
    return value < UNLIMITED ? value : -1;
}

/* File cache of the group and those below it. */
static int64_t read_cache(const group *g)
{
    const char *active = g->v2 ? "active_file" : "total_active_file";
    const char *inactive = g->v2 ? "inactive_file" : "total_inactive_file";
    char line[256], name[64];
    int64_t bytes = 0, value;
    FILE *file = open_in(g, "/memory.stat");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%63s %" SCNd64, name, &value) == 2 &&
            (strcmp(name, active) == 0 || strcmp(name, inactive) == 0))
            bytes += value;
    if (file)
        fclose(file);
    return bytes;
}

static int64_t memory_left(const group *g)
{
    int64_t most = read_number(g, g->v2 ? "/memory.max" : "/memory.limit_in_bytes");
    int64_t used = read_number(g, g->v2 ? "/memory.current" : "/memory.usage_in_bytes");
    if (most < 0 || used < 0)
        return INT64_MAX;
    return yoco_i64_max(most - yoco_i64_max(used - read_cache(g), 0), 0);
}

int64_t yoco_group_memory_left(const char *root)
{
    int64_t left = INT64_MAX;
    for (int v2 = 0; v2 < 2; v2++) {
        group g;
        if (!group_find(root, "memory", v2, &g))
            continue;
        do
            left = yoco_i64_min(left, memory_left(&g));
        while (group_up(&g));
    }
    return left;
}

/* "150000 100000" of version 2, two files of version 1; "max" or -1: none. */
static double quota(const group *g)
{
    int64_t most = -1, period = -1;
    FILE *file = g->v2 ? open_in(g, "/cpu.max") : NULL;
    if (file && fscanf(file, "%" SCNd64 " %" SCNd64, &most, &period) != 2)
        most = -1;
    if (file)
        fclose(file);
    if (!g->v2) {
        most = read_number(g, "/cpu.cfs_quota_us");
        period = read_number(g, "/cpu.cfs_period_us");
    }
    return most > 0 && period > 0 ? (double)most / (double)period : HUGE_VAL;
}

double yoco_group_cpus(const char *root)
{
    double cpus = HUGE_VAL;
    for (int v2 = 0; v2 < 2; v2++) {
        group g;
        if (!group_find(root, "cpu", v2, &g))
            continue;
        do
            cpus = fmin(cpus, quota(&g));
        while (group_up(&g));
    }
    return cpus;
}

int64_t yoco_memory_available(void)
{
    char line[256];
    int64_t kib, available = -1, swap = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %" SCNd64, &kib) == 1)
            available = kib * 1024;
        else if (sscanf(line, "SwapFree: %" SCNd64, &kib) == 1)
            swap = kib * 1024;
    }
    if (file)
        fclose(file);
    return available < 0 ? INT64_MAX : available + swap;
}

int yoco_cores_bound(void)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    long n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus)
                                                           : sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < INT_MAX ? (int)n : 1;
}

int yoco_cores(void)
{
    double cpus = yoco_group_cpus("");
    int n = yoco_cores_bound();
    return cpus < n ? (int)fmax(cpus, 1.0) : n;
}
