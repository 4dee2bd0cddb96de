/* yoco batch: a file of jobs in, a file of answers out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "configs/files/path.h"
#include "coordinator/batch/line.h"
#include "coordinator/batch/parcel.h"
#include "coordinator/batch/run.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/paths.h"
#include "coordinator/cli/signals.h"
#include "coordinator/session/session_options.h"
#include "coordinator/session/trace_file.h"

enum { FINGERPRINT_BYTES = 768 };

typedef struct batch_options {
    yoco_session_options session;
    const char *input, *output, *documents;
    const char *progress, *metrics, *trace, *context, *checkpoint;
    int64_t chunk_rows, max_errors; /* max_errors -1: any number */
    bool overwrite, resume, validate_only, fail_fast, raw;
} batch_options;

/* The state of rank 0; on other ranks, of the context, the number of tokens. */
typedef struct batch {
    yoco_ids context; /* that of --context */
    yoco_batch_input input;
    yoco_batch_documents *documents;
    yoco_batch_results *results;
    yoco_batch_packing packing;
    int64_t *jobs; /* entries that are neither bad nor done */
    int64_t n_jobs;
    yoco_batch_progress progress;
} batch;

static yoco_status refuse(const char *what)
{
    yoco_log_error("yoco batch: %s (see yoco batch --help)", what);
    return YOCO_ERR_USAGE;
}

static yoco_status check_options(const batch_options *o)
{
    if (!o->input)
        return refuse("-i FILE is missing: the jobs");
    if (!o->output && !o->validate_only)
        return refuse("-o FILE is missing: where the answers go");
    if (strcmp(o->progress, "text") != 0 && strcmp(o->progress, "json") != 0)
        return refuse("--progress is text or json");
    if (o->resume && o->overwrite)
        return refuse("--resume and --overwrite exclude each other");
    if (o->context && (o->checkpoint || o->validate_only))
        return refuse("--context needs no --checkpoint and cannot be checked by --validate-only");
    return YOCO_OK;
}

static void free_batch(batch *b)
{
    yoco_batch_results_close(b->results);
    yoco_batch_input_free(&b->input);
    yoco_batch_documents_close(b->documents);
    yoco_batch_packing_free(&b->packing);
    free(b->jobs);
    yoco_free(b->context.ids);
}

static yoco_status open_tokenizer(const char *folder, int vocab_size, yoco_tokenizer **out)
{
    YOCO_TRY(yoco_tokenizer_open(folder, vocab_size, out));
    if (*out)
        return YOCO_OK;
    yoco_log_error(
        "%s has no tokenizer (yoco_tokenizer.json or tokenizer.json), and a batch is text", folder);
    return YOCO_ERR_DATA;
}

/* context: that of --context; NULL: none. */
static yoco_status read_input(const batch_options *o, const yoco_ids *context, batch *b)
{
    int64_t max_bad = o->max_errors >= 0 ? o->max_errors : INT64_MAX;
    YOCO_TRY(yoco_batch_documents_open(o->documents, &b->documents));
    if (context)
        YOCO_TRY(yoco_batch_documents_share(b->documents, context));
    YOCO_TRY(yoco_batch_input_read(o->input, o->fail_fast ? 0 : max_bad, &b->input));
    return yoco_batch_input_check(&b->input, b->documents);
}

/* Chats take the template of the model's family, where the folder says which it is. */
static yoco_status choose_template(const batch_options *o, const yoco_model_shape *shape,
                                   const yoco_tokenizer *tokenizer, yoco_batch_input *input)
{
    const char *model_type = yoco_shape_model_type(shape);
    if (o->raw || !model_type || !yoco_batch_input_has_chats(input))
        return YOCO_OK;
    return yoco_chat_template_find(o->session.model, model_type, tokenizer, &input->chat);
}

/* The exit code tells of bad lines, the output file which. */
static yoco_status judge_input(const batch *b)
{
    if (b->input.n_bad == 0)
        return YOCO_OK;
    yoco_log_warn("%lld of %lld lines of %s are bad", (long long)b->input.n_bad,
                  (long long)b->input.n, b->input.name);
    return YOCO_ERR_DATA;
}

