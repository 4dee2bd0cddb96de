/* yoco eval: does a model find what stands in a long document? */
#include <string.h>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/paths.h"
#include "coordinator/eval/report.h"
#include "coordinator/eval/run.h"
#include "coordinator/session/session_options.h"

enum { DEFAULT_MAX_TOKENS = 24, MAX_MAX_TOKENS = 1 << 20 };

typedef struct eval_options {
    yoco_eval_options eval;
    uint64_t seed;
    bool resume, overwrite, dump_prompt;
} eval_options;

static yoco_status bad_usage(const char *what)
{
    yoco_log_error("yoco eval: %s (see yoco eval --help)", what);
    return YOCO_ERR_USAGE;
}

static yoco_status check_options(const eval_options *o)
{
    if (!o->eval.session.model)
        return bad_usage("-m MODEL is missing: a model folder");
    if (!o->eval.folder && !o->dump_prompt && !o->eval.dump_ids)
        return bad_usage("-o DIR is missing: the folder for the results");
    if (o->resume && o->overwrite)
        return bad_usage("give --resume or --overwrite, not both");
    if (o->dump_prompt && o->eval.dump_ids)
        return bad_usage("give --dump-prompt or --dump-ids, not both");
    if (o->seed > INT64_MAX)
        return bad_usage("--seed is at most 2^63 - 1");
    if (o->eval.max_tokens > MAX_MAX_TOKENS)
        return bad_usage("--max-tokens is at most 1M");
    return YOCO_OK;
}

static yoco_status run(void *parsed)
{
    eval_options *o = parsed;
    YOCO_TRY(check_options(o));
    o->eval.seed = (int64_t)o->seed;
    o->eval.mode = o->resume      ? YOCO_EVAL_RESUME
                   : o->overwrite ? YOCO_EVAL_OVERWRITE
                                  : YOCO_EVAL_NEW;
    return o->dump_prompt || o->eval.dump_ids ? yoco_eval_dump(&o->eval) : yoco_eval_run(&o->eval);
}

typedef struct report_arguments {
    int argc;
    char **argv;
} report_arguments;

static yoco_status report(void *parsed)
{
    const report_arguments *a = parsed;
    if (a->argc != 3 || a->argv[2][0] == '-' || a->argv[2][0] == '\0')
        return bad_usage("yoco eval report takes one folder, DIR");
    const char *folder = a->argv[2];
    const yoco_option output = {.name = "output",
                                .kind = YOCO_OPTION_STRING,
                                .value = &folder,
                                .path = YOCO_PATH_REPORTS_EVAL};
    YOCO_TRY(yoco_paths_check_table("eval report", &output, 1));
    return yoco_eval_report(folder);
}

static const yoco_command report_command = {.name = "eval report", .is_alone = true};

