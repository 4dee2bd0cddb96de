#include "coordinator/batch/job.h"

#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/batch/body.h"

static yoco_status read_custom_id(yoco_batch_job *job, yoco_batch_fault *fault)
{
    const json_t *id = json_object_get(job->root, "custom_id");
    size_t size = json_string_length(id);
    if (!json_is_string(id) || size == 0 || size > YOCO_BATCH_MAX_ID_BYTES)
        return yoco_batch_fault_set(fault, "custom_id", "must be a string of 1 to %d bytes",
                                    YOCO_BATCH_MAX_ID_BYTES);
    job->custom_id = json_string_value(id);
    return YOCO_OK;
}

/* The custom_id of a line that is no JSON as a whole, so that its record has a name. */
static void salvage(const char *line, size_t size, yoco_batch_job *job)
{
    static const char *const path[] = {"custom_id"};
    yoco_batch_fault ignored;
    const char *value;
    size_t value_size;
    json_error_t error;
    if (!yoco_json_find(line, size, path, 1, &value, &value_size))
        return;
    json_t *id = json_loadb(value, value_size, JSON_DECODE_ANY, &error);
    job->root = id ? json_pack("{s:o}", "custom_id", id) : NULL;
    (void)read_custom_id(job, &ignored);
}

/* Explains the parser's refusal, by field where it is one field's doing. */
static yoco_status explain(const yoco_json_problem *problem, yoco_batch_fault *fault)
{
    const char *place = problem->place;
    switch (json_error_code(&problem->error)) {
    case json_error_duplicate_key:
        return yoco_batch_fault_set(fault, place, "stands twice");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return yoco_batch_fault_set(fault, place, "holds \\u0000, which no text of a job may");
    case json_error_stack_overflow:
        return yoco_batch_fault_set(fault, place, "nests too deeply");
    case json_error_out_of_memory:
        yoco_log_error("cannot allocate a job");
        return YOCO_ERR_MEMORY;
    default:
        return yoco_batch_fault_set(fault, "", "no valid JSON at byte %d: %s",
                                    problem->error.position, problem->error.text);
    }
}

static yoco_status read_line(const char *line, size_t size, yoco_batch_job *job,
                             yoco_batch_fault *fault)
{
    yoco_json_problem problem;
    if (size > YOCO_BATCH_MAX_LINE_BYTES)
        return yoco_batch_fault_set(fault, "", "the line has %zu bytes, more than %d", size,
                                    YOCO_BATCH_MAX_LINE_BYTES);
    job->root = yoco_json_load(line, size, &problem);
    if (!job->root) {
        salvage(line, size, job);
        return explain(&problem, fault);
    }
    if (!json_is_object(job->root))
        return yoco_batch_fault_set(fault, "", "the line is not a JSON object");
    return YOCO_OK;
}

static yoco_status read_url(yoco_batch_job *job, yoco_batch_fault *fault)
{
    const json_t *method = json_object_get(job->root, "method");
    const json_t *url = json_object_get(job->root, "url");
    char shown[YOCO_BATCH_SHOWN_BYTES];
    if (!json_is_string(method) || strcmp(json_string_value(method), "POST") != 0)
        return yoco_batch_fault_set(fault, "method", "must be \"POST\", not %s",
                                    yoco_batch_show(method, shown));
    const char *text = json_is_string(url) ? json_string_value(url) : "";
    job->chat = strcmp(text, "/v1/chat/completions") == 0;
    if (!job->chat && strcmp(text, "/v1/completions") != 0)
        return yoco_batch_fault_set(
            fault, "url", "must be \"/v1/completions\" or \"/v1/chat/completions\", not %s",
            yoco_batch_show(url, shown));
    return YOCO_OK;
}

static yoco_status read_keys(const yoco_batch_job *job, yoco_batch_fault *fault)
{
    static const char *const known[] = {"custom_id", "method", "url", "body"};
    const char *key;
    json_t *value;
    json_object_foreach(job->root, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            return yoco_batch_fault_set(fault, key, "is no field of a batch line");
    }
    return YOCO_OK;
}

yoco_status yoco_batch_job_parse(const char *line, size_t size, yoco_batch_job *out,
                                 yoco_batch_fault *fault)
{
    *out = (yoco_batch_job){.sampling = {.temperature = 1.0, .top_p = 1.0}};
    YOCO_TRY(read_line(line, size, out, fault));
    YOCO_TRY(read_custom_id(out, fault));
    YOCO_TRY(read_keys(out, fault));
    YOCO_TRY(read_url(out, fault));
    return yoco_batch_body_read(json_object_get(out->root, "body"), line, size, out, fault);
}

void yoco_batch_job_free(yoco_batch_job *job)
{
    free(job->prompts);
    free(job->chat_text);
    free(job->stops.values);
    json_decref(job->root);
    *job = (yoco_batch_job){0};
}

static void hash_text(yoco_hasher *hasher, const char *text)
{
    size_t size = text ? strlen(text) : SIZE_MAX;
    yoco_hasher_add(hasher, &size, sizeof size);
    if (text)
        yoco_hasher_add(hasher, text, size);
}

static void hash_texts(yoco_hasher *hasher, const char *const *texts, int n)
{
    yoco_hasher_add(hasher, &n, sizeof n);
    for (int i = 0; i < n; i++)
        hash_text(hasher, texts[i]);
}

void yoco_batch_job_hash(const yoco_batch_job *job, yoco_hasher *hasher)
{
    const yoco_sampling *s = &job->sampling;
    const double reals[] = {s->temperature, s->top_p};
    const int64_t numbers[] = {job->chat,        job->max_tokens, s->top_k,
                               (int64_t)s->seed, job->logprobs,   job->n_logprobs};
    hash_text(hasher, job->custom_id);
    hash_text(hasher, job->model);
    hash_texts(hasher, job->prompts, job->n_prompts);
    hash_texts(hasher, job->stops.values, job->stops.n);
    yoco_hasher_add(hasher, reals, sizeof reals);
    yoco_hasher_add(hasher, numbers, sizeof numbers);
}
