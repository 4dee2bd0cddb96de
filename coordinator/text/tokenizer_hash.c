#include "coordinator/text/tokenizer_hash.h"

#include <string.h>

#include "configs/files/path.h"
#include "configs/files/text_file.h"
#include "coordinator/text/tokenizer_config.h"

static void config_add(yoco_hasher *hasher, const yoco_tokenizer_config *c)
{
    const int32_t numbers[] = {c->shift, c->bos, c->pad, c->n_ends};
    yoco_hasher_add(hasher, numbers, sizeof numbers);
    yoco_hasher_add(hasher, c->ends, (size_t)c->n_ends * sizeof *c->ends);
    yoco_hasher_add(hasher, c->pattern, strlen(c->pattern) + 1);
    for (size_t i = 0; i < c->n_specials; i++) {
        yoco_hasher_add(hasher, c->specials[i].text, c->specials[i].size + 1);
        yoco_hasher_add(hasher, &c->specials[i].id, sizeof c->specials[i].id);
    }
}

static yoco_status config_hash(const yoco_tokenizer_config *config, yoco_hash *out)
{
    yoco_text ranks;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_text_read_data(config->ranks_path, false, yoco_text_max_bytes, &ranks));
    yoco_status status = yoco_hasher_create(&hasher);
    if (status == YOCO_OK) {
        config_add(hasher, config);
        yoco_hasher_add(hasher, ranks.data, ranks.size);
        *out = yoco_hasher_finish(hasher);
    }
    yoco_text_free(&ranks);
    return status;
}

/* Adds a file of the folder, its size first; nothing where it is not there. */
static yoco_status file_add(yoco_hasher *hasher, const char *folder, const char *name, bool *found)
{
    char *path;
    yoco_text text;
    YOCO_TRY(yoco_path_alloc(folder, name, &path));
    *found = !yoco_path_is_missing(path);
    yoco_status status = YOCO_OK;
    if (*found)
        status = yoco_text_read_data(path, false, yoco_text_max_bytes, &text);
    if (*found && status == YOCO_OK) {
        yoco_hasher_add(hasher, &text.size, sizeof text.size);
        yoco_hasher_add(hasher, text.data, text.size);
        yoco_text_free(&text);
    }
    yoco_free(path);
    return status;
}

static yoco_status files_hash(const char *folder, yoco_hash *out)
{
    yoco_hasher *hasher;
    bool found = false, has_config;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_status status = file_add(hasher, folder, "tokenizer.json", &found);
    if (status == YOCO_OK && found)
        status = file_add(hasher, folder, "tokenizer_config.json", &has_config);
    yoco_hash hash = yoco_hasher_finish(hasher);
    YOCO_TRY(status);
    *out = found ? hash : (yoco_hash){0, 0};
    return YOCO_OK;
}

yoco_status yoco_tokenizer_hash(const char *folder, yoco_hash *out)
{
    yoco_tokenizer_config config;
    bool found;
    YOCO_TRY(yoco_tokenizer_config_load(folder, &config, &found));
    if (!found)
        return files_hash(folder, out);
    yoco_status status = config_hash(&config, out);
    yoco_tokenizer_config_free(&config);
    return status;
}
