#include "coordinator/batch/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/journal.h"
#include "coordinator/batch/body.h"

enum { MAX_LOGGED = 20 };

static yoco_status no_memory(const yoco_batch_input *input)
{
    yoco_log_error("%s: cannot allocate its table of jobs", input->name);
    return YOCO_ERR_MEMORY;
}

static yoco_status split_lines(yoco_batch_input *input)
{
    int64_t capacity = 0;
    for (yoco_line line = {0}; yoco_line_next(input->text.data, input->text.size, &line);) {
        if (input->n == capacity) {
            capacity = 2 * capacity + 16;
            yoco_batch_entry *entries = realloc(input->entries, (size_t)capacity * sizeof *entries);
            if (!entries)
                return no_memory(input);
            input->entries = entries;
        }
        input->entries[input->n++] =
            (yoco_batch_entry){.line = line.number, .text = line.text, .size = line.size};
    }
    return YOCO_OK;
}

yoco_status yoco_batch_input_read(const char *path, int64_t max_bad, yoco_batch_input *out)
{
    yoco_batch_input input = {.name = strcmp(path, "-") == 0 ? "stdin" : path, .max_bad = max_bad};
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &input.text));
    yoco_status status = split_lines(&input);
    if (status == YOCO_OK && input.n == 0) {
        yoco_log_error("%s holds no job: every line is one, in the OpenAI batch format",
                       input.name);
        status = YOCO_ERR_DATA;
    }
    input.places = json_object();
    if (status == YOCO_OK && !input.places)
        status = no_memory(&input);
    if (status != YOCO_OK) {
        yoco_batch_input_free(&input);
        return status;
    }
    *out = input;
    return YOCO_OK;
}

void yoco_batch_input_free(yoco_batch_input *input)
{
    for (int64_t i = 0; i < input->n; i++) {
        yoco_batch_entry *entry = &input->entries[i];
        yoco_batch_job_free(&entry->job);
        entry->prompt.context = (yoco_ids){0}; /* in `whole` */
        yoco_prompt_free(&entry->prompt);
        yoco_free(entry->whole.ids);
    }
    json_decref(input->places);
    free(input->entries);
    yoco_text_free(&input->text);
    *input = (yoco_batch_input){0};
}

void yoco_batch_fault_explain(int64_t line, const yoco_batch_fault *fault, char *text, size_t size)
{
    snprintf(text, size, "line %lld: %s%s%s", (long long)line, fault->field,
             fault->field[0] ? " " : "", fault->reason);
}

/* A bad line's id: of the line and what is wrong with it. */
static yoco_status identify_bad(const char *reason, yoco_batch_entry *entry)
{
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_hasher_add(hasher, reason, strlen(reason) + 1);
    yoco_hasher_add(hasher, entry->text, entry->size);
    yoco_hash_text(yoco_hasher_finish(hasher), entry->id);
    return YOCO_OK;
}

/* A good line's id: of what is asked, of what document, in which circumstances. */
static yoco_status identify_good(const yoco_batch_input *input, const char *fingerprint,
                                 yoco_batch_entry *entry)
{
    yoco_hasher *hasher;
    yoco_chat_text chat = {0};
    yoco_status status = YOCO_OK;
    if (input->chat && entry->job.chat)
        status = yoco_batch_body_render(&entry->job, input->chat, &chat);
    if (status == YOCO_OK)
        status = yoco_hasher_create(&hasher);
    if (status != YOCO_OK) {
        yoco_chat_text_free(&chat);
        return status;
    }
    yoco_hasher_add(hasher, fingerprint, strlen(fingerprint) + 1);
    yoco_batch_job_hash(&entry->job, hasher);
    if (entry->document)
        yoco_hasher_add(hasher, &entry->document->hash, sizeof entry->document->hash);
    if (chat.size > 0)
        yoco_hasher_add(hasher, chat.text, chat.size);
    yoco_chat_text_free(&chat);
    yoco_hash_text(yoco_hasher_finish(hasher), entry->id);
    return YOCO_OK;
}

