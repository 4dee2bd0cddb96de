#include "coordinator/text/vocab.h"

#include <string.h>
#include <xxhash.h>

typedef struct token {
    uint32_t offset, size; /* into the arena; size 0: no token has this rank */
} token;

/* Open addressing, linear probing, at most half full. The tag is the upper half of the hash: a
 * lookup that finds nothing, which is most of them while merging, rarely touches the arena. */
typedef struct slot {
    uint32_t tag;
    int32_t rank; /* -1: free */
} slot;

struct yoco_vocab {
    token *tokens; /* (max_rank + 1) */
    uint8_t *arena;
    size_t arena_used;
    slot *slots; /* (slot_mask + 1) */
    size_t slot_mask;
    size_t max_token_bytes;
    int32_t max_rank;
    int32_t byte_ranks[256];
};

/* A line of a rank file. */
typedef struct entry {
    const uint8_t *base64;
    size_t base64_bytes;
    int32_t rank;
} entry;

/* The lines of a rank file, one by one. */
typedef struct reader {
    const char *name;
    const uint8_t *at, *end;
    int64_t line; /* number of the line last read, from 1 */
} reader;

static yoco_status reader_refuse(const reader *in, const char *why)
{
    yoco_log_error("%s: line %lld: %s", in->name, (long long)in->line, why);
    return YOCO_ERR_DATA;
}

/* Splits the next line that is not empty. At the end of the file out->base64 is NULL. */
static yoco_status reader_next(reader *in, entry *out)
{
    const uint8_t *begin = NULL, *end = NULL;
    while (begin == end && in->at < in->end) {
        begin = in->at;
        const uint8_t *newline = memchr(begin, '\n', (size_t)(in->end - begin));
        end = newline ? newline : in->end;
        in->at = newline ? newline + 1 : in->end;
        in->line++;
        if (end > begin && end[-1] == '\r')
            end--;
    }
    if (begin == end) {
        out->base64 = NULL;
        return YOCO_OK;
    }
    const uint8_t *space = memchr(begin, ' ', (size_t)(end - begin));
    if (!space || space + 1 == end)
        return reader_refuse(in, "not a token in base64, a space and a rank");
    int32_t rank = 0;
    for (const uint8_t *digit = space + 1; digit < end; digit++) {
        if (*digit < '0' || *digit > '9')
            return reader_refuse(in, "the rank is not a decimal number");
        rank = 10 * rank + (*digit - '0');
        if (rank > YOCO_VOCAB_MAX_RANK)
            return reader_refuse(in, "the rank is too large");
    }
    *out = (entry){.base64 = begin, .base64_bytes = (size_t)(space - begin), .rank = rank};
    return YOCO_OK;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Strict: padded to groups of 4, unused bits zero. Returns the number of bytes, 0 when it is not
 * base64 of at least one byte. */
static size_t base64_decode(const uint8_t *text, size_t size, uint8_t *out)
{
    if (size == 0 || size % 4 != 0)
        return 0;
    size_t padding = text[size - 1] != '=' ? 0 : text[size - 2] != '=' ? 1 : 2, n = 0;
    uint32_t bits = 0;
    int n_bits = 0;
    for (size_t i = 0; i < size - padding; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n++] = (uint8_t)(bits >> n_bits);
            bits &= (1u << n_bits) - 1;
        }
    }
    return bits == 0 ? n : 0;
}

/* The slot of these bytes: the one that holds them, or the free one where they belong. */
static slot *slot_of(const yoco_vocab *vocab, uint64_t hash, const uint8_t *bytes, size_t size)
{
    for (size_t i = hash & vocab->slot_mask;; i = (i + 1) & vocab->slot_mask) {
        slot *s = &vocab->slots[i];
        if (s->rank < 0)
            return s;
        if (s->tag != (uint32_t)(hash >> 32))
            continue;
        const token *t = &vocab->tokens[s->rank];
        if (t->size == size && memcmp(vocab->arena + t->offset, bytes, size) == 0)
            return s;
    }
}

int32_t yoco_vocab_find(const yoco_vocab *vocab, const uint8_t *bytes, size_t size)
{
    if (size == 1)
        return vocab->byte_ranks[bytes[0]];
    if (size > vocab->max_token_bytes)
        return -1;
    return slot_of(vocab, XXH3_64bits(bytes, size), bytes, size)->rank;
}

int32_t yoco_vocab_byte_rank(const yoco_vocab *vocab, uint8_t byte)
{
    return vocab->byte_ranks[byte];
}

int32_t yoco_vocab_max_rank(const yoco_vocab *vocab)
{
    return vocab->max_rank;
}

const uint8_t *yoco_vocab_bytes(const yoco_vocab *vocab, int32_t rank, size_t *size)
{
    if (rank < 0 || rank > vocab->max_rank || vocab->tokens[rank].size == 0) {
        *size = 0;
        return NULL;
    }
    *size = vocab->tokens[rank].size;
    return vocab->arena + vocab->tokens[rank].offset;
}

