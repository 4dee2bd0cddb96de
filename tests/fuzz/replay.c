/* Runs a fuzz target over every file of a folder, where libFuzzer is not at hand. */
#include "fuzz.h"

#include "base.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A copy of the exact size, so that AddressSanitizer sees a read beyond it. */
static bool file_replay(const char *path)
{
    yoco_map map;
    if (yoco_map_open(path, &map) != YOCO_OK)
        return false;
    uint8_t *copy = malloc(map.size ? map.size : 1);
    if (copy) {
        if (map.size)
            memcpy(copy, map.data, map.size);
        LLVMFuzzerTestOneInput(copy, map.size);
    }
    free(copy);
    yoco_map_close(&map);
    return copy != NULL;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    int n_files = 0;
    bool ok = true;
    double start = yoco_now_s();
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        ok = file_replay(path) && ok;
        n_files++;
    }
    closedir(folder);
    printf("%d files replayed, %.0f per second\n", n_files, n_files / (yoco_now_s() - start));
    return ok && n_files > 0 ? 0 : 1;
}
