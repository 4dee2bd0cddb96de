#include "coordinator/eval/set.h"

#include "configs/files/text_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/journal.h"
#include "coordinator/eval/failure.h"

/* The first setting in which two lines of a file differ; NULL where they do not. */
static const char *difference(const yoco_eval_sample *a, const yoco_eval_sample *b)
{
    if (a->seed != b->seed)
        return "seed";
    if (strcmp(a->model, b->model) != 0)
        return "model";
    if (strcmp(a->haystack, b->haystack) != 0)
        return "haystack";
    if (a->chunk != b->chunk)
        return "chunk size";
    if (a->chat != b->chat)
        return "setting of --chat";
    return strcmp(a->arithmetic, b->arithmetic) != 0 ? "arithmetic" : NULL;
}

/* Lines of answers, at most. */
static int64_t count_lines(const yoco_text *text)
{
    int64_t n = 0;
    for (yoco_line line = {0}; yoco_line_next(text->data, text->size, &line);)
        n += line.whole;
    return n;
}

static yoco_status read_line(const char *path, const yoco_line *line, yoco_eval_set *set)
{
    yoco_eval_sample *sample = &set->samples[set->n];
    YOCO_TRY(yoco_eval_sample_parse(path, line->number, line->text, line->size, sample));
    set->n++;
    const char *differs = difference(set->samples, sample);
    if (!differs)
        return YOCO_OK;
    yoco_log_error("%s:%" PRId64 ": made with another %s than line %" PRId64
                   ": keep the answers of one run in a folder",
                   path, line->number, differs, set->samples->line);
    return YOCO_ERR_DATA;
}

static yoco_status read_lines(const char *path, const yoco_text *text, yoco_eval_set *set)
{
    int64_t n_failed = 0, torn = 0;
    for (yoco_line line = {0}; yoco_line_next(text->data, text->size, &line);) {
        if (!line.whole)
            torn = line.number;
        else if (yoco_eval_failure_is(line.text, line.size))
            n_failed++;
        else
            YOCO_TRY(read_line(path, &line, set));
    }
    if (n_failed > 0)
        yoco_log_warn("%s: %" PRId64 " documents have no answers, their lines say why; the same "
                      "command with --resume tries them again",
                      path, n_failed);
    if (set->n == 0) {
        yoco_log_error("%s: holds no answers; run the evaluation first", path);
        return YOCO_ERR_DATA;
    }
    if (torn > 0)
        yoco_log_warn("%s:%" PRId64 ": the last line is torn and left out", path, torn);
    return YOCO_OK;
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
    const yoco_eval_sample *a = *(const yoco_eval_sample *const *)left;
    const yoco_eval_sample *b = *(const yoco_eval_sample *const *)right;
    int by_depth = isnan(a->depth) ? 0 : (a->depth > b->depth) - (a->depth < b->depth);
    int keys[] = {order(a->task, b->task),   order(a->length, b->length),
                  order(a->n, b->n),         by_depth,
                  order(a->trial, b->trial), order(a->question, b->question)};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i] != 0)
            return keys[i];
    return 0;
}

static yoco_status sort_samples(const char *path, yoco_eval_set *set)
{
    size_t bytes = (size_t)set->n * sizeof *set->sorted;
    YOCO_TRY(yoco_alloc(bytes, "answers", (void **)&set->sorted));
    for (int64_t i = 0; i < set->n; i++)
        set->sorted[i] = &set->samples[i];
    qsort(set->sorted, (size_t)set->n, sizeof *set->sorted, compare);
    for (int64_t i = 1; i < set->n; i++) {
        if (compare(&set->sorted[i - 1], &set->sorted[i]) == 0) {
            int64_t a = set->sorted[i - 1]->line, b = set->sorted[i]->line;
            yoco_log_error("%s:%" PRId64 ": the same question of the same document as line %" PRId64
                           ": remove one of them",
                           path, yoco_i64_max(a, b), yoco_i64_min(a, b));
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

static yoco_status read_text(const char *path, const yoco_text *text, yoco_eval_set *set)
{
    size_t bytes = (size_t)count_lines(text) * sizeof *set->samples;
    YOCO_TRY(yoco_alloc(bytes, "answers", (void **)&set->samples));
    YOCO_TRY(read_lines(path, text, set));
    return sort_samples(path, set);
}

yoco_status yoco_eval_set_read(const char *path, yoco_eval_set *out)
{
    yoco_text text;
    yoco_eval_set set = {0};
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &text));
    yoco_status status = read_text(path, &text, &set);
    yoco_text_free(&text);
    if (status != YOCO_OK) {
        yoco_eval_set_free(&set);
        return status;
    }
    *out = set;
    return YOCO_OK;
}

void yoco_eval_set_free(yoco_eval_set *set)
{
    for (int64_t i = 0; i < set->n; i++)
        yoco_eval_sample_free(&set->samples[i]);
    yoco_free(set->samples);
    yoco_free(set->sorted);
    *set = (yoco_eval_set){0};
}
