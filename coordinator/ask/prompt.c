#include "coordinator/ask/prompt.h"

#include "configs/files/text_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Whitespace-separated decimal ids. */
static yoco_status parse_ids(const char *path, const yoco_text *file, int vocab_size, yoco_ids *out)
{
    int32_t *ids = NULL;
    int64_t n = 0;
    const char *text = file->data;
    size_t i = 0;
    YOCO_TRY(yoco_alloc((file->size / 2 + 1) * sizeof *ids, "token ids", (void **)&ids));
    while (true) {
        while (i < file->size && isspace((unsigned char)text[i]))
            i++;
        if (i == file->size)
            break;
        size_t start = i;
        int64_t value = 0;
        while (i < file->size && isdigit((unsigned char)text[i]) && value <= INT32_MAX)
            value = 10 * value + (text[i++] - '0');
        bool ends = i == file->size || isspace((unsigned char)text[i]);
        if (i == start || !ends || value >= vocab_size) {
            size_t length = 0;
            while (length < 20 && start + length < file->size &&
                   isgraph((unsigned char)text[start + length]))
                length++;
            yoco_log_error("%s: '%.*s' at byte %zu is no token id: ids are whole numbers from 0 to "
                           "%d, separated by white space",
                           path, (int)length, text + start, start, vocab_size - 1);
            yoco_free(ids);
            return YOCO_ERR_DATA;
        }
        ids[n++] = (int32_t)value;
    }
    *out = (yoco_ids){ids, n};
    return YOCO_OK;
}

static yoco_status load_ids(const char *path, int vocab_size, yoco_ids *out)
{
    yoco_text file;
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &file));
    yoco_status status = parse_ids(path, &file, vocab_size, out);
    yoco_text_free(&file);
    return status;
}

yoco_status yoco_ids_encode(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                            bool special_tokens, bool bos, yoco_ids *out)
{
    return (bos ? yoco_tokenizer_encode_document
                : yoco_tokenizer_encode)(tokenizer, text, size, special_tokens, &out->ids, &out->n);
}

yoco_status yoco_turn_render(const yoco_chat_template *t, const char *text, size_t size, bool opens,
                             bool closes, yoco_chat_text *out)
{
    if (opens)
        YOCO_TRY(yoco_chat_open_turn(t, "user", out));
    YOCO_TRY(yoco_chat_add_content(t, text, size, opens, closes, out));
    if (!closes)
        return YOCO_OK;
    YOCO_TRY(yoco_chat_close_turn(t, out));
    return yoco_chat_open_answer(t, out);
}

yoco_status yoco_turn_encode(const yoco_chat_template *t, const yoco_tokenizer *tokenizer,
                             const char *text, size_t size, bool opens, bool closes, bool bos,
                             yoco_ids *out)
{
    yoco_chat_text chat = {0};
    yoco_status status = yoco_turn_render(t, text, size, opens, closes, &chat);
    if (status == YOCO_OK)
        status = yoco_tokenizer_encode_spans(tokenizer, chat.text, chat.spans, chat.n_spans, bos,
                                             &out->ids, &out->n);
    yoco_chat_text_free(&chat);
    return status;
}

static yoco_status encode(const yoco_prompt_options *options, const yoco_tokenizer *tokenizer,
                          const char *text, size_t size, bool is_document, yoco_ids *out)
{
    bool bos = is_document && !options->no_bos;
    if (!tokenizer) {
        yoco_log_error("the model folder has no tokenizer (yoco_tokenizer.json or tokenizer.json): "
                       "give token ids with --prompt-ids and --question-ids");
        return YOCO_ERR_DATA;
    }
    /* A document opens the turn that its questions close; without questions it closes it itself. */
    if (options->chat_template)
        return yoco_turn_encode(options->chat_template, tokenizer, text, size, is_document,
                                !is_document || !options->is_asked, bos, out);
    return yoco_ids_encode(tokenizer, text, size, options->special_tokens, bos, out);
}

yoco_status yoco_prompt_open_tokenizer(const yoco_prompt_options *options, const char *model,
                                       int vocab_size, bool other_text, yoco_tokenizer **out)
{
    char why[YOCO_LOG_LINE_BYTES];
    if (other_text || options->file || options->text || options->questions.n > 0 || options->chat ||
        options->special_tokens || options->no_bos)
        return yoco_tokenizer_open(model, vocab_size, out);
    YOCO_TRY(yoco_tokenizer_try(model, vocab_size, why, out));
    if (why[0])
        yoco_log_warn("no text, ids only, and no end token of the tokenizer's: %s", why);
    return YOCO_OK;
}

