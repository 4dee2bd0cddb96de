/* yoco run: one document, its questions, their answers. */
#include <string.h>

#include "coordinator/ask/context.h"
#include "coordinator/ask/dump.h"
#include "coordinator/ask/generate.h"
#include "coordinator/ask/output.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/signals.h"
#include "coordinator/session/session_options.h"

typedef struct run_options {
    yoco_session_options session;
    yoco_prompt_options prompt;
    yoco_generate_options generate;
    int64_t chunk_rows; /* 0: the default */
    bool json;
    const char *dump;
    const char *context, *checkpoint;
    yoco_snapshot_target target; /* where one of the two is given */
} run_options;

static yoco_status check_options(const run_options *o)
{
    int n_prompts = (o->prompt.file != NULL) + (o->prompt.text != NULL) +
                    (o->prompt.ids_file != NULL) + (o->context != NULL);
    if (n_prompts != 1) {
        yoco_log_error("yoco run: give exactly one of -f FILE, -p TEXT, --prompt-ids FILE and "
                       "--context DIR");
        return YOCO_ERR_USAGE;
    }
    if (o->context && o->prompt.questions.n + o->prompt.question_ids.n == 0) {
        yoco_log_error(
            "yoco run: a saved context needs a question: -q TEXT or --question-ids FILE");
        return YOCO_ERR_USAGE;
    }
    if (o->context && o->checkpoint) {
        yoco_log_error(
            "yoco run: --checkpoint is of no use with --context, which is saved already");
        return YOCO_ERR_USAGE;
    }
    if (o->generate.sampling.top_p <= 0.0 || o->generate.sampling.top_p > 1.0) {
        yoco_log_error("yoco run: --top-p is above 0 and at most 1, not %g",
                       o->generate.sampling.top_p);
        return YOCO_ERR_USAGE;
    }
    for (int i = 0; i < o->generate.stops.n; i++) {
        if (o->generate.stops.values[i][0] == '\0') {
            yoco_log_error("yoco run: --stop is a string of at least one character");
            return YOCO_ERR_USAGE;
        }
    }
    return YOCO_OK;
}

/* Rank 0. */
static yoco_status check_text_options(const run_options *o, const yoco_tokenizer *tokenizer)
{
    if (!tokenizer && o->generate.stops.n > 0) {
        yoco_log_error("yoco run: --stop is text, and the model folder has no tokenizer "
                       "(yoco_tokenizer.json or tokenizer.json)");
        return YOCO_ERR_USAGE;
    }
    return yoco_prompt_check_options(&o->prompt, tokenizer);
}

static yoco_status open_tokenizer(yoco_session *session, run_options *o, yoco_tokenizer **out)
{
    yoco_status status = YOCO_OK;
    if (session->comm->rank == 0)
        status = yoco_prompt_open_tokenizer(&o->prompt, o->session.model,
                                            session->checkpoint->shape->vocab_size,
                                            o->generate.stops.n > 0, out);
    if (session->comm->rank == 0 && status == YOCO_OK)
        status = check_text_options(o, *out);
    if (session->comm->rank == 0 && status == YOCO_OK)
        status = yoco_prompt_open_chat(&o->prompt, o->session.model,
                                       yoco_shape_model_type(session->checkpoint->shape), *out);
    o->generate.chat = o->prompt.chat_template;
    return yoco_agree(session->comm, status);
}

static void log_plan(const yoco_session *session)
{
    const yoco_plan *plan = yoco_worker_plan(session->worker);
    const yoco_grid *grid = &plan->input.grid;
    if (session->comm->rank != 0)
        return;
    yoco_log_info("%lld context tokens in %lld chunks of %lld, %d branches, on %d ranks of %d "
                  "threads (%s); %.2f GiB planned for rank 0",
                  (long long)grid->n_tokens, (long long)yoco_grid_n_chunks(grid),
                  (long long)grid->chunk_rows, plan->input.n_branches, grid->n_ranks,
                  session->device.n_threads, yoco_worker_arithmetic(session->worker),
                  (double)plan->total_bytes / (1 << 30));
}

