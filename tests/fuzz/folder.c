#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In memory: a file system on a disk writes each of the many files out. */
static char folder[] = "/dev/shm/yoco_fuzz_XXXXXX";
static const char *const *file_names;
static int n_file_names;

static void path_of(int file, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, file_names[file]);
}

static void remove_folder(void)
{
    char path[256];
    for (int i = 0; i < n_file_names; i++) {
        path_of(i, path);
        unlink(path);
    }
    rmdir(folder);
}

static void write_file(int index, const uint8_t *data, size_t size)
{
    char path[256];
    path_of(index, path);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
}

const char *fuzz_folder(const char *const *names, int n_files, const uint8_t **data, size_t *size)
{
    if (!file_names) {
        file_names = names;
        n_file_names = n_files;
        if (!mkdtemp(folder) || atexit(remove_folder) != 0)
            abort();
    }
    for (int i = 0; i < n_files; i++) {
        const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;
        if (!end)
            return NULL;
        write_file(i, *data, (size_t)(end - *data));
        *size -= (size_t)(end - *data) + 1;
        *data = end + 1;
    }
    return folder;
}