/* An error that is the line's becomes its mark; any other is passed up. */
static yoco_status judge(yoco_batch_input *input, yoco_batch_entry *entry, yoco_status status)
{
    if (status != YOCO_ERR_DATA)
        return status;
    char reason[640];
    yoco_batch_fault *fault = &entry->fault;
    if (!fault->reason[0]) /* the tokenizer's pattern gave up */
        yoco_batch_fault_set(fault, "body", "cannot be tokenized");
    yoco_batch_fault_explain(entry->line, fault, reason, sizeof reason);
    YOCO_TRY(identify_bad(reason, entry));
    entry->bad = true;
    input->n_bad++;
    if (input->n_bad <= MAX_LOGGED)
        yoco_log_error("%s:%lld: %s%s%s", input->name, (long long)entry->line, fault->field,
                       fault->field[0] ? " " : "", fault->reason);
    else if (input->n_bad == MAX_LOGGED + 1)
        yoco_log_error("%s: more bad lines follow, which are not shown", input->name);
    if (input->n_bad <= input->max_bad)
        return YOCO_OK;
    if (input->max_bad > 0)
        yoco_log_error("%s has more than %lld bad lines: nothing is computed", input->name,
                       (long long)input->max_bad);
    return YOCO_ERR_DATA;
}

static yoco_status check_entry(yoco_batch_documents *documents, yoco_batch_entry *entry)
{
    YOCO_TRY(yoco_batch_job_parse(entry->text, entry->size, &entry->job, &entry->fault));
    return yoco_batch_documents_find(documents, &entry->job, &entry->document, &entry->fault);
}

/* A bad line has its custom_id for itself too; the second of two gets none. */
static yoco_status check_unique(yoco_batch_input *input, yoco_batch_entry *entry)
{
    const char *id = entry->job.custom_id;
    if (!id)
        return YOCO_OK;
    const json_t *place = json_object_get(input->places, id);
    if (place) {
        int64_t first = input->entries[json_integer_value(place)].line;
        entry->job.custom_id = NULL;
        return yoco_batch_fault_set(&entry->fault, "custom_id", "'%s' is that of line %lld already",
                                    id, (long long)first);
    }
    if (json_object_set_new(input->places, id, json_integer(entry - input->entries)) != 0)
        return no_memory(input);
    return YOCO_OK;
}

yoco_status yoco_batch_input_check(yoco_batch_input *input, yoco_batch_documents *documents)
{
    for (int64_t i = 0; i < input->n; i++) {
        yoco_batch_entry *entry = &input->entries[i];
        yoco_status status = check_entry(documents, entry);
        if (status == YOCO_OK || status == YOCO_ERR_DATA) {
            yoco_status unique = check_unique(input, entry);
            status = unique != YOCO_OK ? unique : status;
        }
        YOCO_TRY(judge(input, entry, status));
    }
    return YOCO_OK;
}

yoco_status yoco_batch_input_identify(yoco_batch_input *input, const char *fingerprint)
{
    for (int64_t i = 0; i < input->n; i++)
        if (!input->entries[i].bad)
            YOCO_TRY(identify_good(input, fingerprint, &input->entries[i]));
    return YOCO_OK;
}

bool yoco_batch_input_has_chats(const yoco_batch_input *input)
{
    for (int64_t i = 0; i < input->n; i++)
        if (!input->entries[i].bad && input->entries[i].job.chat)
            return true;
    return false;
}

static yoco_status encode_chat(const yoco_tokenizer *tokenizer, const yoco_chat_template *t,
                               bool bos, const yoco_batch_job *job, yoco_ids *out)
{
    yoco_chat_text chat = {0};
    yoco_status status = yoco_batch_body_render(job, t, &chat);
    if (status == YOCO_OK)
        status = yoco_tokenizer_encode_spans(tokenizer, chat.text, chat.spans, chat.n_spans, bos,
                                             &out->ids, &out->n);
    yoco_chat_text_free(&chat);
    return status;
}