/* Checks the input without ranks and without weights. */
static yoco_status validate(const batch_options *o)
{
    yoco_model_shape *shape;
    yoco_tokenizer *tokenizer = NULL;
    batch b = {0};
    if (!o->session.model)
        return refuse("-m MODEL is missing: a model folder");
    YOCO_TRY(yoco_model_shape_load(o->session.model, &shape));
    yoco_status status = open_tokenizer(o->session.model, shape->vocab_size, &tokenizer);
    if (status == YOCO_OK)
        status = read_input(o, NULL, &b);
    if (status == YOCO_OK)
        status = choose_template(o, shape, tokenizer, &b.input);
    if (status == YOCO_OK)
        status = yoco_batch_input_encode(&b.input, b.documents, tokenizer, shape->max_seq_len);
    if (status == YOCO_OK) {
        yoco_log_info("%lld of %lld lines of %s are jobs", (long long)(b.input.n - b.input.n_bad),
                      (long long)b.input.n, b.input.name);
        status = judge_input(&b);
    }
    free_batch(&b);
    yoco_tokenizer_close(tokenizer);
    yoco_free(shape);
    return status;
}

static void make_fingerprint(const yoco_session *session, const yoco_snapshot_target *target,
                             int64_t chunk_rows, char text[FINGERPRINT_BYTES])
{
    char model[YOCO_HASH_TEXT_BYTES], tokenizer[YOCO_HASH_TEXT_BYTES];
    const yoco_model_shape *shape = session->checkpoint->shape;
    yoco_hash_text(target->model, model);
    yoco_hash_text(target->tokenizer, tokenizer);
    snprintf(text, FINGERPRINT_BYTES,
             "yoco " YOCO_VERSION "; model %s; tokenizer %s; chunk %lld; arithmetic %s", model,
             tokenizer, (long long)chunk_rows, yoco_worker_arithmetic(session->worker));
    for (int i = 0; i < shape->n_ends; i++)
        snprintf(text + strlen(text), FINGERPRINT_BYTES - strlen(text), "%s %d",
                 i == 0 ? "; ends" : "", (int)shape->ends[i]);
}

/* Many bad lines are few writes. */
static yoco_status write_errors(batch *b)
{
    enum { WRITE_BYTES = 1 << 20 };
    yoco_bytes lines = {0};
    yoco_status status = YOCO_OK;
    for (int64_t i = 0; i < b->input.n && status == YOCO_OK; i++) {
        yoco_batch_entry *entry = &b->input.entries[i];
        char *line = NULL;
        if (!entry->bad || entry->done)
            continue;
        status = yoco_batch_line_error(entry, &line);
        if (status == YOCO_OK)
            status = yoco_bytes_add(&lines, line, strlen(line));
        free(line);
        entry->done = true;
        if (status == YOCO_OK && lines.size >= WRITE_BYTES) {
            status = yoco_batch_results_append(b->results, lines.data, lines.size);
            lines.size = 0;
        }
    }
    if (status == YOCO_OK && lines.size > 0)
        status = yoco_batch_results_append(b->results, lines.data, lines.size);
    free(lines.data);
    return status;
}

static yoco_status make_packing(batch *b, int64_t chunk_rows, int n_ranks, bool pack)
{
    size_t n = b->input.n > 0 ? (size_t)b->input.n : 1;
    yoco_batch_size *sizes = calloc(n, sizeof *sizes);
    b->jobs = calloc(n, sizeof *b->jobs);
    if (!sizes || !b->jobs) {
        yoco_log_error("cannot allocate the packing of %zu jobs", n);
        free(sizes);
        return YOCO_ERR_MEMORY;
    }
    for (int64_t i = 0; i < b->input.n; i++) {
        const yoco_batch_entry *entry = &b->input.entries[i];
        b->progress.n_before += entry->done && !entry->bad;
        if (entry->bad || entry->done)
            continue;
        sizes[b->n_jobs] = yoco_batch_entry_size(entry);
        b->progress.n_tokens += sizes[b->n_jobs].n_context + sizes[b->n_jobs].n_own;
        b->jobs[b->n_jobs++] = i;
    }
    yoco_status status =
        yoco_batch_packing_make(sizes, b->n_jobs, chunk_rows, n_ranks, pack, &b->packing);
    free(sizes);
    return status;
}

