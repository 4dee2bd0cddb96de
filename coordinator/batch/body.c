#include "coordinator/batch/body.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/batch/harmless.h"

enum { COMPLETIONS = 1, CHAT = 2, BOTH = 3, DEFAULT_TOKENS = 16, DEFAULT_CHAT_TOKENS = 1024 };

static const int64_t MAX_TOKENS = (int64_t)1 << 40;

typedef struct reader {
    yoco_batch_job *job;
    yoco_batch_fault *fault;
    const char *line; /* (size): the text */
    size_t size;
    char name[64]; /* "body.stop" */
} reader;

/* The value is not null. */
typedef yoco_status (*read_value)(reader *r, const json_t *value);

static yoco_status refuse(reader *r, const json_t *value, const char *rule)
{
    char shown[YOCO_BATCH_SHOWN_BYTES];
    return yoco_batch_fault_set(r->fault, r->name, "must be %s, not %s", rule,
                                yoco_batch_show(value, shown));
}

static yoco_status read_model(reader *r, const json_t *value)
{
    if (!json_is_string(value))
        return refuse(r, value, "a string");
    r->job->model = json_string_value(value);
    return YOCO_OK;
}

static yoco_status no_memory(void)
{
    yoco_log_error("cannot allocate a job");
    return YOCO_ERR_MEMORY;
}

/* The strings of an array, or one string. */
static yoco_status read_strings(reader *r, const json_t *value, int max, const char *rule,
                                const char ***out, int *n_out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if ((!json_is_array(value) && !json_is_string(value)) || n == 0 || n > (size_t)max)
        return refuse(r, value, rule);
    *out = calloc(n, sizeof **out);
    if (!*out)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(item) || json_string_length(item) == 0)
            return refuse(r, item, rule);
        (*out)[i] = json_string_value(item);
    }
    *n_out = (int)n;
    return YOCO_OK;
}

static yoco_status read_prompt(reader *r, const json_t *value)
{
    return read_strings(r, value, YOCO_BATCH_MAX_PROMPTS,
                        "a string or an array of at most 1024 strings, none of them empty",
                        &r->job->prompts, &r->job->n_prompts);
}

static yoco_status read_stop(reader *r, const json_t *value)
{
    if (json_is_array(value) && json_array_size(value) == 0)
        return YOCO_OK;
    return read_strings(r, value, YOCO_BATCH_MAX_STOPS,
                        "a string or an array of at most 4 strings, none of them empty",
                        &r->job->stops.values, &r->job->stops.n);
}

/* A string, or the list of one text part that clients make of it; NULL: neither. */
static const char *content_of(const json_t *message)
{
    const json_t *content = json_object_get(message, "content");
    const json_t *part = json_array_size(content) == 1 ? json_array_get(content, 0) : NULL;
    const char *type = json_string_value(json_object_get(part, "type"));
    if (type && strcmp(type, "text") == 0 && json_object_size(part) == 2)
        return json_string_value(json_object_get(part, "text"));
    return json_string_value(content);
}

static yoco_status check_message(reader *r, size_t index, const json_t *message)
{
    static const char *const known[] = {"role", "content", "name"};
    char name[64];
    const char *key;
    json_t *value;
    snprintf(name, sizeof name, "body.messages[%zu]", index);
    if (!json_is_object(message))
        return yoco_batch_fault_set(r->fault, name, "must be an object with role and content");
    json_object_foreach((json_t *)(uintptr_t)message, key, value)
    {
        bool found = json_is_array(value) && json_array_size(value) == 0; /* "tool_calls": [] */
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found && !json_is_null(value))
            return yoco_batch_fault_set(r->fault, name,
                                        "has '%s': only plain text messages of "
                                        "role and content are supported",
                                        key);
    }
    if (!content_of(message))
        return yoco_batch_fault_set(r->fault, name,
                                    "content must be a string, or a list of one part of type "
                                    "text: only plain text is supported");
    const json_t *role = json_object_get(message, "role");
    static const char *const roles[] = {"system", "developer", "user", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (json_is_string(role) && strcmp(json_string_value(role), roles[i]) == 0)
            return YOCO_OK;
    return yoco_batch_fault_set(r->fault, name,
                                "role must be system, developer, user or assistant");
}

/* "role: content", a line each, then "assistant:" for the model to go on. */
static yoco_status write_chat(reader *r, const json_t *messages, size_t size)
{
    size_t at = 0;
    char *text = malloc(size);
    const char **prompts = calloc(1, sizeof *prompts);
    r->job->chat_text = text;
    r->job->prompts = prompts;
    if (!text || !prompts)
        return no_memory();
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        at += (size_t)snprintf(text + at, size - at, "%s: %s\n",
                               json_string_value(json_object_get(message, "role")),
                               content_of(message));
    }
    snprintf(text + at, size - at, "assistant:");
    prompts[0] = text;
    r->job->n_prompts = 1;
    return YOCO_OK;
}

