/* A whole tokenizer folder and a text for it. The input is four parts with a byte 0xff between
 * them: yoco_tokenizer.json, specials.json, ranks.tiktoken, and the text, which may hold any bytes.
 */
#include "coordinator/text/tokenizer.h"
#include "folder.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { VOCAB_SIZE = 1000, N_FILES = 3 };

static const char *const names[N_FILES] = {"yoco_tokenizer.json", "specials.json",
                                           "ranks.tiktoken"};

/* Without special tokens nothing may be lost: the ids decode to the text. */
static void check_text(const yoco_tokenizer *tokenizer, const char *text, size_t size)
{
    int32_t *ids;
    int64_t n_ids;
    if (yoco_tokenizer_encode(tokenizer, text, size, false, &ids, &n_ids) != YOCO_OK)
        return; /* a pattern that gives up */
    size_t at = 0;
    for (int64_t i = 0; i < n_ids; i++) {
        size_t n;
        const char *bytes = yoco_tokenizer_bytes(tokenizer, ids[i], &n);
        if (ids[i] >= VOCAB_SIZE || !bytes || n > size - at || memcmp(bytes, text + at, n) != 0)
            abort();
        at += n;
    }
    if (at != size)
        abort();
    yoco_free(ids);
    if (yoco_tokenizer_encode(tokenizer, text, size, true, &ids, &n_ids) == YOCO_OK)
        yoco_free(ids);
}

/* The text in one push and byte by byte gives the same. */
static void check_stream(const char *text, size_t size)
{
    yoco_utf8_stream whole = {0}, bytewise = {0};
    char *a = malloc(3 * (size + 3)), *b = malloc(3 * (size + 3));
    if (!a || !b)
        abort();
    size_t n_a = yoco_utf8_stream_push(&whole, text, size, true, a), n_b = 0;
    for (size_t i = 0; i < size; i++)
        n_b += yoco_utf8_stream_push(&bytewise, text + i, 1, false, b + n_b);
    n_b += yoco_utf8_stream_push(&bytewise, NULL, 0, true, b + n_b);
    if (n_a != n_b || memcmp(a, b, n_a) != 0)
        abort();
    free(a);
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *folder = fuzz_folder(names, N_FILES, &data, &size);
    if (!folder)
        return 0;
    yoco_tokenizer *tokenizer = NULL;
    if (yoco_tokenizer_open(folder, VOCAB_SIZE, &tokenizer) == YOCO_OK)
        check_text(tokenizer, (const char *)data, size);
    yoco_tokenizer_close(tokenizer);
    check_stream((const char *)data, size);
    return 0;
}
