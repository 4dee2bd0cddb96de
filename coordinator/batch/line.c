#include "coordinator/batch/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/text/utf8.h"

/* A token as JSON may hold it: its text, or "bytes:\xf0\x9f" where that is not UTF-8, or "" for one
 * without text. */
static void bytes_text(const char *bytes, size_t size, char **out)
{
    size_t room = sizeof "bytes:" + 4 * size;
    char *text = malloc(room);
    *out = text;
    if (!text)
        return;
    if (yoco_utf8_valid_bytes((const unsigned char *)bytes, size) == size) {
        if (size > 0)
            memcpy(text, bytes, size);
        text[size] = '\0';
        if (memchr(text, '\0', size) == NULL)
            return;
    }
    int at = snprintf(text, room, "bytes:");
    for (size_t i = 0; i < size; i++)
        at += snprintf(text + at, room - (size_t)at, "\\x%02x", (unsigned char)bytes[i]);
}

static void token_text(const yoco_tokenizer *tokenizer, int32_t id, char **out)
{
    size_t size = 0;
    const char *bytes = yoco_tokenizer_bytes(tokenizer, id, &size);
    bytes_text(bytes, size, out);
}

static json_t *json_text(const char *bytes, size_t size)
{
    char *text;
    bytes_text(bytes, size, &text);
    json_t *token = text ? json_string(text) : NULL;
    free(text);
    return token;
}

static json_t *json_bytes(const char *bytes, size_t size)
{
    json_t *array = json_array();
    for (size_t i = 0; i < size; i++)
        json_array_append_new(array, json_integer((unsigned char)bytes[i]));
    return array;
}

/* Walks over an answer's tokens, and over its text as readers see it. */
typedef struct token_walk {
    const yoco_answer *answer;
    const yoco_tokenizer *tokenizer;
    int64_t i;         /* of the token */
    const char *bytes; /* (size): of the token, as far as no stop string cut them off */
    size_t size, end;  /* where they end in the text */
    int64_t character; /* of the text, that the token begins in */
    int64_t walked;    /* the last character walked over, and where the next begins */
    size_t next;
} token_walk;

/* The character that holds the byte `at`; behind the last of them their number. */
static int64_t character_at(token_walk *w, size_t at)
{
    const unsigned char *text = (const unsigned char *)w->answer->text;
    size_t size = w->answer->text_size;
    while (w->next <= at && w->next < size) {
        size_t length;
        yoco_utf8_next(text + w->next, size - w->next, &length);
        w->next += length;
        w->walked++;
    }
    return at < size ? w->walked : w->walked + 1;
}

/* False behind the last token. Tokens that a stop string cut off as a whole are left out. */
static bool next_token(token_walk *w)
{
    while (++w->i < w->answer->n) {
        size_t begin = w->end, whole = 0;
        w->bytes = yoco_tokenizer_bytes(w->tokenizer, w->answer->ids[w->i], &whole);
        size_t left = w->answer->text_size > begin ? w->answer->text_size - begin : 0;
        w->size = whole < left ? whole : left;
        w->end = begin + whole;
        if (w->size == 0 && whole > 0)
            continue;
        w->character = character_at(w, begin);
        return true;
    }
    return false;
}

static token_walk begin_walk(const yoco_answer *answer, const yoco_tokenizer *tokenizer)
{
    return (token_walk){.answer = answer, .tokenizer = tokenizer, .i = -1, .walked = -1};
}

/* Log-probabilities as /v1/completions has them. */
static json_t *json_logprobs(const yoco_answer *answer, const yoco_tokenizer *tokenizer)
{
    json_t *tokens = json_array(), *logprobs = json_array(), *tops = json_array();
    json_t *offsets = json_array();
    for (token_walk w = begin_walk(answer, tokenizer); next_token(&w);) {
        const yoco_logprob *row = answer->logprobs + w.i * (1 + answer->n_logprobs);
        json_t *top = json_object();
        for (int t = 1; t <= answer->n_logprobs && row[t].id >= 0; t++) {
            char *text;
            token_text(tokenizer, row[t].id, &text);
            if (text && !json_object_get(top, text))
                json_object_set_new(top, text, json_real((double)row[t].logprob));
            free(text);
        }
        json_array_append_new(offsets, json_integer(w.character));
        json_array_append_new(tokens, json_text(w.bytes, w.size));
        json_array_append_new(logprobs, json_real((double)row[0].logprob));
        json_array_append_new(tops, top);
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", logprobs,
                     "top_logprobs", tops, "text_offset", offsets);
}

static json_t *json_chat_logprob(const char *bytes, size_t size, float logprob)
{
    return json_pack("{s:o, s:f, s:o}", "token", json_text(bytes, size), "logprob", (double)logprob,
                     "bytes", json_bytes(bytes, size));
}