yoco_status yoco_prompt_check_options(const yoco_prompt_options *options,
                                      const yoco_tokenizer *tokenizer)
{
    if (options->chat && (options->ids_file || options->question_ids.n > 0)) {
        yoco_log_error("--chat is about text, and --prompt-ids and --question-ids are ids");
        return YOCO_ERR_USAGE;
    }
    if (options->chat && options->special_tokens) {
        yoco_log_error("--chat and --special-tokens exclude each other: in a chat only the "
                       "template's text has special tokens");
        return YOCO_ERR_USAGE;
    }
    if (tokenizer && options->no_bos && !options->file && !options->text) {
        yoco_log_error("--no-bos is about a text document (-f FILE or -p TEXT), and there is none");
        return YOCO_ERR_USAGE;
    }
    if (tokenizer || !(options->special_tokens || options->no_bos || options->chat))
        return YOCO_OK;
    yoco_log_error("--%s is about text, and the model folder has no tokenizer "
                   "(yoco_tokenizer.json or tokenizer.json)",
                   options->special_tokens ? "special-tokens"
                   : options->no_bos       ? "no-bos"
                                           : "chat");
    return YOCO_ERR_USAGE;
}

yoco_status yoco_prompt_open_chat(yoco_prompt_options *options, const char *model,
                                  const char *model_type, const yoco_tokenizer *tokenizer)
{
    if (!options->chat)
        return YOCO_OK;
    if (model_type)
        return yoco_chat_template_find(model, model_type, tokenizer, &options->chat_template);
    yoco_log_error("%s has no config.json, whose model_type says which chat template --chat takes",
                   model);
    return YOCO_ERR_DATA;
}

static yoco_status load_text(const yoco_prompt_options *options, const yoco_tokenizer *tokenizer,
                             yoco_ids *out)
{
    yoco_text text = {0};
    yoco_ids ids = {0};
    if (options->file)
        YOCO_TRY(yoco_text_read(options->file, YOCO_FILE_DOCUMENT, &text));
    else
        text = (yoco_text){.data = options->text, .size = strlen(options->text)};
    yoco_status status = YOCO_OK;
    if (text.size > 0)
        status = encode(options, tokenizer, text.data, text.size, true, &ids);
    yoco_text_free(&text);
    YOCO_TRY(status);
    *out = ids;
    return YOCO_OK;
}

yoco_status yoco_prompt_document(const yoco_prompt_options *options,
                                 const yoco_tokenizer *tokenizer, int vocab_size, yoco_ids *out)
{
    const char *source = options->ids_file ? options->ids_file : options->file;
    yoco_ids ids;
    if (options->ids_file)
        YOCO_TRY(load_ids(options->ids_file, vocab_size, &ids));
    else
        YOCO_TRY(load_text(options, tokenizer, &ids));
    if (ids.n == 0) {
        yoco_log_error("%s is empty: a prompt has at least one token", !source ? "the prompt"
                                                                       : strcmp(source, "-") == 0
                                                                           ? "stdin"
                                                                           : source);
        yoco_free(ids.ids);
        return YOCO_ERR_DATA;
    }
    *out = ids;
    return YOCO_OK;
}

static yoco_status load_question(const yoco_prompt_options *options,
                                 const yoco_tokenizer *tokenizer, int vocab_size, const char *text,
                                 const char *ids_file, yoco_question *out)
{
    yoco_ids ids = {0};
    if (ids_file)
        YOCO_TRY(load_ids(ids_file, vocab_size, &ids));
    else if (text && text[0])
        YOCO_TRY(encode(options, tokenizer, text, strlen(text), false, &ids));
    if (ids.n == 0) {
        yoco_log_error("%s is empty: a question has at least one token",
                       ids_file ? ids_file : "a question");
        yoco_free(ids.ids);
        return YOCO_ERR_DATA;
    }
    *out = (yoco_question){.text = text, .tokens = ids, .from_ids = ids_file != NULL};
    return YOCO_OK;
}

/* Loads questions in the order of the command line, texts and id files mixed. */
static yoco_status load_questions(const yoco_prompt_options *options,
                                  const yoco_tokenizer *tokenizer, int vocab_size,
                                  yoco_prompt *prompt)
{
    const yoco_strings *texts = &options->questions, *files = &options->question_ids;
    for (int t = 0, f = 0; t < texts->n || f < files->n; prompt->n_questions++) {
        bool text_first = f == files->n || (t < texts->n && texts->places[t] < files->places[f]);
        YOCO_TRY(load_question(options, tokenizer, vocab_size, text_first ? texts->values[t] : NULL,
                               text_first ? NULL : files->values[f],
                               &prompt->questions[prompt->n_questions]));
        if (text_first)
            t++;
        else
            f++;
    }
    return YOCO_OK;
}

/* Without a question the prompt's last token is the branch's: it is the first decode step. */
static yoco_status split_last(const yoco_prompt_options *options, yoco_prompt *prompt)
{
    int32_t *last = NULL;
    YOCO_TRY(yoco_alloc(sizeof *last, "token ids", (void **)&last));
    *last = prompt->context.ids[--prompt->context.n];
    prompt->questions[0] =
        (yoco_question){.tokens = {last, 1}, .from_ids = options->ids_file != NULL};
    prompt->n_questions = 1;
    return YOCO_OK;
}

