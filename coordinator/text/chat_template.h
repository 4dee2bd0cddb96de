/* How a family's models were trained to see a conversation. Built in by family: the files' own
 * templates are programs (Jinja), which are not run. */
#ifndef YOCO_CHAT_TEMPLATE_H
#define YOCO_CHAT_TEMPLATE_H

#include "coordinator/text/tokenizer.h"

typedef struct yoco_chat_template yoco_chat_template;

/* The template of a model_type of config.json. name: the model's folder; where models of a family
 * open a reply in different ways, the text of its own template tells which. YOCO_ERR_DATA, logged,
 * where there is none, or where the tokenizer lacks one of its special tokens. */
yoco_status yoco_chat_template_find(const char *name, const char *model_type,
                                    const yoco_tokenizer *tokenizer,
                                    const yoco_chat_template **out);
/* The token that ends a turn, and so an answer of a model that was trained on them. */
int32_t yoco_chat_template_end(const yoco_chat_template *t, const yoco_tokenizer *tokenizer);

/* A conversation as text. The template's parts are spans in which special tokens are found; the
 * contents are not. Starts as {0}; a failed call leaves what it has to be freed. */
typedef struct yoco_chat_text {
    char *text; /* (size) */
    size_t size, capacity;
    yoco_text_span *spans; /* (n_spans) */
    size_t n_spans, span_capacity;
} yoco_chat_text;

void yoco_chat_text_free(yoco_chat_text *chat);

/* role: system, developer, user or assistant. */
yoco_status yoco_chat_open_turn(const yoco_chat_template *t, const char *role, yoco_chat_text *out);
/* The turn that the model is to write. */
yoco_status yoco_chat_open_answer(const yoco_chat_template *t, yoco_chat_text *out);
/* is_first, is_last: of the turn's contents. Some templates take white space off a turn's ends. */
yoco_status yoco_chat_add_content(const yoco_chat_template *t, const char *text, size_t size,
                                  bool is_first, bool is_last, yoco_chat_text *out);
yoco_status yoco_chat_close_turn(const yoco_chat_template *t, yoco_chat_text *out);

#endif
