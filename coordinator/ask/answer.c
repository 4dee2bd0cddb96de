#include "coordinator/ask/answer.h"

#include <stdlib.h>
#include <string.h>

yoco_status yoco_answer_create(int64_t n_max, int vocab_size, bool keep_logits, yoco_answer *out)
{
    yoco_answer answer = {.n_max = n_max};
    size_t n_logits = 0;
    YOCO_TRY(yoco_alloc((size_t)n_max * sizeof *answer.ids, "answer ids", (void **)&answer.ids));
    if (keep_logits) {
        yoco_status status = YOCO_ERR_MEMORY;
        if (yoco_size_mul((size_t)n_max, (size_t)vocab_size * sizeof(float), &n_logits))
            status = yoco_alloc(n_logits, "logits of an answer", (void **)&answer.logits);
        if (status != YOCO_OK) {
            yoco_free(answer.ids);
            return status;
        }
    }
    *out = answer;
    return YOCO_OK;
}

yoco_status yoco_answer_keep_logprobs(yoco_answer *answer, int n_logprobs)
{
    size_t n = (size_t)answer->n_max * (1 + (size_t)n_logprobs);
    answer->n_logprobs = n_logprobs;
    return yoco_alloc(n * sizeof *answer->logprobs, "log-probabilities of an answer",
                      (void **)&answer->logprobs);
}

void yoco_answer_free(yoco_answer *answer)
{
    yoco_free(answer->logprobs);
    yoco_free(answer->ids);
    yoco_free(answer->logits);
    free(answer->text);
    *answer = (yoco_answer){0};
}

static yoco_status append_text(yoco_answer *answer, const char *bytes, size_t size)
{
    if (answer->text_size + size > answer->text_capacity) {
        size_t capacity = 2 * (answer->text_size + size);
        char *text = realloc(answer->text, capacity);
        if (!text) {
            yoco_log_error("cannot allocate %zu bytes for an answer's text", capacity);
            return YOCO_ERR_MEMORY;
        }
        answer->text = text;
        answer->text_capacity = capacity;
    }
    memcpy(answer->text + answer->text_size, bytes, size);
    answer->text_size += size;
    return YOCO_OK;
}

/* Cuts the text at the first stop string that is complete, which starts at `shown` or later; else
 * moves `shown` up to where one may still begin. */
static void apply_stops(yoco_answer *answer, const yoco_strings *stops)
{
    size_t held = answer->text_size;
    for (size_t at = answer->shown; at < answer->text_size; at++) {
        size_t left = answer->text_size - at;
        for (int i = 0; i < stops->n; i++) {
            size_t length = strlen(stops->values[i]), n = length < left ? length : left;
            if (memcmp(answer->text + at, stops->values[i], n) != 0)
                continue;
            if (n == length) {
                answer->text_size = answer->shown = at;
                answer->finish = YOCO_FINISH_STOP;
                return;
            }
            held = at < held ? at : held;
        }
    }
    answer->shown = held;
}

static bool ends_answer(const yoco_answer *answer, const yoco_tokenizer *tokenizer, int32_t id)
{
    for (int i = 0; i < answer->n_ends; i++)
        if (answer->ends[i] == id)
            return true;
    return tokenizer && yoco_tokenizer_is_end(tokenizer, id);
}

yoco_status yoco_answer_add(yoco_answer *answer, const yoco_tokenizer *tokenizer,
                            const yoco_strings *stops, int32_t id)
{
    answer->ids[answer->n++] = id;
    if (tokenizer) {
        size_t size;
        const char *bytes = yoco_tokenizer_bytes(tokenizer, id, &size);
        if (size > 0)
            YOCO_TRY(append_text(answer, bytes, size));
    }
    if (ends_answer(answer, tokenizer, id))
        answer->finish = YOCO_FINISH_STOP;
    if (tokenizer)
        apply_stops(answer, stops);
    if (answer->finish == YOCO_RUNNING && answer->n == answer->n_max)
        answer->finish = YOCO_FINISH_LENGTH;
    if (answer->finish != YOCO_RUNNING)
        answer->shown = answer->text_size;
    return YOCO_OK;
}

yoco_status yoco_answer_text(const yoco_answer *answer, char **text, size_t *size)
{
    yoco_utf8_stream utf8 = {0};
    char *valid = NULL;
    YOCO_TRY(yoco_alloc(3 * (answer->text_size + 6), "an answer's text", (void **)&valid));
    *size = yoco_utf8_stream_push(&utf8, answer->text, answer->text_size, false, valid);
    *size += yoco_utf8_stream_push(&utf8, NULL, 0, true, valid + *size);
    *text = valid;
    return YOCO_OK;
}
