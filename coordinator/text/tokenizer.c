#include "coordinator/text/tokenizer.h"

#include "configs/files/text_file.h"
#include "coordinator/text/bpe.h"
#include "coordinator/text/splitter.h"
#include "coordinator/text/tokenizer_config.h"
#include "coordinator/text/utf8.h"
#include "coordinator/text/vocab.h"

#include <string.h>

struct yoco_tokenizer {
    yoco_tokenizer_config config;
    yoco_vocab *vocab;
    yoco_splitter *splitter;
    bool starts_special[256]; /* the first bytes of the special tokens */
};

/* One call of encode. */
typedef struct encoder {
    const yoco_tokenizer *tokenizer;
    yoco_split *split;
    int32_t *ids; /* room for one per byte of text: no token is empty */
    size_t n;
} encoder;

static yoco_status load_vocab(const char *path, yoco_vocab **out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &text));
    yoco_status status = yoco_vocab_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}

static yoco_status check_ids(const yoco_tokenizer *tokenizer, int vocab_size)
{
    const yoco_tokenizer_config *config = &tokenizer->config;
    int32_t max_id = yoco_vocab_max_rank(tokenizer->vocab) + config->shift;
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
        if (yoco_vocab_bytes(tokenizer->vocab, special->id - config->shift, &size)) {
            yoco_log_error("%s: special token %s: %s has a token of rank %d too", config->path,
                           special->text, config->ranks_path, special->id - config->shift);
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

static yoco_status open_parts(yoco_tokenizer *tokenizer, int vocab_size)
{
    const yoco_tokenizer_config *config = &tokenizer->config;
    YOCO_TRY(load_vocab(config->ranks_path, &tokenizer->vocab));
    YOCO_TRY(yoco_splitter_create(config->path, config->pattern, &tokenizer->splitter));
    for (size_t i = 0; i < config->n_specials; i++)
        tokenizer->starts_special[(uint8_t)config->specials[i].text[0]] = true;
    return check_ids(tokenizer, vocab_size);
}

yoco_status yoco_tokenizer_open(const char *folder, int vocab_size, yoco_tokenizer **out)
{
    yoco_tokenizer_config config;
    bool found;
    YOCO_TRY(yoco_tokenizer_config_load(folder, &config, &found));
    if (!found) {
        *out = NULL;
        return YOCO_OK;
    }
    yoco_tokenizer *tokenizer;
    yoco_status status = yoco_alloc(sizeof *tokenizer, "tokenizer", (void **)&tokenizer);
    if (status != YOCO_OK) {
        yoco_tokenizer_config_free(&config);
        return status;
    }
    *tokenizer = (yoco_tokenizer){.config = config};
    status = open_parts(tokenizer, vocab_size);
    if (status != YOCO_OK) {
        yoco_tokenizer_close(tokenizer);
        return status;
    }
    *out = tokenizer;
    return YOCO_OK;
}

void yoco_tokenizer_close(yoco_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    yoco_splitter_free(tokenizer->splitter);
    yoco_vocab_free(tokenizer->vocab);
    yoco_tokenizer_config_free(&tokenizer->config);
    yoco_free(tokenizer);
}

/* The special token at the start of the text, NULL where there is none. */
static const yoco_special *special_at(const yoco_tokenizer *tokenizer, const uint8_t *text,
                                      size_t size)
{
    if (!tokenizer->starts_special[text[0]])
        return NULL;
    for (size_t i = 0; i < tokenizer->config.n_specials; i++) {
        const yoco_special *special = &tokenizer->config.specials[i];
        if (special->size <= size && memcmp(text, special->text, special->size) == 0)
            return special;
    }
    return NULL;
}

static yoco_status encode_utf8(encoder *e, const uint8_t *text, size_t size)
{
    const yoco_vocab *vocab = e->tokenizer->vocab;
    yoco_split_begin(e->split, text, size);
    for (;;) {
        const uint8_t *piece;
        size_t piece_bytes, n;
        YOCO_TRY(yoco_split_next(e->split, &piece, &piece_bytes));
        if (piece_bytes == 0)
            return YOCO_OK;
        YOCO_TRY(yoco_bpe_encode(vocab, piece, piece_bytes, e->ids + e->n, &n));
        e->n += n;
    }
}

/* Text without special tokens. The pattern sees each stretch of valid UTF-8 as a text of its own;
 * a byte between them is a piece of its own. */
static yoco_status encode_bytes(encoder *e, const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t valid = yoco_utf8_valid_bytes(text + at, size - at);
        if (valid > 0)
            YOCO_TRY(encode_utf8(e, text + at, valid));
        at += valid;
        if (at < size)
            e->ids[e->n++] = yoco_vocab_byte_rank(e->tokenizer->vocab, text[at++]);
    }
    return YOCO_OK;
}

static yoco_status encode_text(encoder *e, const uint8_t *text, size_t size)
{
    size_t begin = e->n;
    YOCO_TRY(encode_bytes(e, text, size));
    for (size_t i = begin; i < e->n; i++)
        e->ids[i] += e->tokenizer->config.shift;
    return YOCO_OK;
}

/* Each stretch between special tokens is a text of its own. */
static yoco_status encode_with_specials(encoder *e, const uint8_t *text, size_t size)
{
    size_t begin = 0, at = 0;
    while (at < size) {
        const yoco_special *special = special_at(e->tokenizer, text + at, size - at);
        if (!special) {
            at++;
            continue;
        }
        YOCO_TRY(encode_text(e, text + begin, at - begin));
        e->ids[e->n++] = special->id;
        begin = at += special->size;
    }
    return encode_text(e, text + begin, size - begin);
}

yoco_status yoco_tokenizer_encode(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                                  bool allow_specials, int32_t **ids, int64_t *n_ids)
{
    if (size == 0) {
        *ids = NULL;
        *n_ids = 0;
        return YOCO_OK;
    }
    encoder e = {.tokenizer = tokenizer};
    size_t bytes = SIZE_MAX;
    yoco_size_mul(size, sizeof *e.ids, &bytes);
    YOCO_TRY(yoco_alloc(bytes, "token ids", (void **)&e.ids));
    yoco_status status = yoco_split_create(tokenizer->splitter, &e.split);
    if (status == YOCO_OK) {
        status =
            (allow_specials ? encode_with_specials : encode_text)(&e, (const uint8_t *)text, size);
        yoco_split_free(e.split);
    }
    if (status != YOCO_OK) {
        yoco_free(e.ids);
        return status;
    }
    *ids = e.ids;
    *n_ids = (int64_t)e.n;
    return YOCO_OK;
}

int32_t yoco_tokenizer_bos(const yoco_tokenizer *tokenizer)
{
    return tokenizer->config.bos;
}

bool yoco_tokenizer_is_end(const yoco_tokenizer *tokenizer, int32_t id)
{
    for (int i = 0; i < tokenizer->config.n_ends; i++) {
        if (tokenizer->config.ends[i] == id)
            return true;
    }
    return false;
}

int yoco_tokenizer_banned(const yoco_tokenizer *tokenizer, int32_t *ids, int max)
{
    const int32_t candidates[] = {tokenizer->config.bos, tokenizer->config.pad};
    int n = 0;
    for (int i = 0; i < 2 && n < max; i++) {
        if (candidates[i] >= 0 && !yoco_tokenizer_is_end(tokenizer, candidates[i]))
            ids[n++] = candidates[i];
    }
    return n;
}

const char *yoco_tokenizer_bytes(const yoco_tokenizer *tokenizer, int32_t id, size_t *size)
{
    if (id < tokenizer->config.shift) {
        *size = 0;
        return NULL;
    }
    return (const char *)yoco_vocab_bytes(tokenizer->vocab, id - tokenizer->config.shift, size);
}
