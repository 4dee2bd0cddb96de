/* The tokenizer of yoco_tokenizer.json and its rank file. */
#include <string.h>

#include "configs/files/text_file.h"
#include "coordinator/text/tokenizer_config.h"
#include "coordinator/text/tokenizer_parts.h"

static yoco_status load_vocab(const char *path, yoco_vocab **out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read_data(path, false, yoco_text_max_bytes, &text));
    yoco_status status = yoco_vocab_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}

static yoco_status check_ids(const yoco_tokenizer_config *config, const yoco_vocab *vocab,
                             int vocab_size)
{
    int32_t max_id = yoco_vocab_max_rank(vocab) + config->shift;
    if (max_id >= vocab_size) {
        yoco_log_error("%s: token id %d does not fit the model's vocab_size %d", config->ranks_path,
                       max_id, vocab_size);
        return YOCO_ERR_DATA;
    }
    for (size_t i = 0; i < config->n_specials; i++) {
        const yoco_special *special = &config->specials[i];
        size_t size;
        if (special->id >= vocab_size) {
            yoco_log_error("%s: special token %s: id %d does not fit the model's vocab_size %d",
                           config->path, special->text, special->id, vocab_size);
            return YOCO_ERR_DATA;
        }
        if (yoco_vocab_bytes(vocab, special->id - config->shift, &size)) {
            yoco_log_error("%s: special token %s: %s has a token of rank %d too", config->path,
                           special->text, config->ranks_path, special->id - config->shift);
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

/* Takes the special tokens' texts. */
static yoco_status take_specials(yoco_tokenizer_config *config, yoco_added_tokens *out)
{
    yoco_added_token *tokens;
    size_t n = config->n_specials;
    YOCO_TRY(yoco_alloc(n * sizeof *tokens, "special tokens", (void **)&tokens));
    for (size_t i = 0; i < n; i++) {
        yoco_special *special = &config->specials[i];
        tokens[i] = (yoco_added_token){
            .text = special->text, .size = special->size, .id = special->id, .special = true};
        special->text = NULL;
    }
    return yoco_added_tokens_create(config->path, tokens, n, out);
}

static yoco_status read_parts(yoco_tokenizer_config *config, int vocab_size, yoco_tokenizer *out)
{
    out->shift = config->shift;
    out->bos = config->bos;
    out->pad = config->pad;
    out->n_ends = config->n_ends;
    memcpy(out->ends, config->ends, sizeof out->ends);
    YOCO_TRY(load_vocab(config->ranks_path, &out->model.vocab));
    out->texts = out->model.vocab;
    YOCO_TRY(yoco_alloc(sizeof *out->stages, "split pattern", (void **)&out->stages));
    *out->stages = (yoco_stage){.kind = YOCO_STAGE_SPLIT, .behavior = YOCO_SPLIT_ISOLATED};
    out->n_stages = 1;
    YOCO_TRY(yoco_splitter_create(config->path, YOCO_PATTERN_TIKTOKEN, config->pattern,
                                  &out->stages->pattern));
    YOCO_TRY(check_ids(config, out->model.vocab, vocab_size));
    return take_specials(config, &out->added);
}

yoco_status yoco_tokenizer_read_ranks(const char *folder, int vocab_size, yoco_tokenizer *out,
                                      bool *found)
{
    yoco_tokenizer_config config;
    YOCO_TRY(yoco_tokenizer_config_load(folder, &config, found));
    if (!*found)
        return YOCO_OK;
    yoco_status status = read_parts(&config, vocab_size, out);
    yoco_tokenizer_config_free(&config);
    return status;
}
