#include "coordinator/eval/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/ask/context.h"
#include "coordinator/ask/failure.h"
#include "coordinator/ask/generate.h"
#include "coordinator/eval/failure.h"
#include "coordinator/eval/progress.h"
#include "coordinator/eval/record.h"
#include "coordinator/eval/report.h"
#include "coordinator/eval/work.h"

typedef struct eval {
    const yoco_eval_options *options;
    yoco_session *session;
    yoco_eval_sample common; /* what every line of samples.jsonl says alike */
    int64_t next;            /* index into the documents of `work` */
    yoco_status spoiled;     /* the worst that cost a document its answers */
    /* Rank 0. */
    yoco_eval_work work;
    yoco_eval_file file;
    yoco_eval_progress progress;
    char model_hash[YOCO_HASH_TEXT_BYTES];
    char *model_name;
} eval;

/* The last part of the model folder's real path. */
static yoco_status name_model(eval *e)
{
    char *path = realpath(e->options->session.model, NULL);
    if (!path) {
        yoco_log_error("cannot find %s", e->options->session.model);
        return YOCO_ERR_OPEN;
    }
    const char *slash = strrchr(path, '/');
    e->model_name = strdup(slash ? slash + 1 : path);
    free(path);
    if (!e->model_name) {
        yoco_log_error("cannot allocate the model's name");
        return YOCO_ERR_MEMORY;
    }
    return YOCO_OK;
}

/* The hash of everything in the folder that an answer depends on: config, weights, tokenizer, and
 * the ids that end one. */
static yoco_status hash_model(eval *e)
{
    yoco_hash parts[2];
    yoco_hasher *hasher;
    YOCO_TRY(yoco_session_hash(e->session, &parts[0]));
    parts[1] = e->session->tokenizer;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_hasher_add(hasher, parts, sizeof parts);
    const yoco_model_shape *shape = e->session->checkpoint->shape;
    yoco_hasher_add(hasher, shape->ends, (size_t)shape->n_ends * sizeof *shape->ends);
    yoco_hash_text(yoco_hasher_finish(hasher), e->model_hash);
    return YOCO_OK;
}

static void begin_progress(eval *e)
{
    int64_t n = 0, n_tokens = 0;
    for (int64_t i = 0; i < e->work.list.n; i++) {
        if (yoco_eval_file_has(&e->file, &e->work.list.cells[i]))
            continue;
        n++;
        n_tokens += e->work.list.cells[i].length;
    }
    yoco_log_info("%lld documents, %lld of them done already, %lld tokens to do, on %d ranks of %d "
                  "threads (%s)",
                  (long long)e->work.list.n, (long long)(e->work.list.n - n), (long long)n_tokens,
                  e->session->comm->n_ranks, e->session->device.n_threads, e->common.arithmetic);
    yoco_eval_progress_begin(&e->progress, n, n_tokens);
}

/* Rank 0: everything that can be known to go wrong before the first document. */
static yoco_status prepare(eval *e)
{
    const yoco_eval_options *o = e->options;
    YOCO_TRY(yoco_session_chunk_rows(e->session->checkpoint->shape, e->session->ops, o->chunk_rows,
                                     &e->common.chunk));
    YOCO_TRY(yoco_eval_work_open(o, e->session->checkpoint->shape, &e->work));
    YOCO_TRY(hash_model(e));
    YOCO_TRY(name_model(e));
    e->common.seed = o->seed;
    e->common.chat = o->chat;
    e->common.ranks = e->session->comm->n_ranks;
    e->common.threads = e->session->device.n_threads;
    e->common.arithmetic = yoco_worker_arithmetic(e->session->worker);
    e->common.model = e->model_hash;
    e->common.model_name = e->model_name;
    e->common.haystack = e->work.haystack.hash;
    e->common.yoco = YOCO_VERSION;
    yoco_eval_settings settings = {.seed = o->seed,
                                   .chunk = e->common.chunk,
                                   .chat = o->chat,
                                   .max_tokens = o->max_tokens,
                                   .arithmetic = e->common.arithmetic,
                                   .model = e->model_hash,
                                   .haystack = e->work.haystack.hash,
                                   .yoco = YOCO_VERSION};
    YOCO_TRY(yoco_eval_file_open(o->folder, o->mode, &settings, &e->file));
    begin_progress(e);
    return YOCO_OK;
}