/* Documents are inputs too, and none of them may be an output. */
static yoco_status check_documents(const batch_options *o, const batch *b)
{
    const char **names = calloc((size_t)b->input.n + 1, sizeof *names);
    if (!names) {
        yoco_log_error("cannot allocate the names of documents");
        return YOCO_ERR_MEMORY;
    }
    int64_t n = 0;
    for (int64_t i = 0; o->documents && i < b->input.n; i++) {
        const yoco_batch_document *document = b->input.entries[i].document;
        if (document && document->path && (n == 0 || names[n - 1] != document->path))
            names[n++] = document->path;
    }
    yoco_status status = yoco_paths_check_below("documents", o->documents, names, n);
    free(names);
    return status;
}

/* Rank 0: everything that is known before the first token is computed. */
static yoco_status prepare(const batch_options *o, const yoco_session *session,
                           const yoco_tokenizer *tokenizer, int64_t chunk_rows,
                           const char *fingerprint, batch *b)
{
    char text[512];
    YOCO_TRY(read_input(o, o->context ? &b->context : NULL, b));
    YOCO_TRY(choose_template(o, session->checkpoint->shape, tokenizer, &b->input));
    YOCO_TRY(check_documents(o, b));
    if (o->checkpoint && mkdir(o->checkpoint, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot make the folder %s: %s", o->checkpoint, strerror(error));
        return yoco_status_of_errno(error);
    }
    YOCO_TRY(yoco_batch_input_identify(&b->input, fingerprint));
    YOCO_TRY(yoco_batch_results_open(o->output, o->overwrite, &b->input, fingerprint, &b->results));
    YOCO_TRY(yoco_batch_input_encode(&b->input, b->documents, tokenizer,
                                     session->checkpoint->shape->max_seq_len));
    YOCO_TRY(yoco_batch_results_settle(b->results, &b->input));
    YOCO_TRY(write_errors(b));
    YOCO_TRY(make_packing(b, chunk_rows, session->comm->n_ranks, !o->context));
    b->progress.json = strcmp(o->progress, "json") == 0;
    b->progress.metrics = o->metrics;
    b->progress.n_jobs = b->input.n - b->input.n_bad;
    b->progress.n_bad = b->input.n_bad;
    if (b->progress.n_before > 0)
        yoco_log_info("%lld jobs are in %s already", (long long)b->progress.n_before, o->output);
    yoco_batch_packing_print(&b->packing, text, sizeof text);
    yoco_log_info("%s", text);
    yoco_batch_progress_begin(&b->progress);
    return YOCO_OK;
}

/* Rank 0's template on every rank, any of which may have a chat to answer. */
static yoco_status share_template(const batch_options *o, yoco_session *session,
                                  const yoco_tokenizer *tokenizer, const batch *b,
                                  const yoco_chat_template **out)
{
    int64_t is_there = b->input.chat != NULL;
    yoco_status status = YOCO_OK;
    YOCO_TRY(yoco_all_sum_i64(session->comm, &is_there, 1));
    if (is_there)
        status = yoco_chat_template_find(
            o->session.model, yoco_shape_model_type(session->checkpoint->shape), tokenizer, out);
    return yoco_agree(session->comm, status);
}

static yoco_status run_jobs(const batch_options *o, yoco_session *session,
                            const yoco_tokenizer *tokenizer, int64_t chunk_rows,
                            const yoco_snapshot_target *target, const char *fingerprint, batch *b)
{
    bool first = session->comm->rank == 0;
    yoco_status spoiled = YOCO_OK;
    yoco_batch_run r = {.session = session,
                        .tokenizer = tokenizer,
                        .fingerprint = fingerprint,
                        .chunk_rows = chunk_rows,
                        .context = o->context ? target : NULL,
                        .checkpoints = o->checkpoint ? target : NULL,
                        .spoiled = &spoiled,
                        .stop = target->stop,
                        .input = first ? &b->input : NULL,
                        .documents = b->documents,
                        .results = b->results,
                        .progress = first ? &b->progress : NULL,
                        .packing = first ? &b->packing : NULL,
                        .jobs = b->jobs};
    YOCO_TRY(share_template(o, session, tokenizer, b, &r.chat));
    if (o->trace)
        YOCO_TRY(yoco_trace_open(session->comm));
    YOCO_TRY(yoco_batch_run_jobs(&r));
    if (first)
        yoco_batch_progress_end(&b->progress);
    if (o->trace)
        YOCO_TRY(yoco_trace_save(session->comm, o->trace));
    return spoiled;
}

/* The chunk size, of a saved context or as asked; and the saved context's ids on rank 0. */
static yoco_status choose_chunk_rows(const batch_options *o, yoco_session *session,
                                     const yoco_snapshot_target *target, yoco_ids *context,
                                     int64_t *chunk_rows)
{
    int64_t asked = o->chunk_rows, saved;
    if (o->context)
        YOCO_TRY(yoco_context_document(session, target, context, &saved));
    if (o->context && asked == 0)
        asked = saved;
    return yoco_session_agree_chunk_rows(session, asked, chunk_rows);
}

static yoco_status run_prepared(const batch_options *o, yoco_session *session,
                                const yoco_tokenizer *tokenizer, const yoco_snapshot_target *target,
                                batch *b)
{
    yoco_comm *comm = session->comm;
    char fingerprint[FINGERPRINT_BYTES];
    int64_t chunk_rows;
    yoco_status status = YOCO_OK;
    YOCO_TRY(choose_chunk_rows(o, session, target, &b->context, &chunk_rows));
    make_fingerprint(session, target, chunk_rows, fingerprint);
    if (comm->rank == 0)
        status = prepare(o, session, tokenizer, chunk_rows, fingerprint, b);
    YOCO_TRY(yoco_agree(comm, status));
    status = run_jobs(o, session, tokenizer, chunk_rows, target, fingerprint, b);
    if (status == YOCO_ERR_STOPPED && comm->rank == 0)
        yoco_log_info("stopped as asked: the same command goes on");
    YOCO_TRY(status);
    return comm->rank == 0 ? judge_input(b) : YOCO_OK;
}

static yoco_status run_batch(const batch_options *o, yoco_session *session,
                             const yoco_tokenizer *tokenizer)
{
    yoco_snapshot_target target;
    batch b = {0};
    const char *folder = o->context ? o->context : o->checkpoint;
    YOCO_TRY(yoco_context_target(session, folder, &target));
    target.stop = yoco_signals_catch();
    yoco_status status = run_prepared(o, session, tokenizer, &target, &b);
    free_batch(&b);
    return yoco_agree(session->comm, status);
}

static yoco_status run_session(const batch_options *o, yoco_session *session)
{
    yoco_comm *comm = session->comm;
    yoco_tokenizer *tokenizer = NULL;
    int vocab_size = session->checkpoint->shape->vocab_size;
    yoco_log_hold();
    yoco_status status = open_tokenizer(o->session.model, vocab_size, &tokenizer);
    status = yoco_comm_agree_lines(comm, status);
    if (status == YOCO_OK)
        status = run_batch(o, session, tokenizer);
    yoco_tokenizer_close(tokenizer);
    return status;
}

static yoco_status run(void *parsed)
{
    const batch_options *o = parsed;
    yoco_session session;
    YOCO_TRY(check_options(o));
    if (o->validate_only)
        return validate(o);
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_status status = run_session(o, &session);
    yoco_session_close(&session);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    batch_options o = {.session = YOCO_SESSION_DEFAULTS, .progress = "text", .max_errors = -1};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &o.session.model, 0,
         "Model folder with a tokenizer (see docs/MODELS.md).", .path = YOCO_PATH_READS_MODEL},
        {"input", 'i', "FILE", YOCO_OPTION_STRING | YOCO_OPTION_STDIN, &o.input, 0,
         "The jobs, one per line, in the OpenAI batch format; - is stdin.",
         .path = YOCO_PATH_READS_FILE},
        {"output", 'o', "FILE", YOCO_OPTION_STRING, &o.output, 0,
         "One line per job, each durable once it is there; - is stdout. A file that exists is\n"
         "gone on with: jobs that it answers are skipped, a torn last line is dropped. It is\n"
         "refused if the jobs, the model or the settings have changed since.",
         .path = YOCO_PATH_APPENDS_FILE},
        {"documents", 0, "DIR", YOCO_OPTION_STRING, &o.documents, 0,
         "Folder of the files that body.document.path names. No path leads out of it."},
        {"resume", 0, NULL, YOCO_OPTION_FLAG, &o.resume, 0,
         "Go on with an output file that exists (the default)."},
        {"overwrite", 0, NULL, YOCO_OPTION_FLAG, &o.overwrite, 0,
         "Begin the output file anew instead."},
        {"validate-only", 0, NULL, YOCO_OPTION_FLAG | YOCO_OPTION_ALONE, &o.validate_only, 0,
         "Check every line and stop there. Needs the model's config and tokenizer only."},
        {"raw", 0, NULL, YOCO_OPTION_FLAG, &o.raw, 0,
         "Messages of chats are plain lines, 'role: content', whatever the model's family; else\n"
         "they take the chat template of its family where there is a config.json."},
        {"max-errors", 0, "N", YOCO_OPTION_SIZE, &o.max_errors, 0,
         "Compute nothing if more than N lines are bad (default: bad lines become error records\n"
         "in the output, and the others are computed)."},
        {"fail-fast", 0, NULL, YOCO_OPTION_FLAG, &o.fail_fast, 0,
         "Stop at the first bad line, before anything is computed."},
        {"progress", 0, "text|json", YOCO_OPTION_STRING, &o.progress, 0,
         "How progress is shown on stderr (default text)."},
        {"metrics", 0, "FILE", YOCO_OPTION_STRING, &o.metrics, 0,
         "Keep a Prometheus textfile there.", .path = YOCO_PATH_REPLACES_FILE},
        {"trace", 0, "FILE", YOCO_OPTION_STRING, &o.trace, 0,
         "Write where each rank's time went, for ui.perfetto.dev or chrome://tracing.",
         .path = YOCO_PATH_REPLACES_FILE},
        {"context", 0, "DIR", YOCO_OPTION_STRING, &o.context, 0,
         "A saved context (see yoco context --help): the document of every job, loaded once.",
         .path = YOCO_PATH_READS_CONTEXT},
        {"checkpoint", 0, "DIR", YOCO_OPTION_STRING | YOCO_OPTION_SHARED, &o.checkpoint, 0,
         "Keep the prefill of long documents there while their jobs run, a folder for each, so\n"
         "that they go on after a kill. It is removed when the job's line is durable.",
         .path = YOCO_PATH_WRITES_CONTEXTS},
        YOCO_CHUNK_OPTION(o.chunk_rows),
        YOCO_SESSION_OPTIONS(o.session),
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv, run,
                                &o);
}