static yoco_status encode_question(const yoco_batch_input *input, const yoco_tokenizer *tokenizer,
                                   const char *text, bool bos, yoco_batch_entry *entry,
                                   yoco_question *question)
{
    if (input->chat && entry->job.chat)
        YOCO_TRY(encode_chat(tokenizer, input->chat, bos, &entry->job, &question->tokens));
    else
        YOCO_TRY(yoco_ids_encode(tokenizer, text, strlen(text), false, bos, &question->tokens));
    if (question->tokens.n > 0)
        return YOCO_OK;
    return yoco_batch_fault_set(&entry->fault, "body.prompt", "has no token");
}

/* One text without a document is prefilled as a context, so that all ranks share the work; its last
 * token is the branch. Several are branches of an empty context, decoded together. */
static yoco_status split_last(yoco_batch_entry *entry)
{
    yoco_ids *tokens = &entry->prompt.questions[0].tokens;
    int32_t *last = NULL;
    YOCO_TRY(yoco_alloc(sizeof *last, "token ids", (void **)&last));
    *last = tokens->ids[tokens->n - 1];
    entry->whole = *tokens;
    entry->prompt.context = (yoco_ids){entry->whole.ids, entry->whole.n - 1};
    *tokens = (yoco_ids){last, 1};
    return YOCO_OK;
}

static yoco_status check_lengths(yoco_batch_entry *entry, int64_t max_seq_len)
{
    yoco_prompt *prompt = &entry->prompt;
    for (int i = 0; i < prompt->n_questions; i++) {
        int64_t n = prompt->questions[i].tokens.n, n_prompt = prompt->context.n + n;
        if (n_prompt > max_seq_len || entry->job.max_tokens > max_seq_len - n_prompt)
            return yoco_batch_fault_set(
                &entry->fault, "body.max_tokens",
                "of %lld after a prompt of %lld tokens is more than the model's max_seq_len of "
                "%lld",
                (long long)entry->job.max_tokens, (long long)n_prompt, (long long)max_seq_len);
        prompt->branch_rows = yoco_i64_max(prompt->branch_rows, n + entry->job.max_tokens - 1);
    }
    return YOCO_OK;
}

static yoco_status encode_entry(const yoco_batch_input *input, yoco_batch_entry *entry,
                                yoco_batch_documents *documents, const yoco_tokenizer *tokenizer,
                                int64_t max_seq_len)
{
    const yoco_batch_job *job = &entry->job;
    yoco_prompt *prompt = &entry->prompt;
    prompt->questions = calloc((size_t)job->n_prompts, sizeof *prompt->questions);
    if (!prompt->questions)
        return no_memory(input);
    prompt->n_questions = job->n_prompts;
    prompt->has_questions = entry->document != NULL;
    if (entry->document) {
        if (entry->document->n_tokens < 0)
            YOCO_TRY(
                yoco_batch_documents_encode(documents, entry->document, tokenizer, &entry->fault));
        prompt->context.n = entry->document->n_tokens;
    }
    for (int i = 0; i < job->n_prompts; i++)
        YOCO_TRY(encode_question(input, tokenizer, job->prompts[i], !entry->document, entry,
                                 &prompt->questions[i]));
    if (!entry->document && job->n_prompts == 1)
        YOCO_TRY(split_last(entry));
    return check_lengths(entry, max_seq_len);
}

yoco_status yoco_batch_input_encode(yoco_batch_input *input, yoco_batch_documents *documents,
                                    const yoco_tokenizer *tokenizer, int64_t max_seq_len)
{
    for (int64_t i = 0; i < input->n; i++) {
        yoco_batch_entry *entry = &input->entries[i];
        if (entry->bad || entry->done)
            continue;
        YOCO_TRY(
            judge(input, entry, encode_entry(input, entry, documents, tokenizer, max_seq_len)));
    }
    return YOCO_OK;
}

yoco_status yoco_batch_entry_context(const yoco_batch_entry *entry, yoco_batch_documents *documents,
                                     const yoco_tokenizer *tokenizer, yoco_batch_fault *fault,
                                     yoco_ids *out)
{
    *out = entry->prompt.context;
    if (!entry->document || !entry->document->path)
        return YOCO_OK;
    YOCO_TRY(yoco_batch_documents_encode(documents, entry->document, tokenizer, fault));
    *out = entry->document->ids;
    return YOCO_OK;
}
