#include "coordinator/text/chat_template.h"

#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "configs/files/path.h"
#include "configs/files/text_file.h"
#include "coordinator/text/utf8.h"

enum { MAX_TYPES = 6, MAX_NEEDED = 2, MAX_TEMPLATE_BYTES = 16 << 20 };

struct yoco_chat_template {
    const char *model_types[MAX_TYPES];
    const char *needed[MAX_NEEDED]; /* special tokens, besides `end` */
    const char *before_role, *after_role;
    const char *end, *after_end; /* of a turn: a special token, and text */
    const char *assistant;       /* what the role is called */
    bool trim;                   /* white space around a content is dropped */
    const char *mark;   /* stands in the folder's own template, where this is the one; NULL: any */
    const char *answer; /* how a reply to be written opens; NULL: with nothing */
};

#define QWEN35                                                                                     \
    .model_types = {"qwen3_5", "qwen3_5_text"}, .needed = {"<|im_start|>"},                        \
    .before_role = "<|im_start|>", .after_role = "\n", .end = "<|im_end|>", .after_end = "\n",     \
    .assistant = "assistant"

static const yoco_chat_template templates[] = {
    {.model_types = {"phi4flash"},
     .needed = {"<|user|>", "<|assistant|>"},
     .before_role = "<|",
     .after_role = "|>",
     .end = "<|end|>",
     .after_end = "",
     .assistant = "assistant"},
    {.model_types = {"llama"},
     .needed = {"<|start_header_id|>", "<|end_header_id|>"},
     .before_role = "<|start_header_id|>",
     .after_role = "<|end_header_id|>\n\n",
     .end = "<|eot_id|>",
     .after_end = "",
     .assistant = "assistant",
     .trim = true},
    /* Where thinking must be asked for, a reply opens behind empty thoughts. */
    {QWEN35, .mark = "enable_thinking is true", .answer = "<think>\n\n</think>\n\n"},
    {QWEN35, .mark = "<think>", .answer = "<think>\n"},
    {QWEN35},
    {.model_types = {"qwen2", "qwen3"},
     .needed = {"<|im_start|>"},
     .before_role = "<|im_start|>",
     .after_role = "\n",
     .end = "<|im_end|>",
     .after_end = "\n",
     .assistant = "assistant"},
    {.model_types = {"gemma4", "gemma4_text"},
     .needed = {"<|turn>"},
     .before_role = "<|turn>",
     .after_role = "\n",
     .end = "<turn|>",
     .after_end = "\n",
     .assistant = "model",
     .trim = true},
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

/* The first of the family, from `first` on. */
static const yoco_chat_template *find_type(const char *model_type, int first)
{
    for (int i = first; i < N_TEMPLATES; i++) {
        for (int k = 0; k < MAX_TYPES && templates[i].model_types[k]; k++) {
            if (strcmp(templates[i].model_types[k], model_type) == 0)
                return &templates[i];
        }
    }
    return NULL;
}

/* The text of a folder's own template, which is not run; a string of json, or NULL without one. */
static json_t *own_template(const char *folder)
{
    char path[PATH_MAX];
    yoco_text text;
    json_t *root = NULL, *own = NULL;
    if (yoco_path_join(folder, "chat_template.jinja", path) == YOCO_OK &&
        !yoco_path_is_missing(path)) {
        if (yoco_text_read_data(path, false, MAX_TEMPLATE_BYTES, &text) != YOCO_OK)
            return NULL;
        own = json_stringn_nocheck(text.data, text.size);
        yoco_text_free(&text);
        return own;
    }
    if (yoco_path_join(folder, "tokenizer_config.json", path) == YOCO_OK &&
        !yoco_path_is_missing(path) && yoco_json_read(path, MAX_TEMPLATE_BYTES, &root) == YOCO_OK)
        own = json_incref(json_object_get(root, "chat_template"));
    json_decref(root);
    return own;
}

/* Of a family's templates, the one whose mark the folder's own has. */
static const yoco_chat_template *find_marked(const char *folder, const char *model_type)
{
    const yoco_chat_template *t = find_type(model_type, 0);
    if (!t || !t->mark)
        return t;
    json_t *own = own_template(folder);
    const char *text = json_is_string(own) ? json_string_value(own) : "";
    while (t->mark && !strstr(text, t->mark))
        t = find_type(model_type, (int)(t - templates) + 1);
    json_decref(own);
    return t;
}

static yoco_status need_token(const char *name, const char *model_type,
                              const yoco_tokenizer *tokenizer, const char *token)
{
    if (yoco_tokenizer_special(tokenizer, token) >= 0)
        return YOCO_OK;
    yoco_log_error("%s: the chat template for model_type \"%.64s\" needs the special token %s, "
                   "which the tokenizer does not have",
                   name, model_type, token);
    return YOCO_ERR_DATA;
}

yoco_status yoco_chat_template_find(const char *name, const char *model_type,
                                    const yoco_tokenizer *tokenizer, const yoco_chat_template **out)
{
    const yoco_chat_template *t = find_marked(name, model_type);
    if (!t) {
        yoco_log_error(
            "%s: no chat template is known for model_type \"%.64s\", but for "
            "phi4flash, llama (3), qwen2, qwen3, qwen3_5 and gemma4 (--raw: no template)",
            name, model_type);
        return YOCO_ERR_DATA;
    }
    for (int i = 0; i < MAX_NEEDED && t->needed[i]; i++)
        YOCO_TRY(need_token(name, model_type, tokenizer, t->needed[i]));
    YOCO_TRY(need_token(name, model_type, tokenizer, t->end));
    *out = t;
    return YOCO_OK;
}

int32_t yoco_chat_template_end(const yoco_chat_template *t, const yoco_tokenizer *tokenizer)
{
    return yoco_tokenizer_special(tokenizer, t->end);
}

void yoco_chat_text_free(yoco_chat_text *chat)
{
    free(chat->text);
    free(chat->spans);
    *chat = (yoco_chat_text){0};
}

static yoco_status no_memory(void)
{
    yoco_log_error("cannot allocate a chat's text");
    return YOCO_ERR_MEMORY;
}

static yoco_status add(const char *text, size_t size, bool special_tokens, yoco_chat_text *out)
{
    if (size == 0)
        return YOCO_OK;
    if (size > SIZE_MAX / 4 - out->size)
        return no_memory();
    if (out->size + size > out->capacity) {
        size_t capacity = 2 * (out->size + size);
        char *grown = realloc(out->text, capacity);
        if (!grown)
            return no_memory();
        out->text = grown;
        out->capacity = capacity;
    }
    if (out->n_spans == out->span_capacity) {
        size_t capacity = 2 * out->span_capacity + 8;
        yoco_text_span *grown = realloc(out->spans, capacity * sizeof *grown);
        if (!grown)
            return no_memory();
        out->spans = grown;
        out->span_capacity = capacity;
    }
    memcpy(out->text + out->size, text, size);
    out->size += size;
    out->spans[out->n_spans++] = (yoco_text_span){out->size, special_tokens};
    return YOCO_OK;
}

yoco_status yoco_chat_open_turn(const yoco_chat_template *t, const char *role, yoco_chat_text *out)
{
    if (strcmp(role, "assistant") == 0)
        role = t->assistant;
    else if (strcmp(role, "developer") == 0)
        role = "system";
    char turn[128];
    char *end = stpcpy(stpcpy(stpcpy(turn, t->before_role), role), t->after_role);
    return add(turn, (size_t)(end - turn), true, out);
}

yoco_status yoco_chat_open_answer(const yoco_chat_template *t, yoco_chat_text *out)
{
    YOCO_TRY(yoco_chat_open_turn(t, "assistant", out));
    return t->answer ? add(t->answer, strlen(t->answer), true, out) : YOCO_OK;
}

/* As Python's str.strip: white space, and the separators of ASCII. */
static bool is_stripped(int32_t c)
{
    return yoco_utf8_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

yoco_status yoco_chat_add_content(const yoco_chat_template *t, const char *text, size_t size,
                                  bool is_first, bool is_last, yoco_chat_text *out)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t length;
    while (t->trim && is_first && size > 0 && is_stripped(yoco_utf8_at(bytes, size, &length))) {
        bytes += length;
        size -= length;
    }
    while (t->trim && is_last && size > 0 && is_stripped(yoco_utf8_before(bytes, size, &length)))
        size -= length;
    return add((const char *)bytes, size, false, out);
}

yoco_status yoco_chat_close_turn(const yoco_chat_template *t, yoco_chat_text *out)
{
    char turn[64];
    char *end = stpcpy(stpcpy(turn, t->end), t->after_end);
    return add(turn, (size_t)(end - turn), true, out);
}