static bool asks_for_report(int argc, char **argv)
{
    bool help = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    return argc > 1 && strcmp(argv[1], "report") == 0 && !help;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    eval_options o = {.eval = {.session = YOCO_SESSION_DEFAULTS, .max_tokens = DEFAULT_MAX_TOKENS}};
    yoco_session_options *session = &o.eval.session;
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &session->model, 0,
         "Model folder with a tokenizer (docs/MODELS.md).", .path = YOCO_PATH_READS_MODEL},
        {"output", 'o', "DIR", YOCO_OPTION_STRING, &o.eval.folder, 0,
         "Folder for samples.jsonl, results.json, heatmap.svg, recall.svg and report.html.",
         .path = YOCO_PATH_WRITES_EVAL},
        {"task", 0, "NAME", YOCO_OPTION_STRINGS, &o.eval.choice.tasks, 0,
         "needle, multikey, multiquery, multivalue or yoco-compat; may be given several times\n"
         "(default: all but yoco-compat)."},
        {"length", 0, "L", YOCO_OPTION_STRINGS, &o.eval.choice.lengths, 0,
         "Tokens of a document; may be given several times (default: 4K, 8K, 16K, ... as far\n"
         "as the model goes)."},
        {"depths", 0, "D", YOCO_OPTION_SIZE, &o.eval.choice.n_depths, 1,
         "Depths from the start to the end of the document (default 11)."},
        {"trials", 0, "T", YOCO_OPTION_SIZE, &o.eval.choice.n_trials, 1,
         "Documents per length, depth and number of needles (default 5, above 64K tokens 2; of\n"
         "yoco-compat the authors' 10 and 5)."},
        {"needles", 0, "N", YOCO_OPTION_STRINGS, &o.eval.choice.needles, 0,
         "Needles in a document, or values of multivalue; may be given several times (default\n"
         "4, of yoco-compat 1). The task needle has one."},
        {"haystack", 0, "FILE", YOCO_OPTION_STRINGS | YOCO_OPTION_STDIN, &o.eval.haystack, 0,
         "The text around the needles; may be given several times (default: the Perl manual,\n"
         "Debian's perl-doc).",
         .path = YOCO_PATH_READS_FILE},
        {"seed", 0, "S", YOCO_OPTION_U64, &o.seed, 0,
         "Of everything that is drawn (default 0). The same seed gives the same documents."},
        {"max-tokens", 'n', "N", YOCO_OPTION_SIZE, &o.eval.max_tokens, 1,
         "Most tokens of an answer for each value wanted (default 24; yoco-compat: 20)."},
        {"chat", 0, NULL, YOCO_OPTION_FLAG, &o.eval.chat, 0,
         "Put the chat template of the model's family around the text: document and question are\n"
         "one user's turn, the answer is the assistant's, which no line break ends. Without it,\n"
         "text is left alone."},
        {"resume", 0, NULL, YOCO_OPTION_FLAG, &o.resume, 0,
         "Continue in DIR: documents that are answered there are not asked again."},
        {"overwrite", 0, NULL, YOCO_OPTION_FLAG, &o.overwrite, 0, "Drop the answers in DIR."},
        {"dump-prompt", 0, NULL, YOCO_OPTION_FLAG | YOCO_OPTION_ALONE, &o.dump_prompt, 0,
         "Print the documents and questions instead of asking them; needs no -o."},
        {"dump-ids", 0, NULL, YOCO_OPTION_FLAG | YOCO_OPTION_ALONE, &o.eval.dump_ids, 0,
         "Print their token ids instead: a line for a document, then one for each question, for\n"
         "--prompt-ids and --question-ids of yoco run. The text alone does not say them."},
        YOCO_CHUNK_OPTION(o.eval.chunk_rows),
        YOCO_SESSION_OPTIONS(o.eval.session),
    };
    if (asks_for_report(argc, argv))
        return yoco_command_execute(&report_command, NULL, 0, 1, argv, report,
                                    &(report_arguments){argc, argv});
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv, run,
                                &o);
}

const yoco_command yoco_command_eval = {
    .name = "eval",
    .summary = "measure what a model finds in long documents",
    .synopsis = "yoco eval -m MODEL -o DIR [OPTION]...\n"
                "mpiexec -n RANKS yoco eval ...\n"
                "yoco eval report DIR",
    .description =
        "Hides sentences (needles) in documents of several lengths and asks for what they say.\n"
        "A document is prefilled once; all its questions are answered together. Every answer is\n"
        "a line of DIR/samples.jsonl with all that is needed to recheck it; the report is made\n"
        "from that file alone, at the end or by `yoco eval report DIR`. Tasks, scores and files\n"
        "are explained in docs/EVALUATION.md.\n"
        "\n"
        "The same seed gives the same documents, answers and results on any number of ranks.\n"
        "A run that was killed goes on with --resume.",
    .examples = "yoco eval -m MODEL -o results --task needle --length 4K --length 16K\n"
                "mpiexec -n 8 yoco eval -m MODEL -o results --resume\n"
                "yoco eval -m MODEL --task multikey --length 4K --depths 1 --trials 1 "
                "--dump-prompt",
    .run = run_command,
};
