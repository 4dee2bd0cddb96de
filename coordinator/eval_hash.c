#include "coordinator/eval_hash.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static void to_hex(XXH128_hash_t hash, char out[YOCO_EVAL_HASH_SIZE])
{
    snprintf(out, YOCO_EVAL_HASH_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void yoco_eval_hash_bytes(const void *data, size_t size, char out[YOCO_EVAL_HASH_SIZE])
{
    to_hex(XXH3_128bits(data, size), out);
}

static int is_model_file(const struct dirent *entry)
{
    static const char *const ends[] = {".json", ".safetensors", ".tiktoken"};
    size_t length = strlen(entry->d_name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (length > n && strcmp(entry->d_name + length - n, ends[i]) == 0)
            return 1;
    }
    return 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static yoco_status add_file(XXH3_state_t *state, const char *folder, const char *name)
{
    char path[4096];
    yoco_map map;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    YOCO_TRY(yoco_map_open(path, &map));
    uint64_t size = map.size;
    XXH3_128bits_update(state, name, strlen(name) + 1);
    XXH3_128bits_update(state, &size, sizeof size);
    XXH3_128bits_update(state, map.data, map.size);
    yoco_map_close(&map);
    return YOCO_OK;
}

yoco_status yoco_eval_hash_model(const char *folder, char out[YOCO_EVAL_HASH_SIZE])
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_model_file, compare_names);
    if (n < 0) {
        yoco_log_error("cannot read the folder %s: %s", folder, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    XXH3_state_t *state = XXH3_createState();
    yoco_status status = state ? YOCO_OK : YOCO_ERR_MEMORY;
    if (state)
        XXH3_128bits_reset(state);
    for (int i = 0; i < n; i++) {
        if (status == YOCO_OK)
            status = add_file(state, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (status == YOCO_OK)
        to_hex(XXH3_128bits_digest(state), out);
    XXH3_freeState(state);
    return status;
}
