#include "coordinator/eval/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"

enum { VERSION = 1, REAL_DIGITS = 15, MIN_HASH = 16, MAX_HASH = 32 };

static const char *const task_names[YOCO_EVAL_N_TASKS] = {"needle", "multikey", "multiquery",
                                                          "multivalue", "yoco-compat"};

const char *yoco_eval_task_name(yoco_eval_task task)
{
    return task_names[task];
}

bool yoco_eval_task_find(const char *name, yoco_eval_task *out)
{
    for (int i = 0; i < YOCO_EVAL_N_TASKS; i++) {
        if (strcmp(name, task_names[i]) == 0) {
            *out = (yoco_eval_task)i;
            return true;
        }
    }
    return false;
}

bool yoco_eval_task_has_depth(yoco_eval_task task)
{
    return task != YOCO_EVAL_MULTIQUERY && task != YOCO_EVAL_MULTIVALUE;
}

bool yoco_eval_sample_has_far(const yoco_eval_sample *s)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->needles[i].is_far)
            return true;
    return false;
}

/* Writing. A value that jansson cannot make (no memory, no UTF-8) makes json_pack fail as a whole.
 */

static json_t *needles_json(const yoco_eval_sample *s)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < s->n; i++) {
        const yoco_eval_needle *needle = &s->needles[i];
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s, s:I, s:f, s:o, s:b}", "key", needle->key, "value",
                             needle->value, "text", needle->text, "token",
                             (json_int_t)needle->token, "depth", needle->depth, "wanted",
                             isnan(needle->wanted) ? json_null() : json_real(needle->wanted), "far",
                             needle->is_far));
    }
    return array;
}

static json_t *expected_json(const yoco_eval_sample *s)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < s->n_expected; i++)
        json_array_append_new(array, json_string(s->expected[i]));
    return array;
}

static json_t *found_json(const yoco_eval_sample *s)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < s->n_expected; i++)
        json_array_append_new(array, json_boolean(s->found[i]));
    return array;
}

static json_t *sample_json(const yoco_eval_sample *s)
{
    json_t *cell = json_pack(
        "{s:i, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:o}", "version",
        VERSION, "task", task_names[s->task], "length", (json_int_t)s->length, "depth",
        isnan(s->depth) ? json_null() : json_real(s->depth), "n", (json_int_t)s->n, "trial",
        (json_int_t)s->trial, "question", (json_int_t)s->question, "questions",
        (json_int_t)s->n_questions, "seed", (json_int_t)s->seed, "tokens", (json_int_t)s->n_tokens,
        "question_tokens", (json_int_t)s->n_question_tokens, "needles", needles_json(s), "asked",
        s->asked, "expected", expected_json(s));
    json_t *answer = json_pack(
        "{s:s, s:o, s:f, s:b, s:f, s:f, s:I, s:I, s:s, s:I, s:I, s:s, s:s, s:s, s:s}", "prediction",
        s->prediction, "found", found_json(s), "score", s->score, "exact", s->exact, "prefill_s",
        s->prefill_s, "decode_s", s->decode_s, "ranks", (json_int_t)s->ranks, "threads",
        (json_int_t)s->threads, "arithmetic", s->arithmetic, "chunk", (json_int_t)s->chunk,
        "max_tokens", (json_int_t)s->max_tokens, "model", s->model, "model_name", s->model_name,
        "haystack", s->haystack, "yoco", s->yoco);
    if (!cell || !answer || json_object_update(cell, answer) != 0) {
        json_decref(cell);
        cell = NULL;
    }
    json_decref(answer);
    if (s->chat && cell && json_object_set_new(cell, "chat", json_true()) != 0) {
        json_decref(cell);
        cell = NULL;
    }
    return cell;
}

yoco_status yoco_eval_sample_write(const yoco_eval_sample *sample, char **out)
{
    json_t *root = sample_json(sample);
    size_t size;
    char *line = yoco_json_line(root, JSON_REAL_PRECISION(REAL_DIGITS), &size);
    json_decref(root);
    if (!line) {
        yoco_log_error("cannot write an answer of task %s as JSON: not enough memory, or a text "
                       "that is not UTF-8",
                       task_names[sample->task]);
        return YOCO_ERR_INTERNAL;
    }
    *out = line;
    return YOCO_OK;
}

