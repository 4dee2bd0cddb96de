#include "coordinator/text/pretokenizer.h"

#include <stdlib.h>
#include <string.h>

struct yoco_cutter {
    const yoco_stage *stages; /* (n) */
    size_t n;
    yoco_split *splits[YOCO_MAX_STAGES]; /* of the stages that split */
    yoco_buffer marked[YOCO_MAX_STAGES]; /* of the stages that mark */
    yoco_piece_sink sink;
    void *data;
};

yoco_status yoco_cutter_create(const yoco_stage *stages, size_t n, yoco_cutter **out)
{
    yoco_cutter *cutter;
    YOCO_TRY(yoco_alloc(sizeof *cutter, "text splitting", (void **)&cutter));
    *cutter = (yoco_cutter){.stages = stages, .n = n};
    for (size_t i = 0; i < n; i++) {
        yoco_status status = YOCO_OK;
        if (stages[i].kind == YOCO_STAGE_SPLIT)
            status = yoco_split_create(stages[i].pattern, &cutter->splits[i]);
        if (status != YOCO_OK) {
            yoco_cutter_free(cutter);
            return status;
        }
    }
    *out = cutter;
    return YOCO_OK;
}

void yoco_cutter_free(yoco_cutter *cutter)
{
    if (!cutter)
        return;
    for (size_t i = 0; i < cutter->n; i++) {
        yoco_split_free(cutter->splits[i]);
        free(cutter->marked[i].bytes);
    }
    yoco_free(cutter);
}

static yoco_status run_stage(yoco_cutter *c, size_t index, const uint8_t *text, size_t size,
                             bool is_first);

static yoco_status run_mark(yoco_cutter *c, size_t index, const uint8_t *text, size_t size,
                            bool is_first)
{
    const yoco_stage *stage = &c->stages[index];
    yoco_buffer *out = &c->marked[index];
    size_t mark_size = strlen(stage->mark);
    bool starts =
        text[0] == ' ' || (size >= mark_size && memcmp(text, stage->mark, mark_size) == 0);
    out->size = 0;
    if (!starts &&
        (stage->front == YOCO_MARK_ALWAYS || (stage->front == YOCO_MARK_FIRST && is_first)))
        YOCO_TRY(yoco_buffer_append(out, stage->mark, mark_size));
    while (size > 0) {
        const uint8_t *blank = memchr(text, ' ', size);
        size_t n = blank ? (size_t)(blank - text) : size;
        YOCO_TRY(yoco_buffer_append(out, text, n));
        if (blank)
            YOCO_TRY(yoco_buffer_append(out, stage->mark, mark_size));
        n += blank != NULL;
        text += n;
        size -= n;
    }
    return run_stage(c, index + 1, out->bytes, out->size, is_first);
}

/* Whether a piece goes with the one before it. */
static bool joins(yoco_split_behavior behavior, bool was_match, bool is_match)
{
    switch (behavior) {
    case YOCO_SPLIT_CONTIGUOUS:
        return is_match == was_match;
    case YOCO_SPLIT_MERGED_WITH_PREVIOUS:
        return is_match && !was_match;
    case YOCO_SPLIT_MERGED_WITH_NEXT:
        return was_match && !is_match;
    default:
        return false;
    }
}

static yoco_status run_split(yoco_cutter *c, size_t index, const uint8_t *text, size_t size,
                             bool is_first)
{
    const yoco_stage *stage = &c->stages[index];
    const uint8_t *held = text; /* the piece that may go on */
    size_t held_size = 0;
    bool was_match = false, is_holding = false;
    yoco_split_begin(c->splits[index], text, size);
    for (;;) {
        const uint8_t *piece;
        size_t piece_size;
        yoco_piece_kind kind;
        YOCO_TRY(yoco_split_next(c->splits[index], &piece, &piece_size, &kind));
        bool is_match = (kind == YOCO_PIECE_MATCH) != stage->invert;
        if (kind == YOCO_PIECE_END ||
            !(is_holding && joins(stage->behavior, was_match, is_match))) {
            if (held_size > 0)
                YOCO_TRY(run_stage(c, index + 1, held, held_size, is_first && held == text));
            held = piece;
            held_size = 0;
        }
        if (kind == YOCO_PIECE_END)
            return YOCO_OK;
        if (!(is_match && stage->behavior == YOCO_SPLIT_REMOVED))
            held_size += piece_size;
        is_holding = true;
        was_match = is_match;
    }
}

/* Recursion ends with the last stage. */
static yoco_status run_stage(yoco_cutter *c, size_t index, const uint8_t *text, size_t size,
                             bool is_first)
{
    if (index == c->n)
        return c->sink(c->data, text, size);
    if (c->stages[index].kind == YOCO_STAGE_MARK)
        return run_mark(c, index, text, size, is_first);
    return run_split(c, index, text, size, is_first);
}

yoco_status yoco_cutter_run(yoco_cutter *cutter, const uint8_t *text, size_t size, bool is_first,
                            yoco_piece_sink sink, void *data)
{
    cutter->sink = sink;
    cutter->data = data;
    return size > 0 ? run_stage(cutter, 0, text, size, is_first) : YOCO_OK;
}