static yoco_status vocab_alloc(yoco_vocab *vocab, size_t n_tokens, size_t bytes)
{
    size_t n_slots = 1024;
    while (n_slots < 2 * n_tokens)
        n_slots *= 2;
    size_t n_ranks = (size_t)vocab->max_rank + 1;
    YOCO_TRY(yoco_alloc(n_ranks * sizeof(token), "token ranks", (void **)&vocab->tokens));
    YOCO_TRY(yoco_alloc(n_slots * sizeof(slot), "token table", (void **)&vocab->slots));
    YOCO_TRY(yoco_alloc(bytes, "token bytes", (void **)&vocab->arena));
    memset(vocab->tokens, 0, n_ranks * sizeof(token));
    memset(vocab->slots, 0xff, n_slots * sizeof(slot));
    memset(vocab->byte_ranks, 0xff, sizeof vocab->byte_ranks);
    vocab->slot_mask = n_slots - 1;
    return YOCO_OK;
}

yoco_status yoco_vocab_create(size_t n_tokens, size_t bytes, int32_t max_rank, yoco_vocab **out)
{
    yoco_vocab *vocab;
    YOCO_TRY(yoco_alloc(sizeof *vocab, "vocabulary", (void **)&vocab));
    *vocab = (yoco_vocab){.max_rank = max_rank};
    yoco_status status = vocab_alloc(vocab, n_tokens, bytes);
    if (status != YOCO_OK) {
        yoco_vocab_free(vocab);
        return status;
    }
    *out = vocab;
    return YOCO_OK;
}

yoco_vocab_added yoco_vocab_add(yoco_vocab *vocab, int32_t rank, const uint8_t *bytes, size_t size,
                                bool findable)
{
    token *t = &vocab->tokens[rank];
    if (t->size != 0)
        return YOCO_VOCAB_HAS_RANK;
    if (findable) {
        uint64_t hash = XXH3_64bits(bytes, size);
        slot *s = slot_of(vocab, hash, bytes, size);
        if (s->rank >= 0)
            return YOCO_VOCAB_HAS_TOKEN;
        *s = (slot){.tag = (uint32_t)(hash >> 32), .rank = rank};
        if (size == 1)
            vocab->byte_ranks[bytes[0]] = rank;
        if (size > vocab->max_token_bytes)
            vocab->max_token_bytes = size;
    }
    if (size > 0)
        memmove(vocab->arena + vocab->arena_used, bytes, size);
    *t = (token){.offset = (uint32_t)vocab->arena_used, .size = (uint32_t)size};
    vocab->arena_used += size;
    return YOCO_VOCAB_ADDED;
}

/* First pass: what to allocate. */
static yoco_status count_tokens(reader in, size_t *n_tokens, int32_t *max_rank)
{
    size_t count = 0;
    int32_t max = 0;
    entry line;
    for (;;) {
        YOCO_TRY(reader_next(&in, &line));
        if (!line.base64)
            break;
        count++;
        max = line.rank > max ? line.rank : max;
    }
    *n_tokens = count;
    *max_rank = max;
    return YOCO_OK;
}

/* Second pass. Decoded bytes are fewer than the file's, so the arena is large enough. */
static yoco_status fill_tokens(yoco_vocab *vocab, reader in)
{
    entry line;
    for (;;) {
        YOCO_TRY(reader_next(&in, &line));
        if (!line.base64)
            return YOCO_OK;
        uint8_t *bytes = vocab->arena + vocab->arena_used;
        size_t size = base64_decode(line.base64, line.base64_bytes, bytes);
        if (size == 0)
            return reader_refuse(&in, "the token is not valid base64");
        switch (yoco_vocab_add(vocab, line.rank, bytes, size, true)) {
        case YOCO_VOCAB_HAS_RANK:
            return reader_refuse(&in, "the rank stands on an earlier line too");
        case YOCO_VOCAB_HAS_TOKEN:
            return reader_refuse(&in, "the token stands on an earlier line too");
        case YOCO_VOCAB_ADDED:
            break;
        }
    }
}

static yoco_status check_bytes(const yoco_vocab *vocab, const char *name)
{
    for (int byte = 0; byte < 256; byte++) {
        if (vocab->byte_ranks[byte] < 0) {
            yoco_log_error("%s: no token for the single byte 0x%02x", name, (unsigned)byte);
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

yoco_status yoco_vocab_parse(const char *name, const void *data, size_t size, yoco_vocab **out)
{
    const uint8_t *bytes = size ? data : (const uint8_t *)"";
    reader in = {.name = name, .at = bytes, .end = bytes + size};
    size_t n_tokens;
    int32_t max_rank;
    if (size > YOCO_VOCAB_MAX_FILE_BYTES) {
        yoco_log_error("%s: %zu bytes are too many for a rank file, at most %d", name, size,
                       YOCO_VOCAB_MAX_FILE_BYTES);
        return YOCO_ERR_DATA;
    }
    yoco_vocab *vocab;
    YOCO_TRY(count_tokens(in, &n_tokens, &max_rank));
    YOCO_TRY(yoco_vocab_create(n_tokens, size, max_rank, &vocab));
    yoco_status status = fill_tokens(vocab, in);
    if (status == YOCO_OK)
        status = check_bytes(vocab, name);
    if (status != YOCO_OK) {
        yoco_vocab_free(vocab);
        return status;
    }
    *out = vocab;
    return YOCO_OK;
}

void yoco_vocab_free(yoco_vocab *vocab)
{
    if (!vocab)
        return;
    yoco_free(vocab->tokens);
    yoco_free(vocab->slots);
    yoco_free(vocab->arena);
    yoco_free(vocab);
}
