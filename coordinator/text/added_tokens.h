/* Tokens that are found in text by their spelling, before it is cut and merged. */
#ifndef YOCO_ADDED_TOKENS_H
#define YOCO_ADDED_TOKENS_H

#include "coordinator/text/tokenizer.h"

typedef struct yoco_added_token {
    char *text; /* not empty, UTF-8; a yoco_alloc of its own */
    size_t size;
    int32_t id;
    bool special;        /* found only in spans of special tokens */
    bool lstrip, rstrip; /* takes the white space on this side */
    bool single_word;    /* only where no word goes on at either side */
} yoco_added_token;

typedef struct yoco_added_tokens {
    yoco_added_token *tokens; /* (n), in the order of their bytes */
    size_t n;
    uint8_t starts[256]; /* whether a token starts with this byte */
} yoco_added_tokens;

/* Takes the tokens, also on failure. YOCO_ERR_DATA, logged with `name`, where a text stands twice.
 */
yoco_status yoco_added_tokens_create(const char *name, yoco_added_token *tokens, size_t n,
                                     yoco_added_tokens *out);
void yoco_added_tokens_free(yoco_added_tokens *added);

/* Where a token was found: text before `begin` is text, from `end` on the search goes on. */
typedef struct yoco_found {
    const yoco_added_token *token; /* NULL: none; then begin and end are the text's end */
    size_t begin, end;             /* with the white space that the token takes */
} yoco_found;

/* A walk over a text. */
typedef struct yoco_search {
    const yoco_added_tokens *added;
    const uint8_t *text;
    size_t size;
    const yoco_text_span *span; /* where the walk is; no token reaches over its end */
    size_t offset;              /* of the text's start, by which spans count */
    size_t at;                  /* where the next match may start */
    size_t taken;               /* behind the last token that was found, white space included */
} yoco_search;

/* The next token: the one that starts first, then the longest; one that is not taken (a special
 * token that was not asked for, part of a word) stays text as a whole. As in the library
 * `tokenizers`, a token may start within white space that the one before it took: then begin is
 * below that one's end, or, if it strips on its left, only what is left of it counts. */
yoco_found yoco_search_next(yoco_search *search);

#endif
