/* A tokenizer.json, its tokenizer_config.json and a text. The input is three parts with a byte 0xff
 * between them; the text may hold any bytes. */
#include "coordinator/text/tokenizer.h"
#include "folder.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { VOCAB_SIZE = 1000, N_FILES = 2 };

static const char *const names[N_FILES] = {"tokenizer.json", "tokenizer_config.json"};

/* Ids are the model's, tokens have an end, and the same text has the same ids again. */
static void check_text(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                       bool specials)
{
    int32_t *ids, *again;
    int64_t n, n_again;
    if (yoco_tokenizer_encode(tokenizer, text, size, specials, &ids, &n) != YOCO_OK)
        return; /* a pattern that gives up */
    for (int64_t i = 0; i < n; i++) {
        size_t bytes;
        const char *text_of = yoco_tokenizer_bytes(tokenizer, ids[i], &bytes);
        if (ids[i] < 0 || ids[i] >= VOCAB_SIZE || (text_of == NULL) != (bytes == 0))
            abort();
    }
    if (yoco_tokenizer_encode(tokenizer, text, size, specials, &again, &n_again) != YOCO_OK ||
        n_again != n || (n > 0 && memcmp(ids, again, (size_t)n * sizeof *ids) != 0))
        abort();
    yoco_free(ids);
    yoco_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *folder = fuzz_folder(names, N_FILES, &data, &size);
    if (!folder)
        return 0;
    yoco_tokenizer *tokenizer = NULL;
    if (yoco_tokenizer_open(folder, VOCAB_SIZE, &tokenizer) == YOCO_OK) {
        check_text(tokenizer, (const char *)data, size, false);
        check_text(tokenizer, (const char *)data, size, true);
    }
    yoco_tokenizer_close(tokenizer);
    return 0;
}