/* *durable: of the checkpoint, where one is made. */
static yoco_status prefill(yoco_session *session, const run_options *o, const yoco_prompt *prompt,
                           double *seconds, yoco_status *durable)
{
    yoco_progress_line line;
    if (o->context)
        return yoco_context_load(session, &o->target, seconds);
    if (o->checkpoint)
        return yoco_context_prefill(session, &o->target, &prompt->context, seconds, durable);
    yoco_progress_begin(&line, session->comm->rank != 0);
    YOCO_TRY(
        yoco_worker_prefill(session->worker, prompt->context.ids, yoco_progress_update, &line));
    *seconds = yoco_progress_end(&line, prompt->context.n);
    return YOCO_OK;
}

static yoco_status answer(yoco_session *session, const run_options *o, const yoco_prompt *prompt,
                          const yoco_tokenizer *tokenizer, yoco_answer *answers,
                          yoco_status *durable)
{
    yoco_run_output output = {
        .session = session, .prompt = prompt, .answers = answers, .tokenizer = tokenizer};
    yoco_stream stream = {.tokenizer = tokenizer, .prompt = prompt};
    YOCO_TRY(prefill(session, o, prompt, &output.prefill_s, durable));
    YOCO_TRY(yoco_generate(session, &o->generate, prompt, tokenizer,
                           o->json ? NULL : yoco_stream_update, &stream, answers, &output.times));
    if (o->dump)
        YOCO_TRY(yoco_dump_write(session, o->dump, prompt, answers));
    YOCO_TRY(yoco_memory_measure(session, &output.memory));
    if (session->comm->rank != 0)
        return YOCO_OK;
    yoco_log_info("decode %lld tokens of %d branches in %.2f s, %.1f tok/s; peak memory %.2f GiB "
                  "per rank",
                  (long long)output.times.n_tokens, prompt->n_questions, output.times.decode_s,
                  (double)output.times.n_tokens / output.times.decode_s,
                  (double)output.memory.peak_bytes / (1 << 30));
    if (output.memory.device_bytes > 0)
        yoco_log_info("GPU memory in use: %.2f GiB",
                      (double)output.memory.device_bytes / (1 << 30));
    return o->json ? yoco_run_print_json(&output) : YOCO_OK;
}

/* A checkpoint goes when its job is done. Where it could not be written the answers are out all the
 * same, and the exit code tells. */
static yoco_status end_checkpoint(yoco_session *session, const run_options *o, yoco_status durable)
{
    yoco_comm *comm = session->comm;
    YOCO_TRY(durable);
    return yoco_agree(comm, comm->rank == 0 ? yoco_snapshot_remove(session->worker, o->checkpoint)
                                            : YOCO_OK);
}

static yoco_status reserve(yoco_session *session, const run_options *o, const yoco_prompt *prompt)
{
    int64_t chunk_rows;
    YOCO_TRY(yoco_session_agree_chunk_rows(session, o->chunk_rows, &chunk_rows));
    return (o->checkpoint ? yoco_worker_reserve_durable : yoco_worker_reserve)(
        session->worker, prompt->context.n, chunk_rows, prompt->n_questions, prompt->branch_rows);
}

static yoco_status run_prompt(yoco_session *session, const run_options *o,
                              const yoco_tokenizer *tokenizer, const yoco_prompt *prompt)
{
    yoco_answer *answers = NULL;
    size_t bytes = (size_t)prompt->n_questions * sizeof *answers;
    yoco_status durable = YOCO_OK;
    YOCO_TRY(reserve(session, o, prompt));
    log_plan(session);
    YOCO_TRY(yoco_agree(session->comm, yoco_alloc(bytes, "answers", (void **)&answers)));
    memset(answers, 0, bytes);
    yoco_status status = answer(session, o, prompt, tokenizer, answers, &durable);
    for (int i = 0; i < prompt->n_questions; i++)
        yoco_answer_free(&answers[i]);
    yoco_free(answers);
    if (status == YOCO_OK && o->checkpoint)
        status = end_checkpoint(session, o, durable);
    return status;
}

