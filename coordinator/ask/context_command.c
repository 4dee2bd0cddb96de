/* yoco context: a prefilled document on disk. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "configs/context/document.h"
#include "coordinator/ask/context.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/signals.h"
#include "coordinator/session/session_options.h"
#include "coordinator/text/tokenizer_hash.h"
#include "streams.h"

typedef struct context_options {
    yoco_session_options session;
    yoco_prompt_options prompt;
    int64_t chunk_rows; /* 0: the default */
    const char *folder;
} context_options;

static yoco_status need_folder(const context_options *o, const char *command, const char *where)
{
    if (o->folder && o->folder[0])
        return YOCO_OK;
    yoco_log_error("yoco context %s: the folder is missing: %s", command, where);
    return YOCO_ERR_USAGE;
}

static yoco_status save_ids(yoco_session *session, const context_options *o, const yoco_ids *ids)
{
    yoco_snapshot_target target;
    yoco_status durable;
    int64_t chunk_rows;
    double seconds;
    YOCO_TRY(yoco_session_agree_chunk_rows(session, o->chunk_rows, &chunk_rows));
    YOCO_TRY(yoco_context_target(session, o->folder, &target));
    target.stop = yoco_signals_catch();
    YOCO_TRY(yoco_worker_reserve_durable(session->worker, ids->n, chunk_rows, 1, 1));
    YOCO_TRY(yoco_context_prefill(session, &target, ids, &seconds, &durable));
    if (durable == YOCO_OK && session->comm->rank == 0)
        yoco_log_info("context of %lld tokens saved in %s", (long long)ids->n, o->folder);
    return durable;
}

/* Rank 0. */
static yoco_status read_ids(yoco_session *session, context_options *o, yoco_ids *ids)
{
    const yoco_model_shape *shape = session->checkpoint->shape;
    yoco_tokenizer *tokenizer;
    YOCO_TRY(yoco_prompt_open_tokenizer(&o->prompt, o->session.model, shape->vocab_size, false,
                                        &tokenizer));
    yoco_status status = yoco_prompt_check_options(&o->prompt, tokenizer);
    o->prompt.is_asked = true;
    if (status == YOCO_OK)
        status = yoco_prompt_open_chat(&o->prompt, o->session.model, yoco_shape_model_type(shape),
                                       tokenizer);
    if (status == YOCO_OK)
        status = yoco_prompt_document(&o->prompt, tokenizer, shape->vocab_size, ids);
    yoco_tokenizer_close(tokenizer);
    /* A question and its answer are one token each at least. */
    if (status == YOCO_OK && ids->n > shape->max_seq_len - 2) {
        yoco_log_error("the document has %lld tokens, and the model's max_seq_len of %lld leaves "
                       "no room for a question and its answer: shorten it",
                       (long long)ids->n, (long long)shape->max_seq_len);
        status = YOCO_ERR_DATA;
    }
    return status;
}

