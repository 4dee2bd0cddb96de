/* yoco scale: sweeps of measured, simulated and predicted runs, and their report. One process: it
 * starts the runs itself. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/paths.h"
#include "coordinator/plan/input.h"
#include "coordinator/scale/report.h"
#include "coordinator/scale/sweep.h"
#include "coordinator/timing/measure.h"

enum { MAX_VALUES = 64, MAX_PATH = 4096, MAX_RANKS = 1 << 16, MAX_BRANCHES = 1 << 20 };

typedef struct list {
    int n;
    int64_t values[MAX_VALUES];
} list;

typedef struct scale_options {
    yoco_sweep sweep;
    const char *hardware;
    yoco_strings rank_texts, token_texts, weak_texts, branch_texts;
    list ranks, tokens, weak_tokens, branches;
    bool measure, simulate, predict, report_only;
    int64_t slow_rank, slow_node;
} scale_options;

/* "1,2,4" and repeated options alike. */
static yoco_status parse_list(const char *name, const yoco_strings *texts, int64_t most, list *out)
{
    if (texts->n > 0)
        out->n = 0;
    for (int i = 0; i < texts->n; i++) {
        for (const char *at = texts->values[i], *end; at; at = *end ? end + 1 : NULL) {
            char word[32];
            int64_t value = 0;
            end = at + strcspn(at, ",");
            size_t size = (size_t)(end - at);
            snprintf(word, sizeof word, "%.*s", (int)size, at);
            if (size >= sizeof word || out->n == MAX_VALUES || !yoco_parse_size(word, &value) ||
                value < 1 || value > most) {
                yoco_log_error("yoco scale: --%s takes at most %d whole numbers from 1 to %lld, "
                               "not '%s'",
                               name, MAX_VALUES, (long long)most, texts->values[i]);
                return YOCO_ERR_USAGE;
            }
            out->values[out->n++] = value;
        }
    }
    return YOCO_OK;
}