/* Rank 0: the next document that is not done; NULL: none is left. */
static const yoco_eval_cell *next_cell(eval *e)
{
    const yoco_eval_cells *list = &e->work.list;
    while (e->next < list->n && yoco_eval_file_has(&e->file, &list->cells[e->next]))
        e->next++;
    return e->next < list->n ? &list->cells[e->next++] : NULL;
}

/* Rank 0. */
static yoco_status draw_document(eval *e, const yoco_eval_cell *cell, yoco_eval_document *d)
{
    YOCO_TRY(yoco_eval_document_draw(&e->work.source, cell, d));
    YOCO_TRY(yoco_eval_document_fill(&e->work.source, d));
    int64_t answer = yoco_eval_cell_answer_tokens(&d->cell, e->options->max_tokens), longest = 0;
    for (int q = 0; q < d->prompt.n_questions; q++)
        longest = yoco_i64_max(longest, d->prompt.questions[q].tokens.n);
    d->prompt.branch_rows = longest + answer - 1;
    e->common.max_tokens = answer;
    if (d->prompt.context.n + longest + answer <= e->session->checkpoint->shape->max_seq_len)
        return YOCO_OK;
    yoco_log_error("a document of yoco-compat became %lld tokens long, which leaves no room below "
                   "the model's max_seq_len: use a smaller --length",
                   (long long)d->prompt.context.n);
    return YOCO_ERR_DATA;
}

/* One line is an answer of the tasks of this project; the authors' goes on for 20 tokens, and in a
 * chat it is the whole turn. */
static yoco_status ask(eval *e, const yoco_eval_document *d, yoco_answer *answers)
{
    static const char *line_break = "\n";
    yoco_generate_options options = {
        .n_generate = e->common.max_tokens, .sampling.top_p = 1.0, .chat = e->work.source.chat};
    yoco_generate_times times = {0};
    if (d->cell.task != YOCO_EVAL_COMPAT && !e->options->chat)
        options.stops = (yoco_strings){.values = &line_break, .n = 1};
    YOCO_TRY(yoco_worker_reserve(e->session->worker, d->prompt.context.n, e->common.chunk,
                                 d->prompt.n_questions, d->prompt.branch_rows));
    double start = yoco_now_s();
    bool first = e->session->comm->rank == 0;
    YOCO_TRY(yoco_worker_prefill(e->session->worker, d->prompt.context.ids,
                                 first ? yoco_eval_progress_update : NULL, &e->progress));
    e->common.prefill_s = yoco_now_s() - start;
    YOCO_TRY(yoco_generate(e->session, &options, &d->prompt, e->work.tokenizer, NULL, NULL, answers,
                           &times));
    e->common.decode_s = times.questions_s + times.decode_s;
    return YOCO_OK;
}

/* The document's lines, on rank 0. */
static yoco_status answer_document(eval *e, yoco_eval_document *d, char **lines, size_t *size)
{
    yoco_comm *comm = e->session->comm;
    YOCO_TRY(yoco_prompt_share(comm, &d->prompt));
    size_t n = (size_t)d->prompt.n_questions;
    yoco_answer *answers = NULL;
    yoco_status status = yoco_alloc(n * sizeof *answers, "answers", (void **)&answers);
    if (answers)
        memset(answers, 0, n * sizeof *answers);
    status = yoco_agree(comm, status);
    if (status == YOCO_OK)
        status = ask(e, d, answers);
    if (status == YOCO_OK)
        status =
            yoco_agree(comm, comm->rank == 0 ? yoco_eval_record(d, answers, &e->common, lines, size)
                                             : YOCO_OK);
    for (size_t i = 0; answers && i < n; i++)
        yoco_answer_free(&answers[i]);
    yoco_free(answers);
    return status;
}

