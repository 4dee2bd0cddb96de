#include <stdio.h>
#include <string.h>

#include "coordinator/eval/work.h"
#include "streams.h"

static void print_ids(const yoco_ids *ids)
{
    for (int64_t i = 0; i < ids->n; i++)
        yoco_print("%s%d", i > 0 ? " " : "", (int)ids->ids[i]);
    yoco_print("\n");
}

/* A part of the turn: its start alone, or a question and the turn's end. */
static yoco_status print_turn(const yoco_eval_source *source, const char *text, bool opens)
{
    yoco_chat_text chat = {0};
    yoco_status status = yoco_turn_render(source->chat, text, strlen(text), opens, !opens, &chat);
    if (status == YOCO_OK)
        fwrite(chat.text, 1, chat.size, yoco_stdout());
    yoco_chat_text_free(&chat);
    return status;
}

static yoco_status print_question(const yoco_eval_source *source, const char *text)
{
    if (source->chat)
        YOCO_TRY(print_turn(source, text, false));
    yoco_print("%s\n", source->chat ? "" : text);
    return YOCO_OK;
}

static yoco_status print_text(const yoco_eval_work *work, const yoco_eval_document *d)
{
    size_t size;
    if (work->source.chat)
        YOCO_TRY(print_turn(&work->source, "", true));
    for (int64_t i = work->source.head.n; i < d->prompt.context.n; i++) {
        const char *bytes = yoco_tokenizer_bytes(work->tokenizer, d->prompt.context.ids[i], &size);
        if (size > 0)
            fwrite(bytes, 1, size, yoco_stdout());
    }
    for (int q = 0; q < d->prompt.n_questions; q++)
        YOCO_TRY(print_question(&work->source, d->prompt.questions[q].text));
    return YOCO_OK;
}

static yoco_status print_document(const yoco_eval_work *work, const yoco_eval_document *d, bool ids)
{
    char what[128];
    yoco_eval_cell_describe(&d->cell, what, sizeof what);
    yoco_log_info("%s: %lld tokens in fact, questions %d", what, (long long)d->prompt.context.n,
                  d->prompt.n_questions);
    if (!ids)
        return print_text(work, d);
    print_ids(&d->prompt.context);
    for (int q = 0; q < d->prompt.n_questions; q++)
        print_ids(&d->prompt.questions[q].tokens);
    return YOCO_OK;
}

yoco_status yoco_eval_dump(const yoco_eval_options *options)
{
    yoco_model_shape *shape;
    yoco_eval_work work;
    YOCO_TRY(yoco_model_shape_load(options->session.model, &shape));
    yoco_status status = yoco_eval_work_open(options, shape, &work);
    yoco_free(shape);
    YOCO_TRY(status);
    for (int64_t i = 0; status == YOCO_OK && i < work.list.n; i++) {
        yoco_eval_document d;
        status = yoco_eval_document_draw(&work.source, &work.list.cells[i], &d);
        if (status != YOCO_OK)
            break;
        status = yoco_eval_document_fill(&work.source, &d);
        if (status == YOCO_OK)
            status = print_document(&work, &d, options->dump_ids);
        yoco_eval_document_free(&d);
    }
    yoco_eval_work_close(&work);
    return status;
}
