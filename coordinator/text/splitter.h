/* Cuts text at the matches of a pattern, run by PCRE2 (coordinator/text/pattern.h: in which
 * dialects). What lies between two matches is a piece too, so that no text is lost. */
#ifndef YOCO_SPLITTER_H
#define YOCO_SPLITTER_H

#include "base.h"

typedef struct yoco_splitter yoco_splitter; /* a compiled pattern; never changes */
typedef struct yoco_split yoco_split;       /* one thread's way through texts */

typedef enum yoco_pattern_kind {
    YOCO_PATTERN_TIKTOKEN,  /* no match is empty */
    YOCO_PATTERN_ONIGURUMA, /* a match may be empty, but not right behind another */
    YOCO_PATTERN_LITERAL    /* the text itself; not empty */
} yoco_pattern_kind;

/* `name` stands in error lines. */
yoco_status yoco_splitter_create(const char *name, yoco_pattern_kind kind, const char *pattern,
                                 yoco_splitter **out);
void yoco_splitter_free(yoco_splitter *splitter);
/* Whether a match may be empty, by its pattern alone. */
bool yoco_splitter_may_be_empty(const yoco_splitter *splitter);

/* A splitter outlives its splits. */
yoco_status yoco_split_create(const yoco_splitter *splitter, yoco_split **out);
void yoco_split_free(yoco_split *split);

/* Starts a text, which must be valid UTF-8 and stay until the last piece. */
void yoco_split_begin(yoco_split *split, const uint8_t *text, size_t size);

typedef enum yoco_piece_kind {
    YOCO_PIECE_END,
    YOCO_PIECE_BETWEEN,
    YOCO_PIECE_MATCH
} yoco_piece_kind;

/* The pieces in order; together they are the text. Only a match may be empty. */
yoco_status yoco_split_next(yoco_split *split, const uint8_t **piece, size_t *size,
                            yoco_piece_kind *kind);

#endif