yoco_status yoco_batch_body_render(const yoco_batch_job *job, const yoco_chat_template *t,
                                   yoco_chat_text *out)
{
    const json_t *messages = json_object_get(json_object_get(job->root, "body"), "messages");
    const json_t *message;
    size_t i;
    json_array_foreach(messages, i, message)
    {
        const char *content = content_of(message);
        YOCO_TRY(yoco_chat_open_turn(t, json_string_value(json_object_get(message, "role")), out));
        YOCO_TRY(yoco_chat_add_content(t, content, strlen(content), true, true, out));
        YOCO_TRY(yoco_chat_close_turn(t, out));
    }
    return yoco_chat_open_answer(t, out);
}

static yoco_status read_messages(reader *r, const json_t *value)
{
    size_t size = sizeof "assistant:";
    if (!json_is_array(value) || json_array_size(value) == 0)
        return refuse(r, value, "an array of at least one message");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *message = json_array_get(value, i);
        YOCO_TRY(check_message(r, i, message));
        size += json_string_length(json_object_get(message, "role")) + sizeof ": \n" +
                strlen(content_of(message));
    }
    return write_chat(r, value, size);
}

static bool is_sha256(const json_t *value)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 64)
        return false;
    for (int i = 0; i < 64; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

static yoco_status read_document(reader *r, const json_t *value)
{
    const char *key;
    json_t *item;
    if (!json_is_object(value))
        return refuse(r, value, "an object with a path");
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        if (strcmp(key, "path") != 0 && strcmp(key, "sha256") != 0)
            return yoco_batch_fault_set(r->fault, r->name,
                                        "has '%s': its fields are path and "
                                        "sha256",
                                        key);
    }
    const json_t *path = json_object_get(value, "path"), *hash = json_object_get(value, "sha256");
    if (!json_is_string(path) || json_string_length(path) == 0)
        return yoco_batch_fault_set(r->fault, "body.document.path", "must be a string");
    if (hash && !json_is_null(hash) && !is_sha256(hash))
        return yoco_batch_fault_set(r->fault, "body.document.sha256",
                                    "must be a string of 64 hexadecimal digits");
    r->job->document = json_string_value(path);
    r->job->sha256 = json_string_value(hash);
    return YOCO_OK;
}

static yoco_status read_max_tokens(reader *r, const json_t *value)
{
    int64_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 1 || n > MAX_TOKENS)
        return refuse(r, value, "a whole number, at least 1");
    if (r->job->max_tokens > 0 && r->job->max_tokens != n)
        return yoco_batch_fault_set(r->fault, r->name, "stands beside another limit of tokens");
    r->job->max_tokens = n;
    return YOCO_OK;
}

static yoco_status read_temperature(reader *r, const json_t *value)
{
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x >= 0.0 && x <= 1e6))
        return refuse(r, value, "a number, at least 0");
    r->job->sampling.temperature = x;
    return YOCO_OK;
}

static yoco_status read_top_p(reader *r, const json_t *value)
{
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x > 0.0 && x <= 1.0))
        return refuse(r, value, "a number above 0 and at most 1");
    r->job->sampling.top_p = x;
    return YOCO_OK;
}

static yoco_status read_top_k(reader *r, const json_t *value)
{
    json_int_t k = json_integer_value(value);
    if (!json_is_integer(value) || k < -1)
        return refuse(r, value, "a whole number, 0 or -1 for all");
    r->job->sampling.top_k = k > 0 ? k : 0;
    return YOCO_OK;
}

/* A seed above INT64_MAX was read as a real; its digits are in the line. */
static bool large_seed(const reader *r, double real, uint64_t *out)
{
    static const char *const path[] = {"body", "seed"};
    const char *digits;
    char copy[24], *end = copy;
    size_t size;
    if (!(real >= 0.0 && real == floor(real)))
        return false;
    if (yoco_json_find(r->line, r->size, path, 2, &digits, &size) && size < sizeof copy) {
        memcpy(copy, digits, size);
        copy[size] = '\0';
        errno = 0;
        *out = strtoull(copy, &end, 10);
        if (errno == 0 && end == copy + size)
            return true;
    }
    *out = real < 0x1p64 ? (uint64_t)real : 0; /* 1e19 */
    return real < 0x1p64;
}