static yoco_status parse_lists(scale_options *o)
{
    YOCO_TRY(parse_list("ranks", &o->rank_texts, MAX_RANKS, &o->ranks));
    YOCO_TRY(parse_list("tokens", &o->token_texts, INT64_C(1) << 36, &o->tokens));
    YOCO_TRY(parse_list("tokens-per-rank", &o->weak_texts, INT64_C(1) << 32, &o->weak_tokens));
    YOCO_TRY(parse_list("branches", &o->branch_texts, MAX_BRANCHES, &o->branches));
    if (o->ranks.n == 0 || o->tokens.n + o->weak_tokens.n == 0) {
        yoco_log_error("yoco scale: give --ranks, and --tokens or --tokens-per-rank");
        return YOCO_ERR_USAGE;
    }
    if (o->sweep.n_runs > YOCO_SCALE_MAX_RUNS || o->sweep.n_steps > YOCO_SCALE_MAX_STEPS ||
        o->sweep.sim_steps > YOCO_SCALE_MAX_STEPS) {
        yoco_log_error("yoco scale: --runs is at most %d, --steps and --sim-steps %d",
                       YOCO_SCALE_MAX_RUNS, YOCO_SCALE_MAX_STEPS);
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static yoco_status load_shape(scale_options *o)
{
    if (o->sweep.model && o->simulate && !is_file(o->sweep.model)) {
        yoco_log_error(
            "yoco scale: --simulate needs a config.json or params.json, not a folder: %s",
            o->sweep.model);
        return YOCO_ERR_USAGE;
    }
    return yoco_plan_shape_load(o->sweep.model, &o->sweep.shape);
}

/* Beside this program. */
static yoco_status find_simulator(scale_options *o, char path[MAX_PATH])
{
    static const char name[] = "yoco-sim";
    ssize_t n = readlink("/proc/self/exe", path, MAX_PATH - sizeof name);
    if (o->sweep.simulator || !o->simulate)
        return YOCO_OK;
    if (n > 0) {
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        snprintf(slash ? slash + 1 : path, sizeof name, "%s", name);
        if (access(path, X_OK) == 0) {
            o->sweep.simulator = path;
            return YOCO_OK;
        }
    }
    yoco_log_error("yoco scale: no yoco-sim beside yoco: install Debian's libsimgrid-dev and build "
                   "again, or name it with --simulator");
    return YOCO_ERR_OPEN;
}

static yoco_status check_what_if(scale_options *o)
{
    yoco_what_if *w = &o->sweep.what_if;
    w->slow_rank = (int)yoco_i64_min(o->slow_rank, INT_MAX);
    w->slow_node = (int)yoco_i64_min(o->slow_node, INT_MAX);
    if ((w->slow_rank >= 0 || w->slow_node >= 0 || w->bandwidth != 1) && !o->simulate) {
        yoco_log_error("yoco scale: --slow-rank, --slow-node and --bandwidth change simulations: "
                       "add --simulate");
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

static yoco_status load(scale_options *o, yoco_hardware *hardware, char simulator[MAX_PATH])
{
    if (!o->measure && !o->simulate && !o->predict)
        o->measure = true;
    YOCO_TRY(parse_lists(o));
    YOCO_TRY(load_shape(o));
    YOCO_TRY(check_what_if(o));
    YOCO_TRY(find_simulator(o, simulator));
    if ((o->simulate || o->predict) && !o->hardware) {
        yoco_log_error("yoco scale: --simulate and --predict need --hardware: a name of "
                       "configs/hardware or a file of yoco bench --profile");
        return YOCO_ERR_USAGE;
    }
    if (!o->hardware)
        return YOCO_OK;
    YOCO_TRY(yoco_hardware_load(o->hardware, hardware));
    o->sweep.hardware = hardware;
    o->sweep.hardware_path = o->hardware;
    return YOCO_OK;
}

static yoco_status run_kinds(const scale_options *o, yoco_scale_point point, yoco_scale_rows *rows)
{
    const bool wanted[YOCO_N_SCALE_KINDS] = {o->measure, o->simulate, o->predict};
    for (int kind = 0; kind < YOCO_N_SCALE_KINDS; kind++) {
        if (!wanted[kind])
            continue;
        point.kind = (yoco_scale_kind)kind;
        YOCO_TRY(yoco_scale_point_run(&o->sweep, &point, rows));
    }
    return YOCO_OK;
}

static yoco_status run_points(const scale_options *o, bool weak, yoco_scale_rows *rows)
{
    const list *tokens = weak ? &o->weak_tokens : &o->tokens;
    for (int t = 0; t < tokens->n; t++) {
        for (int b = 0; b < o->branches.n; b++) {
            for (int r = 0; r < o->ranks.n; r++) {
                yoco_scale_point point = {.weak = weak,
                                          .n_ranks = (int)o->ranks.values[r],
                                          .n_tokens =
                                              tokens->values[t] * (weak ? o->ranks.values[r] : 1),
                                          .n_branches = o->branches.values[b]};
                YOCO_TRY(run_kinds(o, point, rows));
            }
        }
    }
    return YOCO_OK;
}

/* The report is written after a failure too: what has finished is in it. */
static yoco_status run_sweep(scale_options *o)
{
    yoco_hardware hardware;
    char simulator[MAX_PATH];
    yoco_scale_rows rows;
    if (!o->report_only)
        YOCO_TRY(load(o, &hardware, simulator));
    YOCO_TRY(yoco_paths_check());
    YOCO_TRY(yoco_scale_rows_open(o->sweep.folder, &rows));
    yoco_status status = YOCO_OK;
    if (!o->report_only)
        status = run_points(o, false, &rows);
    if (!o->report_only && status == YOCO_OK)
        status = run_points(o, true, &rows);
    yoco_status report = yoco_scale_report_write(o->sweep.folder, rows.rows);
    if (report == YOCO_OK)
        yoco_log_info("%zu runs in %s/report.html", json_array_size(rows.rows), o->sweep.folder);
    yoco_scale_rows_close(&rows);
    return status != YOCO_OK ? status : report;
}

static yoco_status scale(void *parsed)
{
    scale_options *o = parsed;
    if (!o->sweep.folder) {
        yoco_log_error("yoco scale: -o FOLDER is missing");
        return YOCO_ERR_USAGE;
    }
    yoco_status status = run_sweep(o);
    yoco_free(o->sweep.shape);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    scale_options o = {
        .sweep = {.launcher = "mpiexec -n %P",
                  .n_runs = 3,
                  .n_steps = 8,
                  .sim_steps = 1,
                  .branch_rows = 256,
                  .dtype = "auto",
                  .backend = "auto",
                  .what_if = {.slow_rank_time = 2, .slow_node_bandwidth = 0.1, .bandwidth = 1}},
        .branches = {1, {1}},
        .slow_rank = -1,
        .slow_node = -1};
    yoco_sweep *s = &o.sweep;
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING, &s->model, 0,
         "Model folder, or its config alone (configs/shapes/): random weights of that shape.",
         .path = YOCO_PATH_READS_MODEL},
        {"output", 'o', "FOLDER", YOCO_OPTION_STRING, &s->folder, 0,
         "scale.jsonl, scale.csv, scale.json and report.html go there. Points that\n"
         "scale.jsonl already has are not run again unless --runs, --steps, --sim-steps\n"
         "or the hardware have changed.",
         .path = YOCO_PATH_WRITES_SCALE},
        {"ranks", 0, "P,...", YOCO_OPTION_STRINGS, &o.rank_texts, 0, "Numbers of ranks."},
        {"tokens", 0, "N,...", YOCO_OPTION_STRINGS, &o.token_texts, 0,
         "Strong scaling: tokens of the document."},
        {"tokens-per-rank", 0, "N,...", YOCO_OPTION_STRINGS, &o.weak_texts, 0,
         "Weak scaling: tokens of each rank."},
        {"branches", 0, "B,...", YOCO_OPTION_STRINGS, &o.branch_texts, 0,
         "Branches that step together (default 1)."},
        {"chunk", 0, "C", YOCO_OPTION_SIZE, &s->chunk_rows, 1,
         "Tokens per chunk (default: the formula's choice with --hardware, else 2048)."},
        {"measure", 0, NULL, YOCO_OPTION_FLAG, &o.measure, 0,
         "Run on this machine (the default where no other kind is given)."},
        {"simulate", 0, NULL, YOCO_OPTION_FLAG, &o.simulate, 0, "Run on a simulated machine."},
        {"predict", 0, NULL, YOCO_OPTION_FLAG, &o.predict, 0, "Compute the formula."},
        {"hardware", 0, "NAME", YOCO_OPTION_STRING, &o.hardware, 0,
         "Of configs/hardware, or a file: what is simulated and predicted.",
         .path = YOCO_PATH_READS_FILE},
        {"runs", 0, "N", YOCO_OPTION_SIZE, &s->n_runs, 1, "Measured prefills (default 3)."},
        {"steps", 0, "N", YOCO_OPTION_SIZE, &s->n_steps, 1, "Measured decode steps (default 8)."},
        {"sim-steps", 0, "N", YOCO_OPTION_SIZE, &s->sim_steps, 1,
         "Simulated decode steps (default 1)."},
        {"threads", 0, "T", YOCO_OPTION_SIZE, &s->n_threads, 1, "As in yoco run."},
        {"dtype", 0, "auto|f32|bf16", YOCO_OPTION_STRING, &s->dtype, 0, "As in yoco run."},
        {"backend", 0, "auto|reference|cpu|cuda", YOCO_OPTION_STRING, &s->backend, 0,
         "As in yoco run."},
        {"launcher", 0, "WORDS", YOCO_OPTION_STRING, &s->launcher, 0,
         "What starts the measured ranks; %P is their number (default 'mpiexec -n %P')."},
        {"simulator", 0, "FILE", YOCO_OPTION_STRING, &s->simulator, 0,
         "yoco-sim (default: beside yoco).", .path = YOCO_PATH_READS_FILE},
        {"slow-rank", 0, "R", YOCO_OPTION_SIZE, &o.slow_rank, 0, "What if rank R were slower."},
        {"slow-rank-time", 0, "F", YOCO_OPTION_REAL, &s->what_if.slow_rank_time, 1e-6,
         "How many times as long its ops take (default 2)."},
        {"slow-node", 0, "N", YOCO_OPTION_SIZE, &o.slow_node, 0,
         "What if node N had slower links, within and to others."},
        {"slow-node-bandwidth", 0, "F", YOCO_OPTION_REAL, &s->what_if.slow_node_bandwidth, 1e-6,
         "What they keep of their rate (default 0.1)."},
        {"bandwidth", 0, "F", YOCO_OPTION_REAL, &s->what_if.bandwidth, 1e-6,
         "What if the network between nodes kept only this part of its rate (default 1)."},
        {"report-only", 0, NULL, YOCO_OPTION_FLAG, &o.report_only, 0,
         "Run nothing, write the reports anew."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                scale, &o);
}

const yoco_command yoco_command_scale = {
    .name = "scale",
    .summary = "scaling experiments: measured, simulated, predicted",
    .synopsis = "yoco scale -m MODEL -o FOLDER --ranks P,... --tokens N,... [OPTION]...",
    .description =
        "Runs prefill and decode for each number of ranks, length and number of branches and\n"
        "writes a report. Measured runs are started with the launcher; simulated ones run the\n"
        "same program under SimGrid on a described machine; predicted ones come from a formula\n"
        "(docs/SCALING.md). Started once, without mpiexec; within a Slurm allocation, give\n"
        "--launcher 'srun --mpi=pmi2 -n %P'.",
    .examples =
        "yoco scale -m configs/shapes/yoco-160m-window.json -o out --ranks 1,2 --tokens 16K\n"
        "yoco scale -m configs/shapes/yoco-3b-window.json -o out --simulate --predict \\\n"
        "    --hardware h100-infiniband --ranks 1,8,64,512 --tokens 1M",
    .is_alone = true,
    .run = run_command,
};