/* One document is one document: a failure of its own becomes its line, and the others go on. */
static yoco_status fail_document(eval *e, const yoco_eval_cell *cell, yoco_status status,
                                 char **lines, size_t *size)
{
    char reason[YOCO_FAILURE_BYTES], text[128];
    if (!yoco_failure_is_own(status))
        return status;
    YOCO_TRY(yoco_failure_share(e->session->comm, status, yoco_log_last_error(), reason));
    e->spoiled = yoco_failure_worse(e->spoiled, status);
    if (e->session->comm->rank != 0)
        return YOCO_OK;
    yoco_eval_cell_describe(cell, text, sizeof text);
    yoco_log_warn("%s has no answers, and --resume tries it again: %s", text, reason);
    YOCO_TRY(yoco_eval_failure_write(cell, reason, lines));
    *size = strlen(*lines);
    return YOCO_OK;
}

/* cell: on rank 0. */
static yoco_status do_document(eval *e, const yoco_eval_cell *cell)
{
    yoco_comm *comm = e->session->comm;
    yoco_eval_document d = {0};
    char *lines = NULL;
    size_t size = 0;
    yoco_log_forget_error();
    yoco_status status = yoco_agree(comm, cell ? draw_document(e, cell, &d) : YOCO_OK);
    if (status == YOCO_OK)
        status = answer_document(e, &d, &lines, &size);
    bool answered = status == YOCO_OK;
    if (!answered)
        status = fail_document(e, cell, status, &lines, &size);
    if (status == YOCO_OK && cell)
        status = yoco_eval_file_append(&e->file, lines, size);
    if (status == YOCO_OK && cell && answered)
        yoco_eval_progress_add(&e->progress, cell->length);
    free(lines);
    yoco_eval_document_free(&d);
    return yoco_agree(comm, status);
}

static yoco_status answer_all(eval *e)
{
    yoco_comm *comm = e->session->comm;
    while (true) {
        const yoco_eval_cell *cell = comm->rank == 0 ? next_cell(e) : NULL;
        bool more = cell != NULL;
        YOCO_TRY(yoco_broadcast(comm, 0, &more, sizeof more));
        if (!more)
            return YOCO_OK;
        YOCO_TRY(do_document(e, cell));
    }
}

static yoco_status finish(eval *e)
{
    if (e->progress.documents > 0)
        yoco_eval_progress_end(&e->progress);
    YOCO_TRY(yoco_eval_report(e->options->folder));
    yoco_log_info("answers: %s; report: %s/report.html", e->file.journal.path, e->options->folder);
    return YOCO_OK;
}

static yoco_status run_session(eval *e)
{
    yoco_comm *comm = e->session->comm;
    bool first = comm->rank == 0;
    YOCO_TRY(yoco_agree(comm, first ? prepare(e) : YOCO_OK));
    YOCO_TRY(yoco_broadcast(comm, 0, &e->common.chunk, sizeof e->common.chunk));
    YOCO_TRY(answer_all(e));
    YOCO_TRY(yoco_agree(comm, first ? finish(e) : YOCO_OK));
    return e->spoiled;
}

yoco_status yoco_eval_run(const yoco_eval_options *options)
{
    yoco_session session;
    YOCO_TRY(yoco_session_open(&options->session, &session));
    eval e = {.options = options, .session = &session, .file = {.journal = {.fd = -1}}};
    yoco_status status = run_session(&e);
    yoco_eval_file_close(&e.file);
    yoco_eval_work_close(&e.work);
    free(e.model_name);
    yoco_session_close(&session);
    return status;
}
