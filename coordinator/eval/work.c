#include "coordinator/eval/work.h"

#include <stdlib.h>

/* Draws every document's questions, since their length is known only then. */
static yoco_status check_cell(const yoco_eval_source *source, const yoco_eval_cell *cell,
                              int64_t per_value, int64_t max_seq_len)
{
    yoco_eval_document d;
    int64_t answer = yoco_eval_cell_answer_tokens(cell, per_value), longest = 0;
    YOCO_TRY(yoco_eval_document_draw(source, cell, &d));
    for (int q = 0; q < d.prompt.n_questions; q++)
        longest = yoco_i64_max(longest, d.prompt.questions[q].tokens.n);
    int64_t n_most = d.n_most;
    yoco_eval_document_free(&d);
    if (n_most + longest + answer <= max_seq_len)
        return YOCO_OK;
    yoco_log_error("--length %lld is too long: a document of %s (%lld tokens), its question (%lld) "
                   "and an answer (at most %lld) are more than the model's max_seq_len %lld",
                   (long long)cell->length, yoco_eval_task_name(cell->task), (long long)n_most,
                   (long long)longest, (long long)answer, (long long)max_seq_len);
    return YOCO_ERR_DATA;
}

static yoco_status check_cells(const yoco_eval_options *options, const yoco_eval_work *work,
                               int64_t max_seq_len)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < work->list.n; i++) {
        const yoco_eval_cell *cell = &work->list.cells[i];
        longest = yoco_i64_max(longest, cell->length);
        YOCO_TRY(check_cell(&work->source, cell, options->max_tokens, max_seq_len));
    }
    yoco_log_info("haystack of %lld tokens in %d files%s", (long long)work->haystack.n_ids,
                  work->haystack.n_files,
                  longest > work->haystack.n_ids ? "; longer documents repeat it" : "");
    return YOCO_OK;
}

static yoco_status open_work(const yoco_eval_options *options, const yoco_model_shape *shape,
                             yoco_eval_work *w)
{
    yoco_prompt_options prompt = {.chat = options->chat};
    YOCO_TRY(yoco_eval_cells_make(&options->choice, shape->max_seq_len, &w->list));
    YOCO_TRY(yoco_tokenizer_open(options->session.model, shape->vocab_size, &w->tokenizer));
    if (!w->tokenizer) {
        yoco_log_error(
            "%s has no tokenizer (yoco_tokenizer.json or tokenizer.json): an evaluation is text",
            options->session.model);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_prompt_open_chat(&prompt, options->session.model, yoco_shape_model_type(shape),
                                   w->tokenizer));
    YOCO_TRY(yoco_eval_haystack_load(&options->haystack, w->tokenizer, &w->haystack));
    YOCO_TRY(yoco_eval_source_open(w->tokenizer, &w->haystack, options->seed, prompt.chat_template,
                                   &w->source));
    return check_cells(options, w, shape->max_seq_len);
}

yoco_status yoco_eval_work_open(const yoco_eval_options *options, const yoco_model_shape *shape,
                                yoco_eval_work *out)
{
    *out = (yoco_eval_work){0};
    yoco_status status = open_work(options, shape, out);
    if (status != YOCO_OK)
        yoco_eval_work_close(out);
    return status;
}

void yoco_eval_work_close(yoco_eval_work *w)
{
    yoco_eval_source_close(&w->source);
    yoco_tokenizer_close(w->tokenizer);
    yoco_eval_haystack_free(&w->haystack);
    free(w->list.cells);
    *w = (yoco_eval_work){0};
}
