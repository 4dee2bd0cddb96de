#include "coordinator/cli/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void yoco_machine_cpu(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(text, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *name = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) != 0 || !name)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(text, size, "%s", name + 1 + strspn(name + 1, " "));
        break;
    }
    if (file)
        fclose(file);
}

/* The boot's id, and the name of the host: machines that were copied while they ran have one id. */
bool yoco_machine_id(char text[YOCO_MACHINE_ID_BYTES])
{
    char boot[40] = "", host[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    bool found = file && fgets(boot, sizeof boot, file) && gethostname(host, sizeof host - 1) == 0;
    if (file)
        fclose(file);
    snprintf(text, YOCO_MACHINE_ID_BYTES, "%s %s", boot, host);
    return found;
}

/* "MemAvailable:  123 kB" of a file under /proc, in bytes; INT64_MAX: there is none. */
static int64_t read_kib(const char *path, const char *name)
{
    char line[256];
    int64_t kib, bytes = INT64_MAX;
    FILE *file = fopen(path, "re");
    while (file && bytes == INT64_MAX && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), ": %" SCNd64, &kib) == 1)
            bytes = kib * 1024;
    if (file)
        fclose(file);
    return bytes;
}

int64_t yoco_machine_memory_left(void)
{
    struct rlimit limit;
    int64_t left = read_kib("/proc/meminfo", "MemAvailable");
    int64_t used = read_kib("/proc/self/status", "VmSize");
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && used != INT64_MAX)
        left = yoco_i64_min(left, yoco_i64_max((int64_t)limit.rlim_cur - used, 0));
    return left;
}

const char *yoco_machine_commit(void)
{
    return YOCO_COMMIT;
}