const yoco_command yoco_command_batch = {
    .name = "batch",
    .summary = "answer a file of jobs in the OpenAI batch format",
    .synopsis = "yoco batch -m MODEL -i FILE -o FILE [--documents DIR] [OPTION]...\n"
                "mpiexec -n RANKS yoco batch ...\n"
                "srun --mpi=pmi2 -n RANKS yoco batch ...",
    .description =
        "Reads jobs as `vllm run-batch` does, /v1/completions and /v1/chat/completions, and\n"
        "writes one line of answers for each, as it is done. body.document names a file to which\n"
        "the prompts are questions: it is prefilled once for all of them. docs/BATCH.md has the\n"
        "format.\n"
        "\n"
        "Every line is checked before anything is computed. A batch that was stopped or killed\n"
        "goes on when the same command is given again, on any number of ranks. Its lines, sorted,\n"
        "are the same as if nothing had happened. Long documents keep all ranks busy together,\n"
        "short jobs are packed, one rank each.\n"
        "\n"
        "The exit status is 65 if any line was bad, also when all others were answered.",
    .examples = "yoco batch -m MODEL -i jobs.jsonl --validate-only\n"
                "mpiexec -n 8 yoco batch -m MODEL -i jobs.jsonl -o results.jsonl --documents books",
    .run = run_command,
};