static yoco_status save(void *parsed)
{
    context_options *o = parsed;
    yoco_session session;
    yoco_ids ids = {0};
    int n_prompts =
        (o->prompt.file != NULL) + (o->prompt.text != NULL) + (o->prompt.ids_file != NULL);
    YOCO_TRY(need_folder(o, "save", "-o DIR"));
    if (n_prompts != 1) {
        yoco_log_error("yoco context save: give exactly one of -f FILE, -p TEXT and --prompt-ids "
                       "FILE");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_comm *comm = session.comm;
    yoco_status status = yoco_agree(comm, comm->rank == 0 ? read_ids(&session, o, &ids) : YOCO_OK);
    if (status == YOCO_OK)
        status = yoco_ids_share(comm, &ids);
    if (status == YOCO_OK)
        status = save_ids(&session, o, &ids);
    yoco_free(ids.ids);
    yoco_session_close(&session);
    return status;
}

static yoco_status load_session(yoco_session *session, const context_options *o)
{
    yoco_snapshot_target target;
    yoco_ids ids;
    int64_t chunk_rows;
    double seconds;
    YOCO_TRY(yoco_context_target(session, o->folder, &target));
    YOCO_TRY(yoco_context_document(session, &target, &ids, &chunk_rows));
    yoco_free(ids.ids);
    YOCO_TRY(yoco_worker_reserve(session->worker, ids.n, chunk_rows, 1, 1));
    return yoco_context_load(session, &target, &seconds);
}

static yoco_status load(void *parsed)
{
    const context_options *o = parsed;
    yoco_session session;
    YOCO_TRY(need_folder(o, "load", "yoco context load DIR -m MODEL"));
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_status status = load_session(&session, o);
    yoco_session_close(&session);
    return status;
}

static int64_t count(const yoco_context_entry *entries, int64_t n, int64_t *bytes)
{
    int64_t n_files = 0;
    for (int64_t i = 0; i < n; i++) {
        n_files += entries[i].bytes > 0;
        *bytes += entries[i].bytes;
    }
    return n_files;
}

static void print_info(const char *folder, const yoco_context_manifest *m)
{
    const yoco_context_identity *id = &m->identity;
    char model[YOCO_HASH_TEXT_BYTES], tokenizer[YOCO_HASH_TEXT_BYTES];
    char document[YOCO_HASH_TEXT_BYTES];
    int64_t bytes = 0, n_edges = count(m->edges, m->n_chunks, &bytes);
    count(m->chunks, m->n_chunks, &bytes);
    yoco_hash_text(id->model, model);
    yoco_hash_text(id->tokenizer, tokenizer);
    yoco_hash_text(id->document, document);
    yoco_print("context          %s\n", folder);
    yoco_print("tokens           %" PRId64 " in %" PRId64 " chunks of %" PRId64 "\n", id->n_tokens,
               m->n_chunks, id->chunk_rows);
    yoco_print("files            %" PRId64 " chunks, %" PRId64 " edges, %" PRId64 " bytes\n",
               m->n_chunks, n_edges, bytes);
    yoco_print("K,V              %s\n", yoco_dtype_name(id->dtype));
    yoco_print("arithmetic       %s\n", id->arithmetic);
    yoco_print("model            %s\ntokenizer        %s\ndocument         %s\n", model, tokenizer,
               document);
}

static yoco_status info(void *parsed)
{
    const context_options *o = parsed;
    yoco_context_manifest manifest;
    YOCO_TRY(need_folder(o, "info", "yoco context info DIR"));
    YOCO_TRY(yoco_context_open(o->folder, &manifest));
    print_info(o->folder, &manifest);
    yoco_context_manifest_free(&manifest);
    return YOCO_OK;
}

/* Compares the manifest with the model folder. */
static yoco_status verify_model(const context_options *o, const yoco_context_manifest *manifest)
{
    yoco_context_identity wanted = manifest->identity;
    yoco_checkpoint *checkpoint;
    char path[PATH_MAX];
    YOCO_TRY(yoco_session_open_model(&o->session, &checkpoint));
    yoco_status status = yoco_checkpoint_hash(checkpoint, &wanted.model);
    yoco_checkpoint_close(checkpoint);
    YOCO_TRY(status);
    YOCO_TRY(yoco_tokenizer_hash(o->session.model, &wanted.tokenizer));
    YOCO_TRY(yoco_path_join(o->folder, yoco_context_manifest_name, path));
    return yoco_context_identity_check(path, &manifest->identity, &wanted);
}

static yoco_status verify(void *parsed)
{
    const context_options *o = parsed;
    yoco_context_manifest manifest;
    YOCO_TRY(need_folder(o, "verify", "yoco context verify DIR"));
    YOCO_TRY(yoco_context_open(o->folder, &manifest));
    yoco_status status = o->session.model ? verify_model(o, &manifest) : YOCO_OK;
    if (status == YOCO_OK)
        status = yoco_context_verify(o->folder, &manifest);
    if (status == YOCO_OK)
        yoco_print("%s: all files of %" PRId64 " chunks are as they were written\n", o->folder,
                   manifest.n_chunks);
    yoco_context_manifest_free(&manifest);
    return status;
}

/* yoco context VERB DIR ...: the folder may stand first. */
static void take_folder(context_options *o, int *argc, char ***argv)
{
    if (*argc < 2 || (*argv)[1][0] == '-')
        return;
    o->folder = (*argv)[1];
    ++*argv; /* it stands where the name of the command would */
    --*argc;
}

enum { INFO, VERIFY, LOAD, SAVE };

/* Each verb takes the first options of one table: what info needs is none, what save needs is all.
 */
static int run_verb(const yoco_command *command, int verb, int argc, char **argv)
{
    enum { N_LOAD = 1 + YOCO_N_SESSION_OPTIONS, N_SAVE = N_LOAD + 8 };
    static const int n_options[] = {0, 1, N_LOAD, N_SAVE};
    static yoco_status (*const runs[])(void *) = {info, verify, load, save};
    context_options o = {.session = YOCO_SESSION_DEFAULTS};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &o.session.model, 0,
         "Model folder.", .path = YOCO_PATH_READS_MODEL},
        YOCO_SESSION_OPTIONS(o.session),
        {"output", 'o', "DIR", YOCO_OPTION_STRING | YOCO_OPTION_SHARED, &o.folder, 0,
         "Folder of the context, new or of an unfinished one.", .path = YOCO_PATH_WRITES_CONTEXT},
        {"file", 'f', "FILE", YOCO_OPTION_STRING | YOCO_OPTION_STDIN, &o.prompt.file, 0,
         "The document: a text file or a pipe; - is stdin.", .path = YOCO_PATH_READS_FILE},
        {"prompt", 'p', "TEXT", YOCO_OPTION_STRING, &o.prompt.text, 0, "The document itself."},
        {"prompt-ids", 0, "FILE", YOCO_OPTION_STRING | YOCO_OPTION_STDIN, &o.prompt.ids_file, 0,
         "The document as token ids separated by white space.", .path = YOCO_PATH_READS_FILE},
        YOCO_CHUNK_OPTION(o.chunk_rows),
        {"no-bos", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.no_bos, 0,
         "Do not put <s> before a text document."},
        {"chat", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.chat, 0,
         "The document opens the user's turn of a chat: for yoco run --context DIR --chat."},
        {"special-tokens", 0, NULL, YOCO_OPTION_FLAG, &o.prompt.special_tokens, 0,
         "Text that spells a special token becomes that token; else it stays text."},
    };
    _Static_assert(sizeof options / sizeof *options == N_SAVE, "save takes all options");
    if (verb != SAVE)
        take_folder(&o, &argc, &argv);
    return yoco_command_execute(command, options, n_options[verb], argc, argv, runs[verb], &o);
}

