#include <stdio.h>

#include "coordinator/eval/work.h"
#include "streams.h"

static void print_ids(const yoco_ids *ids)
{
    for (int64_t i = 0; i < ids->n; i++)
        yoco_print("%s%d", i > 0 ? " " : "", (int)ids->ids[i]);
    yoco_print("\n");
}

static void print_text(const yoco_eval_work *work, const yoco_eval_document *d)
{
    size_t size;
    for (int64_t i = 0; i < d->prompt.context.n; i++) {
        const char *bytes = yoco_tokenizer_bytes(work->tokenizer, d->prompt.context.ids[i], &size);
        if (size > 0) /* <s> has no text */
            fwrite(bytes, 1, size, yoco_stdout());
    }
    for (int q = 0; q < d->prompt.n_questions; q++)
        yoco_print("%s\n", d->prompt.questions[q].text);
}

static void print_document(const yoco_eval_work *work, const yoco_eval_document *d, bool ids)
{
    char what[128];
    yoco_eval_cell_describe(&d->cell, what, sizeof what);
    yoco_log_info("%s: %lld tokens in fact, questions %d", what, (long long)d->prompt.context.n,
                  d->prompt.n_questions);
    if (!ids) {
        print_text(work, d);
        return;
    }
    print_ids(&d->prompt.context);
    for (int q = 0; q < d->prompt.n_questions; q++)
        print_ids(&d->prompt.questions[q].tokens);
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
            print_document(&work, &d, options->dump_ids);
        yoco_eval_document_free(&d);
    }
    yoco_eval_work_close(&work);
    return status;
}