/* Reading. Every function returns what is wrong, or NULL. */

static bool within(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

static bool is_share(double value)
{
    return value >= 0.0 && value <= 1.0; /* false for NAN */
}

static bool is_hash(const char *text)
{
    size_t length = strlen(text);
    return length >= MIN_HASH && length <= MAX_HASH && strspn(text, "0123456789abcdef") == length;
}

/* `wanted` and `far`, which answers of older versions lack. */
static bool read_wanted(const json_t *wanted, int is_far, yoco_eval_needle *needle)
{
    needle->is_far = is_far;
    needle->wanted = json_is_number(wanted) ? json_number_value(wanted) : NAN;
    return !wanted || json_is_null(wanted) || is_share(needle->wanted);
}

static const char *read_needles(const json_t *array, yoco_eval_sample *s)
{
    if (!json_is_array(array) || json_array_size(array) != (size_t)s->n)
        return "needles is not an array of n objects";
    s->needles = calloc((size_t)s->n, sizeof *s->needles);
    if (!s->needles)
        return "not enough memory";
    for (int64_t i = 0; i < s->n; i++) {
        yoco_eval_needle *needle = &s->needles[i];
        json_int_t token;
        json_t *wanted = NULL;
        int is_far = 0;
        if (json_unpack(json_array_get(array, (size_t)i), "{s:s, s:s, s:s, s:I, s:F, s?:o, s?:b !}",
                        "key", &needle->key, "value", &needle->value, "text", &needle->text,
                        "token", &token, "depth", &needle->depth, "wanted", &wanted, "far",
                        &is_far) != 0 ||
            !read_wanted(wanted, is_far, needle))
            return "a needle is not {key, value, text, token, depth, wanted, far}";
        needle->token = token;
        if (!within(token, 0, s->n_tokens - 1) || !is_share(needle->depth))
            return "a needle lies outside the document";
    }
    return NULL;
}

static const char *read_expected(const json_t *expected, const json_t *found, yoco_eval_sample *s)
{
    if (!json_is_array(expected) || !within((int64_t)json_array_size(expected), 1, s->n))
        return "expected is not an array of 1 to n strings";
    s->n_expected = (int64_t)json_array_size(expected);
    if (!json_is_array(found) || json_array_size(found) != (size_t)s->n_expected)
        return "found is not an array as long as expected";
    s->expected = calloc((size_t)s->n_expected, sizeof *s->expected);
    s->found = calloc((size_t)s->n_expected, sizeof *s->found);
    if (!s->expected || !s->found)
        return "not enough memory";
    for (int64_t i = 0; i < s->n_expected; i++) {
        const json_t *is_found = json_array_get(found, (size_t)i);
        s->expected[i] = json_string_value(json_array_get(expected, (size_t)i));
        if (!s->expected[i] || !json_is_boolean(is_found))
            return "expected holds something else than strings, or found than true and false";
        s->found[i] = json_is_true(is_found);
    }
    return NULL;
}

static const char *check_ranges(const yoco_eval_sample *s)
{
    if (!within(s->length, 1, YOCO_EVAL_MAX_COUNT) || !within(s->n_tokens, 1, YOCO_EVAL_MAX_COUNT))
        return "length or tokens is out of range";
    if (!within(s->n, 1, YOCO_EVAL_MAX_NEEDLES))
        return "n is out of range";
    if (!within(s->trial, 0, YOCO_EVAL_MAX_COUNT) || s->seed < 0)
        return "trial or seed is out of range";
    if (!within(s->n_questions, 1, s->n) || !within(s->question, 0, s->n_questions - 1))
        return "question or questions is out of range";
    if (!within(s->n_question_tokens, 1, YOCO_EVAL_MAX_COUNT) ||
        !within(s->max_tokens, 1, YOCO_EVAL_MAX_COUNT))
        return "question_tokens or max_tokens is out of range";
    if (!within(s->ranks, 1, YOCO_EVAL_MAX_COUNT) || !within(s->threads, 1, YOCO_EVAL_MAX_COUNT) ||
        !within(s->chunk, 1, YOCO_EVAL_MAX_COUNT))
        return "ranks, threads or chunk is out of range";
    if (!is_share(s->score))
        return "score is not between 0 and 1";
    if (!(s->prefill_s >= 0.0) || !(s->decode_s >= 0.0))
        return "prefill_s or decode_s is negative";
    if (!is_hash(s->model) || !is_hash(s->haystack))
        return "model or haystack is not a hash of 16 to 32 hex digits";
    return NULL;
}

static const char *read_depth(const json_t *depth, yoco_eval_sample *s)
{
    bool has_depth = yoco_eval_task_has_depth(s->task);
    s->depth = json_is_number(depth) ? json_number_value(depth) : NAN;
    if (has_depth ? !is_share(s->depth) : !json_is_null(depth))
        return has_depth ? "depth is not a number from 0 to 1" : "depth is not null";
    return NULL;
}

static const char *read_sample(json_t *root, json_error_t *error, yoco_eval_sample *s)
{
    int version, exact, chat = 0;
    const char *task, *problem;
    json_t *depth, *needles, *expected, *found;
    if (json_unpack_ex(root, error, 0,
                       "{s:i, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s, s:o, "
                       "s:s, s:o, s:F, s:b, s:F, s:F, s:I, s:I, s:s, s:I, s:I, s:s, s:s, s:s, s:s, "
                       "s?:b !}",
                       "version", &version, "task", &task, "length", &s->length, "depth", &depth,
                       "n", &s->n, "trial", &s->trial, "question", &s->question, "questions",
                       &s->n_questions, "seed", &s->seed, "tokens", &s->n_tokens, "question_tokens",
                       &s->n_question_tokens, "needles", &needles, "asked", &s->asked, "expected",
                       &expected, "prediction", &s->prediction, "found", &found, "score", &s->score,
                       "exact", &exact, "prefill_s", &s->prefill_s, "decode_s", &s->decode_s,
                       "ranks", &s->ranks, "threads", &s->threads, "arithmetic", &s->arithmetic,
                       "chunk", &s->chunk, "max_tokens", &s->max_tokens, "model", &s->model,
                       "model_name", &s->model_name, "haystack", &s->haystack, "yoco", &s->yoco,
                       "chat", &chat) != 0)
        return error->text;
    s->exact = exact;
    s->chat = chat;
    if (version != VERSION)
        return "another version of the format";
    if (!yoco_eval_task_find(task, &s->task))
        return "unknown task";
    if ((problem = check_ranges(s)) || (problem = read_depth(depth, s)) ||
        (problem = read_needles(needles, s)))
        return problem;
    return read_expected(expected, found, s);
}

yoco_status yoco_eval_sample_parse(const char *name, int64_t line, const char *data, size_t size,
                                   yoco_eval_sample *out)
{
    yoco_json_problem json = {0};
    yoco_eval_sample sample = {.line = line};
    const char *problem = "the line is too long";
    json_t *root = NULL;
    if (size <= YOCO_EVAL_MAX_LINE_BYTES) {
        root = yoco_json_load(data, size, &json);
        sample.owner = root;
        problem = root ? read_sample(root, &json.error, &sample) : json.error.text;
    }
    if (problem) {
        yoco_log_error("%s:%lld: not an answer of yoco eval: %s; remove the line or restore the "
                       "file",
                       name, (long long)line, problem);
        yoco_eval_sample_free(&sample);
        return YOCO_ERR_DATA;
    }
    *out = sample;
    return YOCO_OK;
}

void yoco_eval_sample_free(yoco_eval_sample *sample)
{
    free(sample->needles);
    free(sample->expected);
    free(sample->found);
    json_decref(sample->owner);
    *sample = (yoco_eval_sample){0};
}
