#include "coordinator/ask/output.h"

#include "configs/files/json_text.h"

#include <jansson.h>
#include <stdio.h>

#include "streams.h"

static void print_head(yoco_stream *s)
{
    if (s->prompt->n_questions > 1) {
        const char *text = s->prompt->questions[s->current].text;
        yoco_print("%s[%d]%s%s\n", s->current > 0 ? "\n" : "", s->current, text ? " " : "",
                   text ? text : "");
    }
    s->headed = true;
}

static void print_text(yoco_stream *s, const yoco_answer *answer, bool flush)
{
    char out[3 * (256 + 3)];
    while (s->printed < answer->shown) {
        size_t n = (size_t)yoco_i64_min(256, (int64_t)(answer->shown - s->printed));
        size_t n_out = yoco_utf8_stream_push(&s->utf8, answer->text + s->printed, n, false, out);
        fwrite(out, 1, n_out, yoco_stdout());
        s->printed += n;
    }
    if (flush)
        fwrite(out, 1, yoco_utf8_stream_push(&s->utf8, NULL, 0, true, out), yoco_stdout());
}

static void print_ids(yoco_stream *s, const yoco_answer *answer)
{
    for (; s->printed < (size_t)answer->n; s->printed++)
        yoco_print("%s%d", s->printed > 0 ? " " : "", answer->ids[s->printed]);
}

void yoco_stream_update(void *stream, const yoco_answer *answers, int n_answers)
{
    yoco_stream *s = stream;
    while (s->current < n_answers) {
        const yoco_answer *answer = &answers[s->current];
        bool done = answer->finish != YOCO_RUNNING;
        if (!s->headed)
            print_head(s);
        if (s->tokenizer)
            print_text(s, answer, done);
        else
            print_ids(s, answer);
        if (!done)
            break;
        putc('\n', yoco_stdout());
        s->current++;
        s->headed = false;
        s->printed = 0;
        s->utf8 = (yoco_utf8_stream){0};
    }
    fflush(yoco_stdout());
}

static json_t *json_text(const yoco_answer *answer)
{
    char *valid;
    size_t n;
    if (yoco_answer_text(answer, &valid, &n) != YOCO_OK)
        return NULL;
    json_t *text = json_stringn(valid, n);
    yoco_free(valid);
    return text;
}

static json_t *json_ids(const yoco_answer *answer)
{
    json_t *ids = json_array();
    for (int64_t i = 0; i < answer->n; i++)
        json_array_append_new(ids, json_integer(answer->ids[i]));
    return ids;
}

static json_t *json_answer(const yoco_run_output *r, int index)
{
    const yoco_answer *answer = &r->answers[index];
    const yoco_question *question = &r->prompt->questions[index];
    json_t *object = json_object();
    json_object_set_new(object, "index", json_integer(index));
    if (question->text)
        json_object_set_new(object, "question", json_string(question->text));
    json_object_set_new(object, "prompt_tokens",
                        json_integer(r->prompt->context.n + question->tokens.n));
    if (r->tokenizer)
        json_object_set_new(object, "text", json_text(answer));
    json_object_set_new(object, "ids", json_ids(answer));
    json_object_set_new(object, "finish_reason",
                        json_string(answer->finish == YOCO_FINISH_STOP ? "stop" : "length"));
    return object;
}

yoco_status yoco_run_print_json(const yoco_run_output *r)
{
    const yoco_plan *plan = yoco_worker_plan(r->session->worker);
    json_t *answers = json_array();
    for (int i = 0; i < r->prompt->n_questions; i++)
        json_array_append_new(answers, json_answer(r, i));
    json_t *root = json_pack(
        "{s:s, s:s, s:i, s:i, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:o}", "version",
        YOCO_VERSION, "arithmetic", yoco_worker_arithmetic(r->session->worker), "ranks",
        r->session->comm->n_ranks, "threads", r->session->device.n_threads, "context_tokens",
        (json_int_t)r->prompt->context.n, "chunk", (json_int_t)plan->input.grid.chunk_rows,
        "prefill_s", r->prefill_s, "questions_s", r->times.questions_s, "decode_s",
        r->times.decode_s, "generated_tokens", (json_int_t)r->times.n_tokens, "peak_bytes",
        (json_int_t)r->memory.peak_bytes, "device_bytes", (json_int_t)r->memory.device_bytes,
        "planned_bytes", (json_int_t)plan->total_bytes, "answers", answers);
    return yoco_json_to_stdout(root, JSON_INDENT(2));
}