static yoco_status check_lengths(const yoco_prompt_options *options, int64_t max_seq_len,
                                 yoco_prompt *prompt)
{
    for (int i = 0; i < prompt->n_questions; i++) {
        int64_t n_prompt = prompt->context.n + prompt->questions[i].tokens.n;
        if (n_prompt > max_seq_len || options->n_generate > max_seq_len - n_prompt) {
            yoco_log_error("the prompt has %lld tokens and -n asks for %lld more, but the model's "
                           "max_seq_len is %lld: shorten one of them",
                           (long long)n_prompt, (long long)options->n_generate,
                           (long long)max_seq_len);
            return YOCO_ERR_DATA;
        }
        prompt->branch_rows = yoco_i64_max(prompt->branch_rows,
                                           prompt->questions[i].tokens.n + options->n_generate - 1);
    }
    return YOCO_OK;
}

static yoco_status allocate_questions(int64_t n, yoco_prompt *prompt)
{
    yoco_question *questions = calloc((size_t)n, sizeof *questions);
    if (!questions) {
        yoco_log_error("cannot allocate %lld questions", (long long)n);
        return YOCO_ERR_MEMORY;
    }
    prompt->questions = questions;
    return YOCO_OK;
}

static yoco_status load(const yoco_prompt_options *options, const yoco_tokenizer *tokenizer,
                        int vocab_size, int64_t max_seq_len, yoco_prompt *prompt)
{
    int n_asked = options->questions.n + options->question_ids.n;
    prompt->has_questions = n_asked > 0;
    YOCO_TRY(allocate_questions(n_asked > 0 ? n_asked : 1, prompt));
    prompt->is_loaded = options->context != NULL;
    if (prompt->is_loaded)
        prompt->context = *options->context;
    else
        YOCO_TRY(yoco_prompt_document(options, tokenizer, vocab_size, &prompt->context));
    if (prompt->has_questions)
        YOCO_TRY(load_questions(options, tokenizer, vocab_size, prompt));
    else
        YOCO_TRY(split_last(options, prompt));
    return check_lengths(options, max_seq_len, prompt);
}

yoco_status yoco_ids_share(yoco_comm *comm, yoco_ids *ids)
{
    YOCO_TRY(yoco_broadcast(comm, 0, &ids->n, sizeof ids->n));
    size_t bytes = (size_t)ids->n * sizeof *ids->ids;
    yoco_status status = YOCO_OK;
    if (comm->rank != 0)
        status = yoco_alloc(bytes, "token ids", (void **)&ids->ids);
    YOCO_TRY(yoco_agree(comm, status));
    return yoco_broadcast(comm, 0, ids->ids, bytes);
}

yoco_status yoco_prompt_share(yoco_comm *comm, yoco_prompt *prompt)
{
    int64_t sizes[] = {prompt->n_questions, prompt->has_questions, prompt->branch_rows,
                       prompt->is_loaded, prompt->context.n};
    YOCO_TRY(yoco_broadcast(comm, 0, sizes, sizeof sizes));
    yoco_status status = YOCO_OK;
    if (!prompt->questions)
        status = allocate_questions(sizes[0], prompt);
    YOCO_TRY(yoco_agree(comm, status));
    prompt->n_questions = (int)sizes[0];
    prompt->has_questions = sizes[1] != 0;
    prompt->branch_rows = sizes[2];
    prompt->is_loaded = sizes[3] != 0;
    prompt->context.n = sizes[4];
    if (!prompt->is_loaded)
        YOCO_TRY(yoco_ids_share(comm, &prompt->context));
    for (int i = 0; prompt->questions && i < prompt->n_questions; i++)
        YOCO_TRY(yoco_ids_share(comm, &prompt->questions[i].tokens));
    return YOCO_OK;
}

yoco_status yoco_prompt_load(yoco_comm *comm, const yoco_prompt_options *options,
                             const yoco_tokenizer *tokenizer, int vocab_size, int64_t max_seq_len,
                             yoco_prompt *out)
{
    yoco_prompt prompt = {0};
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = load(options, tokenizer, vocab_size, max_seq_len, &prompt);
    status = yoco_agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_prompt_share(comm, &prompt);
    if (status != YOCO_OK) {
        yoco_prompt_free(&prompt);
        return status;
    }
    *out = prompt;
    return YOCO_OK;
}

void yoco_prompt_free(yoco_prompt *prompt)
{
    for (int i = 0; prompt->questions && i < prompt->n_questions; i++)
        yoco_free(prompt->questions[i].tokens.ids);
    free(prompt->questions);
    if (!prompt->is_loaded)
        yoco_free(prompt->context.ids);
    *prompt = (yoco_prompt){0};
}