static int run_save(const yoco_command *command, int argc, char **argv)
{
    return run_verb(command, SAVE, argc, argv);
}

static int run_load(const yoco_command *command, int argc, char **argv)
{
    return run_verb(command, LOAD, argc, argv);
}

static int run_info(const yoco_command *command, int argc, char **argv)
{
    return run_verb(command, INFO, argc, argv);
}

static int run_verify(const yoco_command *command, int argc, char **argv)
{
    return run_verb(command, VERIFY, argc, argv);
}

static const yoco_command verbs[] = {
    {.name = "context save",
     .summary = "prefill a document and keep it on disk",
     .synopsis =
         "yoco context save -m MODEL (-f FILE | -p TEXT | --prompt-ids FILE) -o DIR [OPTION]...",
     .description =
         "Runs a document through the self-decoder on all ranks and writes its K,V while they are\n"
         "computed. yoco run --context DIR answers questions on it, on any number of ranks.\n"
         "\n"
         "An unfinished folder is taken up where it ends, damaged files are made again. SIGTERM "
         "or\n"
         "SIGUSR1 stops after about one more chunk, with exit code 75; a second one at once.",
     .examples = "mpiexec -n 8 yoco context save -m MODEL -f book.txt -o book.context",
     .run = run_save},
    {.name = "context load",
     .summary = "read a saved context, check it, and say how long it took",
     .synopsis = "yoco context load DIR -m MODEL [OPTION]...",
     .description = "Does what yoco run --context does before its questions.",
     .run = run_load},
    {.name = "context info",
     .summary = "describe a saved context",
     .synopsis = "yoco context info DIR",
     .description = "Prints what the manifest says.",
     .is_alone = true,
     .run = run_info},
    {.name = "context verify",
     .summary = "check every file of a saved context",
     .synopsis = "yoco context verify DIR [-m MODEL]",
     .description =
         "Reads all files and compares them with the manifest; with a model folder, also\n"
         "whether the context is of that model and tokenizer.",
     .is_alone = true,
     .run = run_verify},
};

static yoco_status print_verbs(void *parsed)
{
    FILE *file = yoco_stdout();
    (void)parsed;
    fprintf(file, "usage: yoco context VERB ...\n\n");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        fprintf(file, "  yoco %-14s  %s\n", verbs[i].name, verbs[i].summary);
    fprintf(file, "\nyoco context VERB --help explains one.\n");
    return YOCO_OK;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        const yoco_command help = {.name = "context --help", .is_alone = true};
        return yoco_command_execute(&help, NULL, 0, 1, argv, print_verbs, NULL);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(name, verbs[i].name + strlen("context ")) == 0)
            return verbs[i].run(&verbs[i], argc - 1, argv + 1);
    yoco_log_error("yoco %s: '%s' is none of save, load, info and verify (see yoco %s --help)",
                   command->name, name, command->name);
    return yoco_status_exit_code(YOCO_ERR_USAGE);
}

const yoco_command yoco_command_context = {
    .name = "context",
    .summary = "keep a prefilled document on disk: save, load, info, verify",
    .run = run_command,
};