static yoco_status read_seed(reader *r, const json_t *value)
{
    r->job->sampling.seed = (uint64_t)json_integer_value(value);
    if (json_is_integer(value) ||
        (json_is_real(value) && large_seed(r, json_real_value(value), &r->job->sampling.seed)))
        return YOCO_OK;
    return refuse(r, value, "a whole number of 64 bits");
}

static yoco_status read_logprobs(reader *r, const json_t *value)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > YOCO_BATCH_MAX_LOGPROBS)
        return refuse(r, value, "a whole number from 0 to 20");
    r->job->logprobs = true;
    r->job->n_logprobs = (int)n;
    return YOCO_OK;
}

static yoco_status read_chat_logprobs(reader *r, const json_t *value)
{
    if (!json_is_boolean(value))
        return refuse(r, value, "true or false");
    r->job->logprobs = json_is_true(value);
    return YOCO_OK;
}

static yoco_status read_top_logprobs(reader *r, const json_t *value)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > YOCO_BATCH_MAX_LOGPROBS)
        return refuse(r, value, "a whole number from 0 to 20");
    r->job->n_logprobs = (int)n;
    return YOCO_OK;
}

static yoco_status no_echo(reader *r, const json_t *value)
{
    if (json_is_false(value))
        return YOCO_OK;
    return yoco_batch_fault_set(r->fault, r->name,
                                "is not supported: the prompt is not repeated, "
                                "and prefill, which exits early, has no log-probabilities of it");
}

static yoco_status no_prompt_logprobs(reader *r, const json_t *value)
{
    (void)value;
    return yoco_batch_fault_set(r->fault, r->name,
                                "is not supported: prefill exits early and has "
                                "no log-probabilities of prompt tokens");
}

typedef struct field {
    const char *name;
    int urls;
    read_value read;
} field;

static const field fields[] = {
    {"prompt", COMPLETIONS, read_prompt},
    {"messages", CHAT, read_messages},
    {"document", BOTH, read_document},
    {"model", BOTH, read_model},
    {"max_tokens", BOTH, read_max_tokens},
    {"max_completion_tokens", CHAT, read_max_tokens},
    {"temperature", BOTH, read_temperature},
    {"top_p", BOTH, read_top_p},
    {"top_k", BOTH, read_top_k},
    {"seed", BOTH, read_seed},
    {"stop", BOTH, read_stop},
    {"logprobs", COMPLETIONS, read_logprobs},
    {"logprobs", CHAT, read_chat_logprobs},
    {"top_logprobs", CHAT, read_top_logprobs},
    {"echo", BOTH, no_echo},
    {"prompt_logprobs", BOTH, no_prompt_logprobs},
};

static const field *find_field(const char *name, bool chat)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if ((fields[i].urls & (chat ? CHAT : COMPLETIONS)) && strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* Checks that need several fields. */
static yoco_status check_whole(reader *r)
{
    yoco_batch_job *job = r->job;
    if (job->n_prompts == 0)
        return yoco_batch_fault_set(r->fault, job->chat ? "body.messages" : "body.prompt",
                                    "is missing");
    if (job->chat && job->n_logprobs > 0 && !job->logprobs)
        return yoco_batch_fault_set(r->fault, "body.top_logprobs", "needs logprobs true");
    if (job->max_tokens == 0)
        job->max_tokens = job->chat ? DEFAULT_CHAT_TOKENS : DEFAULT_TOKENS;
    return YOCO_OK;
}

/* Fields without a reader ask for nothing, or for what is not there. */
static yoco_status judge_other(reader *r, const char *key, const json_t *value)
{
    char rule[128];
    if (!yoco_batch_harmless_find(key, r->job->chat, rule, sizeof rule))
        return yoco_batch_fault_set(r->fault, r->name,
                                    "is unknown or not supported, and leaving "
                                    "it out could change the result");
    if (yoco_batch_harmless_is(key, r->job->chat, value))
        return YOCO_OK;
    return refuse(r, value, rule);
}

yoco_status yoco_batch_body_read(const json_t *body, const char *line, size_t size,
                                 yoco_batch_job *job, yoco_batch_fault *fault)
{
    reader r = {.job = job, .fault = fault, .line = line, .size = size};
    const char *key;
    json_t *value;
    if (!json_is_object(body))
        return yoco_batch_fault_set(fault, "body", "must be an object");
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        const field *f = find_field(key, job->chat);
        snprintf(r.name, sizeof r.name, "body.%s", key);
        if (json_is_null(value)) /* as if it were not there */
            continue;
        YOCO_TRY(f ? f->read(&r, value) : judge_other(&r, key, value));
    }
    return check_whole(&r);
}
