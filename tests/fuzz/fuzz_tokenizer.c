/* A whole tokenizer folder and a text for it. The input is four parts with a byte 0xff between
 * them: yoco_tokenizer.json, specials.json, ranks.tiktoken, and the text, which may hold any bytes.
 */
#include "coordinator/text/tokenizer.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCAB_SIZE = 1000, N_FILES = 3 };

static const char *const names[N_FILES] = {"yoco_tokenizer.json", "specials.json",
                                           "ranks.tiktoken"};
/* In memory: a file system on a disk writes each of the many files out. */
static char folder[] = "/dev/shm/yoco_fuzz_XXXXXX";

static void path_of(int file, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, names[file]);
}

static void remove_folder(void)
{
    char path[256];
    for (int i = 0; i < N_FILES; i++) {
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
    static bool made = false;
    if (!made) {
        if (!mkdtemp(folder) || atexit(remove_folder) != 0)
            abort();
        made = true;
    }
    for (int i = 0; i < N_FILES; i++) {
        const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
        if (!end)
            return 0;
        write_file(i, data, (size_t)(end - data));
        size -= (size_t)(end - data) + 1;
        data = end + 1;
    }
    yoco_tokenizer *tokenizer = NULL;
    if (yoco_tokenizer_open(folder, VOCAB_SIZE, &tokenizer) == YOCO_OK)
        check_text(tokenizer, (const char *)data, size);
    yoco_tokenizer_close(tokenizer);
    check_stream((const char *)data, size);
    return 0;
}
