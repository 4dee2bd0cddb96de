/* The text that needles are hidden in: files one after the other, encoded once. Rank 0 only. */
#ifndef YOCO_EVAL_HAYSTACK_H
#define YOCO_EVAL_HAYSTACK_H

#include "configs/files/hash.h"
#include "coordinator/cli/options.h"
#include "coordinator/text/tokenizer.h"

typedef struct yoco_eval_haystack {
    char *text; /* of all files */
    size_t size;
    size_t *file_ends; /* (n_files): where each ends in text; empty files are left out */
    int n_files;
    int32_t *ids; /* (n_ids): of the text, in the order of the files */
    int64_t n_ids;
    uint64_t *words; /* (n_words): hashes of its words, ascending */
    size_t n_words;
    char hash[YOCO_HASH_TEXT_BYTES]; /* of the text */
} yoco_eval_haystack;

/* No files: the Perl manual, all .pod files below /usr/share/perl (Debian: perl-doc).
 * YOCO_ERR_DATA where the text has no line breaks, between which sentences are placed. */
yoco_status yoco_eval_haystack_load(const yoco_strings *files, const yoco_tokenizer *tokenizer,
                                    yoco_eval_haystack *out);
void yoco_eval_haystack_free(yoco_eval_haystack *haystack);

/* True for a word of the text (words.h), with or without hyphens. */
bool yoco_eval_haystack_has_word(const yoco_eval_haystack *haystack, const char *word);

#endif
