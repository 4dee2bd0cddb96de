#include "coordinator/eval/haystack.h"

#include "configs/files/text_file.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "coordinator/text/words.h"

static const char default_files[] = "/usr/share/perl/*/pod/*.pod";

static yoco_status append_file(const char *path, yoco_eval_haystack *h)
{
    yoco_text file;
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DOCUMENT, &file));
    char *text = file.size > 0 ? realloc(h->text, h->size + file.size) : NULL;
    if (file.size > 0 && !text) {
        yoco_log_error("%s: not enough memory for a haystack of %zu bytes", path,
                       h->size + file.size);
        yoco_text_free(&file);
        return YOCO_ERR_MEMORY;
    }
    if (text) {
        memcpy(text + h->size, file.data, file.size);
        h->text = text;
        h->size += file.size;
        h->file_ends[h->n_files++] = h->size;
    }
    yoco_text_free(&file);
    return YOCO_OK;
}

static yoco_status read_files(const char *const *paths, size_t n, yoco_eval_haystack *h)
{
    h->file_ends = calloc(n, sizeof *h->file_ends);
    if (!h->file_ends) {
        yoco_log_error("cannot allocate the table of %zu haystack files", n);
        return YOCO_ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++)
        YOCO_TRY(append_file(paths[i], h));
    if (h->size == 0 || !memchr(h->text, '\n', h->size)) {
        yoco_log_error("the haystack (%s%s) has no line breaks to place needles at: give a text of "
                       "many lines with --haystack",
                       paths[0], n > 1 ? ", ..." : "");
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static yoco_status read_default(yoco_eval_haystack *h)
{
    glob_t found;
    if (glob(default_files, 0, NULL, &found) != 0) {
        yoco_log_error("no haystack: %s does not exist (Debian: apt-get install perl-doc); give a "
                       "text with --haystack FILE",
                       default_files);
        return YOCO_ERR_OPEN;
    }
    yoco_status status = read_files((const char *const *)found.gl_pathv, found.gl_pathc, h);
    globfree(&found);
    return status;
}

/* Adds the hash of every word, with or without hyphens within; counts only where words is NULL. */
static size_t collect_words(const char *text, size_t size, bool hyphens, uint64_t *words)
{
    size_t n = 0, at = 0;
    yoco_word word;
    while ((word = yoco_word_next(text, size, &at, hyphens)).size > 0) {
        if (words)
            words[n] = XXH3_64bits(word.text, word.size);
        n++;
    }
    return n;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static yoco_status index_words(yoco_eval_haystack *h)
{
    size_t n_plain = collect_words(h->text, h->size, false, NULL);
    size_t n = n_plain + collect_words(h->text, h->size, true, NULL);
    YOCO_TRY(yoco_alloc(n * sizeof *h->words, "words of the haystack", (void **)&h->words));
    collect_words(h->text, h->size, false, h->words);
    collect_words(h->text, h->size, true, h->words + n_plain);
    if (n > 0)
        qsort(h->words, n, sizeof *h->words, compare_hashes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || h->words[i] != h->words[i - 1])
            h->words[h->n_words++] = h->words[i];
    return YOCO_OK;
}

bool yoco_eval_haystack_has_word(const yoco_eval_haystack *h, const char *word)
{
    uint64_t hash = XXH3_64bits(word, strlen(word));
    return h->n_words > 0 &&
           bsearch(&hash, h->words, h->n_words, sizeof *h->words, compare_hashes) != NULL;
}

static yoco_status hash_text(yoco_eval_haystack *h)
{
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_hasher_add(hasher, h->text, h->size);
    yoco_hash_text(yoco_hasher_finish(hasher), h->hash);
    return YOCO_OK;
}

static yoco_status load(const yoco_strings *files, const yoco_tokenizer *tokenizer,
                        yoco_eval_haystack *h)
{
    if (files->n > 0)
        YOCO_TRY(read_files(files->values, (size_t)files->n, h));
    else
        YOCO_TRY(read_default(h));
    YOCO_TRY(index_words(h));
    YOCO_TRY(hash_text(h));
    return yoco_tokenizer_encode(tokenizer, h->text, h->size, false, &h->ids, &h->n_ids);
}

yoco_status yoco_eval_haystack_load(const yoco_strings *files, const yoco_tokenizer *tokenizer,
                                    yoco_eval_haystack *out)
{
    yoco_eval_haystack h = {0};
    yoco_status status = load(files, tokenizer, &h);
    if (status != YOCO_OK) {
        yoco_eval_haystack_free(&h);
        return status;
    }
    *out = h;
    return YOCO_OK;
}

void yoco_eval_haystack_free(yoco_eval_haystack *h)
{
    free(h->text);
    free(h->file_ends);
    yoco_free(h->ids);
    yoco_free(h->words);
    *h = (yoco_eval_haystack){0};
}
