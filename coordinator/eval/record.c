#include "coordinator/eval/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/eval/score.h"

static const char replacement[] = "\xef\xbf\xbd";

/* The answer's text as JSON and C strings may hold it: U+FFFD for what is no UTF-8, and for NUL. */
static char *clean_text(const yoco_answer *answer)
{
    yoco_utf8_stream utf8 = {0};
    char *valid = malloc(3 * (answer->text_size + 6)), *clean = NULL;
    if (valid) {
        size_t n = yoco_utf8_stream_push(&utf8, answer->text, answer->text_size, false, valid);
        n += yoco_utf8_stream_push(&utf8, NULL, 0, true, valid + n);
        clean = malloc(3 * n + 1);
        size_t size = 0;
        for (size_t i = 0; clean && i < n; i++) {
            size_t bytes = valid[i] ? 1 : sizeof replacement - 1;
            memcpy(clean + size, valid[i] ? valid + i : replacement, bytes);
            size += bytes;
        }
        if (clean)
            clean[size] = '\0';
    }
    free(valid);
    return clean;
}

static double microseconds(double seconds)
{
    return round(seconds * 1e6) / 1e6;
}

static void describe(const yoco_eval_document *d, yoco_eval_sample *s)
{
    s->task = d->cell.task;
    s->length = d->cell.length;
    s->depth = d->cell.depth;
    s->n = d->cell.n;
    s->trial = d->cell.trial;
    s->n_questions = d->prompt.n_questions;
    s->n_tokens = d->prompt.context.n;
    s->prefill_s = microseconds(s->prefill_s);
    s->decode_s = microseconds(s->decode_s);
    for (int i = 0; i < d->cell.n; i++) {
        const yoco_eval_fact *fact = &d->facts[i];
        s->needles[i] = (yoco_eval_needle){.key = fact->key,
                                           .value = fact->value,
                                           .text = fact->text,
                                           .token = d->starts[i],
                                           .depth = yoco_eval_document_depth(d, i),
                                           .wanted = fact->wanted,
                                           .is_far = fact->is_far};
    }
}

static yoco_status write_answer(const yoco_eval_document *d, int q, const yoco_answer *answer,
                                yoco_eval_sample *s, FILE *out)
{
    char *line = NULL, *prediction = clean_text(answer);
    if (!prediction) {
        yoco_log_error("cannot allocate an answer's text");
        return YOCO_ERR_MEMORY;
    }
    s->question = q;
    s->n_question_tokens = d->prompt.questions[q].tokens.n;
    s->asked = d->prompt.questions[q].text;
    s->n_expected = yoco_eval_document_expected(d, q, s->expected);
    s->prediction = prediction;
    yoco_eval_score score =
        yoco_eval_score_answer(s->task, prediction, s->expected, s->n_expected, s->found);
    s->score = score.score;
    s->exact = score.exact;
    yoco_status status = yoco_eval_sample_write(s, &line);
    if (status == YOCO_OK)
        fputs(line, out);
    free(line);
    free(prediction);
    return status;
}

static yoco_status write_answers(const yoco_eval_document *d, const yoco_answer *answers,
                                 yoco_eval_sample *s, char **lines, size_t *size)
{
    yoco_status status = YOCO_OK;
    FILE *out = open_memstream(lines, size);
    if (!out) {
        yoco_log_error("cannot allocate the answers' lines");
        return YOCO_ERR_MEMORY;
    }
    for (int q = 0; q < d->prompt.n_questions && status == YOCO_OK; q++)
        status = write_answer(d, q, &answers[q], s, out);
    bool failed = ferror(out);
    failed = fclose(out) != 0 || failed;
    if (status == YOCO_OK && failed) {
        yoco_log_error("cannot allocate the answers' lines");
        status = YOCO_ERR_MEMORY;
    }
    if (status != YOCO_OK)
        free(*lines);
    return status;
}

yoco_status yoco_eval_record(const yoco_eval_document *d, const yoco_answer *answers,
                             const yoco_eval_sample *common, char **lines, size_t *size)
{
    size_t n = (size_t)d->cell.n;
    yoco_eval_sample s = *common;
    yoco_status status = YOCO_ERR_MEMORY;
    s.needles = calloc(n, sizeof *s.needles);
    s.expected = calloc(n, sizeof *s.expected);
    s.found = calloc(n, sizeof *s.found);
    if (s.needles && s.expected && s.found) {
        describe(d, &s);
        status = write_answers(d, answers, &s, lines, size);
    } else {
        yoco_log_error("cannot allocate the answers' lines");
    }
    free(s.needles);
    free(s.expected);
    free(s.found);
    return status;
}