static yoco_status run_document(yoco_session *session, run_options *o)
{
    const yoco_model_shape *shape = session->checkpoint->shape;
    yoco_tokenizer *tokenizer = NULL;
    yoco_prompt prompt;
    yoco_status status = open_tokenizer(session, o, &tokenizer);
    if (status == YOCO_OK)
        status = yoco_prompt_load(session->comm, &o->prompt, tokenizer, shape->vocab_size,
                                  shape->max_seq_len, &prompt);
    if (status == YOCO_OK) {
        status = run_prompt(session, o, tokenizer, &prompt);
        yoco_prompt_free(&prompt);
    }
    yoco_tokenizer_close(tokenizer);
    return status;
}

static yoco_status run_context(yoco_session *session, run_options *o)
{
    yoco_ids ids;
    int64_t chunk_rows;
    YOCO_TRY(yoco_context_document(session, &o->target, &ids, &chunk_rows));
    o->prompt.context = &ids;
    if (o->chunk_rows == 0)
        o->chunk_rows = chunk_rows;
    yoco_status status = run_document(session, o);
    yoco_free(ids.ids);
    return status;
}

static yoco_status run_session(yoco_session *session, run_options *o)
{
    const char *folder = o->context ? o->context : o->checkpoint;
    if (folder)
        YOCO_TRY(yoco_context_target(session, folder, &o->target));
    o->target.temporary = o->checkpoint != NULL;
    if (o->checkpoint)
        o->target.stop = o->generate.stop = yoco_signals_catch();
    return o->context ? run_context(session, o) : run_document(session, o);
}