/* Log-probabilities as /v1/chat/completions has them. */
static json_t *json_chat_logprobs(const yoco_answer *answer, const yoco_tokenizer *tokenizer)
{
    json_t *content = json_array();
    for (token_walk w = begin_walk(answer, tokenizer); next_token(&w);) {
        const yoco_logprob *row = answer->logprobs + w.i * (1 + answer->n_logprobs);
        json_t *token = json_chat_logprob(w.bytes, w.size, row[0].logprob), *top = json_array();
        for (int t = 1; t <= answer->n_logprobs && row[t].id >= 0; t++) {
            size_t size = 0;
            const char *bytes = yoco_tokenizer_bytes(tokenizer, row[t].id, &size);
            json_array_append_new(top, json_chat_logprob(bytes, size, row[t].logprob));
        }
        json_object_set_new(token, "top_logprobs", top);
        json_array_append_new(content, token);
    }
    return json_pack("{s:o}", "content", content);
}

static json_t *json_choice(const yoco_batch_answered *a, int index)
{
    const yoco_answer *answer = &a->answers[index];
    char *text;
    size_t size;
    if (yoco_answer_text(answer, &text, &size) != YOCO_OK)
        return NULL;
    json_t *choice = json_object(), *logprobs = json_null();
    json_object_set_new(choice, "index", json_integer(index));
    if (a->job->chat)
        json_object_set_new(choice, "message",
                            json_pack("{s:s, s:s%}", "role", "assistant", "content", text, size));
    else
        json_object_set_new(choice, "text", json_stringn(text, size));
    if (answer->logprobs)
        logprobs = a->job->chat ? json_chat_logprobs(answer, a->tokenizer)
                                : json_logprobs(answer, a->tokenizer);
    json_object_set_new(choice, "logprobs", logprobs);
    json_object_set_new(choice, "finish_reason",
                        json_string(answer->finish == YOCO_FINISH_STOP ? "stop" : "length"));
    yoco_free(text);
    return choice;
}

static json_t *json_usage(const yoco_batch_answered *a)
{
    json_int_t n_prompt = a->prompt->context.n, n_answer = 0;
    for (int i = 0; i < a->prompt->n_questions; i++) {
        n_prompt += a->prompt->questions[i].tokens.n;
        n_answer += a->answers[i].n;
    }
    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", n_prompt, "completion_tokens", n_answer,
                     "total_tokens", n_prompt + n_answer);
}

static json_t *json_body(const yoco_batch_answered *a)
{
    char id[64];
    json_t *choices = json_array();
    snprintf(id, sizeof id, "%s-%s", a->job->chat ? "chatcmpl" : "cmpl", a->id);
    for (int i = 0; i < a->prompt->n_questions; i++)
        json_array_append_new(choices, json_choice(a, i));
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:o, s:o}", "id", id, "object",
                     a->job->chat ? "chat.completion" : "text_completion", "created", 0, "model",
                     a->job->model ? a->job->model : "yoco", "system_fingerprint", a->fingerprint,
                     "choices", choices, "usage", json_usage(a));
}

/* Steals body and error. custom_id NULL: null. */
static yoco_status write_line(const char *id, const char *custom_id, int status_code, json_t *body,
                              json_t *error, char **line)
{
    char batch_id[64], request_id[64];
    snprintf(batch_id, sizeof batch_id, "%s%s", YOCO_BATCH_ID_PREFIX, id);
    snprintf(request_id, sizeof request_id, "req_%s", id);
    json_t *root = json_pack("{s:s, s:s?, s:{s:i, s:s, s:o}, s:o}", "id", batch_id, "custom_id",
                             custom_id, "response", "status_code", status_code, "request_id",
                             request_id, "body", body, "error", error);
    size_t size;
    *line = yoco_json_line(root, JSON_REAL_PRECISION(9), &size);
    json_decref(root);
    if (*line)
        return YOCO_OK;
    yoco_log_error("cannot allocate a result line");
    return YOCO_ERR_MEMORY;
}

yoco_status yoco_batch_line_answer(const yoco_batch_answered *a, char **line)
{
    return write_line(a->id, a->job->custom_id, 200, json_body(a), json_null(), line);
}

/* An error stands where clients look for it: OpenAI's in the response's body, vllm's in `error`. */
static yoco_status write_error(const yoco_batch_entry *entry, const yoco_batch_fault *fault,
                               const char *type, int code, char **line)
{
    char reason[640];
    yoco_batch_fault_explain(entry->line, fault, reason, sizeof reason);
    const char *field = fault->field[0] ? fault->field : NULL;
    json_t *error = json_pack("{s:s, s:s, s:s?, s:i}", "message", reason, "type", type, "param",
                              field, "code", code);
    json_t *body = json_pack("{s:O}", "error", error);
    return write_line(entry->id, entry->job.custom_id, code, body, error, line);
}

yoco_status yoco_batch_line_error(const yoco_batch_entry *entry, char **line)
{
    return write_error(entry, &entry->fault, "invalid_request_error", 400, line);
}

yoco_status yoco_batch_line_failure(const yoco_batch_entry *entry, const yoco_batch_fault *fault,
                                    char **line)
{
    return write_error(entry, fault, "server_error", 500, line);
}
