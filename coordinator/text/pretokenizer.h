/* Cuts a text into the pieces that are merged each on its own: stages, each of which works on the
 * pieces of the one before. */
#ifndef YOCO_PRETOKENIZER_H
#define YOCO_PRETOKENIZER_H

#include "coordinator/text/normalizer.h"

/* What becomes of the matches of a pattern. */
typedef enum yoco_split_behavior {
    YOCO_SPLIT_REMOVED,              /* they are dropped */
    YOCO_SPLIT_ISOLATED,             /* each is a piece */
    YOCO_SPLIT_MERGED_WITH_PREVIOUS, /* each goes with the text before it */
    YOCO_SPLIT_MERGED_WITH_NEXT,     /* each goes with the text behind it */
    YOCO_SPLIT_CONTIGUOUS            /* matches side by side are one piece */
} yoco_split_behavior;

typedef enum yoco_stage_kind {
    YOCO_STAGE_SPLIT,
    YOCO_STAGE_MARK /* blanks become `mark`, and one may go in front */
} yoco_stage_kind;

typedef enum yoco_mark_front {
    YOCO_MARK_NEVER,
    YOCO_MARK_FIRST, /* only in front of what the whole text starts with */
    YOCO_MARK_ALWAYS /* of every piece */
} yoco_mark_front;

typedef struct yoco_stage {
    yoco_stage_kind kind;
    yoco_splitter *pattern;
    yoco_split_behavior behavior;
    bool invert;  /* what lies between the matches counts as the matches, and these as text */
    char mark[8]; /* UTF-8, ends with a NUL; " " leaves blanks as they are */
    yoco_mark_front front; /* where a piece does not start with the mark already */
} yoco_stage;

enum { YOCO_MAX_STAGES = 32 };

/* Called with every piece in order; a piece is not empty. */
typedef yoco_status (*yoco_piece_sink)(void *data, const uint8_t *piece, size_t size);

typedef struct yoco_cutter yoco_cutter; /* one thread's way through texts */

/* The stages outlive it. n is at most YOCO_MAX_STAGES. */
yoco_status yoco_cutter_create(const yoco_stage *stages, size_t n, yoco_cutter **out);
void yoco_cutter_free(yoco_cutter *cutter);

/* text is valid UTF-8; is_first: it starts where the whole text does. */
yoco_status yoco_cutter_run(yoco_cutter *cutter, const uint8_t *text, size_t size, bool is_first,
                            yoco_piece_sink sink, void *data);

#endif
