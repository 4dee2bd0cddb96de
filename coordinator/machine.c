#include "coordinator/machine.h"

#include <stdio.h>
#include <string.h>
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

const char *yoco_machine_commit(void)
{
    return YOCO_COMMIT;
}
