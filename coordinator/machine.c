#include "coordinator/machine.h"

#include <stdio.h>
#include <string.h>

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

const char *yoco_machine_commit(void)
{
    return YOCO_COMMIT;
}
