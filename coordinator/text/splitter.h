/* Cuts text into the pieces that are merged each on its own: the matches of a pattern, in the
 * dialect of tiktoken's patterns, run by PCRE2. tiktoken drops what lies between two matches; here
 * it becomes a piece of its own, so that no text is lost.
 *
 * Differences between the dialects, and what is done about them:
 *   \s, \S   PCRE2 counts U+180E as a space: read as \p{White_Space}, \P{White_Space}
 *   $        the very end only, not also before a last newline
 *   &&       no set intersection in PCRE2's classes: refused
 *   \w, \b   PCRE2's: letters, numbers and the underscore
 *   \p{...}  the Unicode version of the PCRE2 at hand (Unicode 14 in 10.42) */
#ifndef YOCO_SPLITTER_H
#define YOCO_SPLITTER_H

#include "base.h"

typedef struct yoco_splitter yoco_splitter; /* a compiled pattern; never changes */
typedef struct yoco_split yoco_split;       /* one thread's way through texts */

/* `name` stands in error lines. */
yoco_status yoco_splitter_create(const char *name, const char *pattern, yoco_splitter **out);
void yoco_splitter_free(yoco_splitter *splitter);

/* A splitter outlives its splits. */
yoco_status yoco_split_create(const yoco_splitter *splitter, yoco_split **out);
void yoco_split_free(yoco_split *split);

/* Starts a text, which must be valid UTF-8 and stay until the last piece. */
void yoco_split_begin(yoco_split *split, const uint8_t *text, size_t size);
/* The pieces in order; together they are the text. After the last one, size 0. */
yoco_status yoco_split_next(yoco_split *split, const uint8_t **piece, size_t *size);

#endif
