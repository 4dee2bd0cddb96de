/* Words of a text in any script. */
#ifndef YOCO_WORDS_H
#define YOCO_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct yoco_word {
    const char *text; /* (size), within the text that was given */
    size_t size;      /* bytes */
} yoco_word;

/* The next word from byte *at on, which moves behind it; size 0 where there is none. A word is a
 * run of all characters but punctuation, symbols, spaces and control characters, and possibly
 * hyphens; it starts with no combining mark. Invisible characters (joiners, soft hyphens) do not
 * part a word, and neither begin nor end one. Bytes that are no UTF-8, and U+FFFD, may have been
 * letters and count as such. */
yoco_word yoco_word_next(const char *text, size_t size, size_t *at, bool hyphens);

/* The text without white space and invisible characters around it. */
yoco_word yoco_word_trim(const char *text, size_t size);

#endif