static yoco_status run(void *parsed)
{
    run_options *o = parsed;
    yoco_session session;
    o->generate.n_generate = o->prompt.n_generate;
    o->prompt.is_asked = o->prompt.questions.n > 0;
    o->generate.keep_logits = o->dump != NULL;
    YOCO_TRY(check_options(o));
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_status status = run_session(&session, o);
    yoco_session_close(&session);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    run_options o = {.session = YOCO_SESSION_DEFAULTS,
                     .prompt.n_generate = 64,
                     .generate.sampling = {.top_p = 1.0}};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &o.session.model, 0,
         "Model folder: config.json or params.json, model.safetensors (or its index and shards)\n"
         "and, for text, yoco_tokenizer.json or tokenizer.json (docs/MODELS.md).",
         .path = YOCO_PATH_READS_MODEL},
        {"file", 'f', "FILE", YOCO_OPTION_STRING | YOCO_OPTION_STDIN, &o.prompt.file, 0,
         "The document: a text file or a pipe; - is stdin.", .path = YOCO_PATH_READS_FILE},
        {"prompt", 'p', "TEXT", YOCO_OPTION_STRING, &o.prompt.text, 0, "The document itself."},
        {"prompt-ids", 0, "FILE", YOCO_OPTION_STRING | YOCO_OPTION_STDIN, &o.prompt.ids_file, 0,
         "The document as token ids separated by white space. Needs no tokenizer; nothing is\n"
         "added to the ids, and no id is banned from the answer.",
         .path = YOCO_PATH_READS_FILE},
        {"question", 'q', "TEXT", YOCO_OPTION_STRINGS, &o.prompt.questions, 0,
         "A question on the document. May be given several times: all questions share the\n"
         "document's K,V and are answered together."},
        {"question-ids", 0, "FILE", YOCO_OPTION_STRINGS | YOCO_OPTION_STDIN, &o.prompt.question_ids,
         0, "A question as token ids. May be given several times.", .path = YOCO_PATH_READS_FILE},
        {"max-tokens", 'n', "N", YOCO_OPTION_SIZE, &o.prompt.n_generate, 1,
         "Most tokens of an answer (default 64)."},
        YOCO_CHUNK_OPTION(o.chunk_rows),
        YOCO_SESSION_OPTIONS(o.session),
        {"temperature", 0, "X", YOCO_OPTION_REAL, &o.generate.sampling.temperature, 0,
         "0 takes the most likely token (default); above 0 samples."},
        {"top-k", 0, "K", YOCO_OPTION_SIZE, &o.generate.sampling.top_k, 0,
         "Sample among the K most likely tokens (default 0: all)."},
        {"top-p", 0, "P", YOCO_OPTION_REAL, &o.generate.sampling.top_p, 0,
         "Sample among the fewest tokens whose probability reaches P (default 1)."},
        {"seed", 0, "S", YOCO_OPTION_U64, &o.generate.sampling.seed, 0,
         "Of the random numbers (default 0). The same seed gives the same text on any number\n"
         "of ranks."},
        {"stop", 0, "TEXT", YOCO_OPTION_STRINGS, &o.generate.stops, 0,
         "Ends an answer where this text appears, which is not printed. May be given several\n"
         "times."},
        {"no-bos", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.no_bos, 0,
         "Do not put <s> before a text document."},
        {"chat", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.chat, 0,
         "Put the chat template of the model's family around the text: the document opens the\n"
         "user's turn, and each question closes it. Without it, text is left alone."},
        {"special-tokens", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.special_tokens, 0,
         "Text that spells a special token becomes that token; else it stays text."},
        {"json", 0, NULL, YOCO_OPTION_FLAG, &o.json, 0,
         "Print one JSON object at the end instead of streaming text."},
        {"dump", 0, "FILE", YOCO_OPTION_STRING, &o.dump, 0,
         "Write prompt, generated ids, logits and the shared K,V to a safetensors file.",
         .path = YOCO_PATH_REPLACES_FILE},
        {"context", 0, "DIR", YOCO_OPTION_STRING, &o.context, 0,
         "In place of a document: one that yoco context save has prefilled. On any number of\n"
         "ranks the answer is the same, bit for bit. Needs questions.",
         .path = YOCO_PATH_READS_CONTEXT},
        {"checkpoint", 0, "DIR", YOCO_OPTION_STRING | YOCO_OPTION_SHARED, &o.checkpoint, 0,
         "Keep the prefill in this folder while it runs; after a kill the same command goes on\n"
         "from there, on any number of ranks. SIGTERM or SIGUSR1 stops after about one more\n"
         "chunk, with exit code 75. Removed once the answers are out.",
         .path = YOCO_PATH_WRITES_CONTEXT},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv, run,
                                &o);
}

const yoco_command yoco_command_run = {
    .name = "run",
    .summary = "prefill a document and answer questions on it",
    .synopsis =
        "yoco run -m MODEL (-f FILE | -p TEXT | --prompt-ids FILE) [-q TEXT]... [OPTION]...\n"
        "yoco run -m MODEL --context DIR -q TEXT... [OPTION]...\n"
        "mpiexec -n RANKS yoco run ...\n"
        "srun --mpi=pmi2 -n RANKS yoco run ...",
    .description =
        "Runs a document through the self-decoder on all ranks at once, keeps its shared K,V\n"
        "where it was computed, and generates: one answer to each question, all decoded\n"
        "together, or without a question the document's continuation.\n"
        "\n"
        "The answer is the same, bit for bit, on any number of ranks and threads. Answers go to\n"
        "stdout as they grow (ids where the model has no tokenizer), progress to stderr.",
    .examples = "yoco run -m MODEL -f book.txt -q 'Who is the captain?' -n 32\n"
                "mpiexec -n 8 yoco run -m MODEL --prompt-ids ids.txt -n 16 --dump out.safetensors",
    .run = run_command,
};
