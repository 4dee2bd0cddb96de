/* yoco bench: how fast the engine is, and how fast the machine could be, in one run; or what a
 * hardware file says of the machine, or what the time of each rank goes to. */
#include <stdlib.h>
#include <string.h>

#include "configs/files/atomic_file.h"
#include "configs/files/json_text.h"
#include "coordinator/bench/engine.h"
#include "coordinator/bench/per_rank.h"
#include "coordinator/bench/profile.h"
#include "coordinator/bench/roof.h"
#include "coordinator/cli/commands.h"
#include "coordinator/session/session_options.h"

enum { MAX_BRANCHES = 1 << 20 };

typedef struct bench_options {
    yoco_session_options session;
    yoco_strings token_texts, context_texts, branch_texts;
    yoco_bench_list tokens, contexts, branches;
    int64_t n_runs, n_steps, chunk_rows;
    bool per_rank, no_exit;
    const char *json, *profile;
} bench_options;

/* The values of an option that may be given several times; `list` holds the default. */
static yoco_status parse_list(const char *name, const yoco_strings *texts, int64_t most,
                              yoco_bench_list *list)
{
    if (texts->n > YOCO_BENCH_MAX_VALUES) {
        yoco_log_error("yoco bench: --%s may be given %d times", name, YOCO_BENCH_MAX_VALUES);
        return YOCO_ERR_USAGE;
    }
    for (int i = 0; i < texts->n; i++) {
        int64_t *value = &list->values[i];
        if (!yoco_parse_size(texts->values[i], value) || *value < 1 || *value > most) {
            yoco_log_error("yoco bench: --%s is a whole number from 1 to %lld, not '%s'", name,
                           (long long)most, texts->values[i]);
            return YOCO_ERR_USAGE;
        }
    }
    if (texts->n > 0)
        list->n = texts->n;
    return YOCO_OK;
}

static yoco_status parse_lists(bench_options *o)
{
    if (o->n_runs > YOCO_SCALE_MAX_RUNS || o->n_steps > YOCO_SCALE_MAX_STEPS) {
        yoco_log_error("yoco bench: --runs is at most %d, --steps %d", YOCO_SCALE_MAX_RUNS,
                       YOCO_SCALE_MAX_STEPS);
        return YOCO_ERR_USAGE;
    }
    if (o->per_rank && (o->token_texts.n > 1 || o->branch_texts.n > 1 || o->context_texts.n > 0 ||
                        o->json || o->profile)) {
        yoco_log_error("yoco bench: --per-rank takes one --tokens and one --branches, and no "
                       "--contexts, --json or --profile");
        return YOCO_ERR_USAGE;
    }
    if (o->per_rank) {
        o->branches.n = 1;
        o->contexts.n = 0;
    }
    YOCO_TRY(parse_list("tokens", &o->token_texts, INT64_MAX, &o->tokens));
    YOCO_TRY(parse_list("contexts", &o->context_texts, INT64_MAX, &o->contexts));
    return parse_list("branches", &o->branch_texts, MAX_BRANCHES, &o->branches);
}

static int64_t longest(const yoco_bench_list *list)
{
    int64_t most = 0;
    for (int i = 0; i < list->n; i++)
        most = yoco_i64_max(most, list->values[i]);
    return most;
}

static yoco_status check_lengths(const bench_options *o, int64_t max_seq_len)
{
    int64_t room = max_seq_len - o->n_steps - YOCO_BENCH_WARM_UP_STEPS;
    int64_t most = o->per_rank ? room : max_seq_len;
    if (longest(&o->tokens) <= most && longest(&o->contexts) <= room)
        return YOCO_OK;
    yoco_log_error("the model's max_seq_len %lld has no room for this: give --tokens of at most "
                   "%lld and --contexts of at most %lld",
                   (long long)max_seq_len, (long long)yoco_i64_max(most, 0),
                   (long long)yoco_i64_max(room, 0));
    return YOCO_ERR_DATA;
}

/* The dtype that the engine multiplies in: bf16 only where every rank has it. */
static yoco_status choose_dtype(const yoco_rater *rater, yoco_bench_results *r)
{
    const yoco_device_options *device = rater->device;
    float widens = device->dtype != YOCO_BF16 ||
                   (rater->ops->host_memory && device->isa != YOCO_ISA_AVX512_BF16);
    YOCO_TRY(yoco_all_max_f32(rater->comm, &widens, 1));
    r->gemm_dtype = widens > 0 ? YOCO_F32 : YOCO_BF16;
    return YOCO_OK;
}

/* On the host a chunk's products as the engine multiplies them; on a device, which is filled better
 * by larger ones, what it can do at most. */
static void choose_shapes(const yoco_rater *rater, yoco_bench_results *r)
{
    int64_t widest = r->session->checkpoint->shape->dim;
    r->n_gemms = yoco_bench_shapes(r->session->checkpoint->shape, r->no_exit, r->gemms);
    for (int i = 0; i < r->n_gemms; i++)
        widest = yoco_i64_max(widest, r->gemms[i].n_out);
    for (int i = 0; i < r->n_gemms; i++)
        r->gemm_flops +=
            2.0 * (double)(r->gemms[i].n_out * r->gemms[i].n_in) * r->gemms[i].n_per_token;
    r->gemm_rows = r->chunk_rows;
    if (!rater->ops->host_memory) {
        r->gemms[0] = (yoco_bench_gemm){.n_out = widest, .n_in = widest};
        r->n_gemms = 1;
        r->gemm_rows = widest;
    }
}

static yoco_status measure_gemms(yoco_rater *rater, yoco_bench_results *r)
{
    YOCO_TRY(choose_dtype(rater, r));
    choose_shapes(rater, r);
    yoco_roof_library(rater, r->library, sizeof r->library);
    yoco_spread seconds = {0}; /* of one token; min: from the least rates */
    for (int i = 0; i < r->n_gemms; i++) {
        yoco_bench_gemm *gemm = &r->gemms[i];
        YOCO_TRY(yoco_roof_gemm(rater, r->gemm_dtype, r->gemm_rows, gemm->n_out, gemm->n_in,
                                &gemm->flop_s));
        double flops = rater->ops->host_memory
                           ? 2.0 * (double)(gemm->n_out * gemm->n_in) * gemm->n_per_token
                           : r->gemm_flops;
        seconds.median += flops / gemm->flop_s.median;
        seconds.min += flops / gemm->flop_s.min;
        seconds.max += flops / gemm->flop_s.max;
    }
    r->gemm_flop_s = (yoco_spread){r->gemm_flops / seconds.median, r->gemm_flops / seconds.min,
                                   r->gemm_flops / seconds.max};
    return YOCO_OK;
}

static yoco_status measure_large_read(yoco_rater *rater, yoco_bench_results *r)
{
    r->large_bytes = yoco_roof_large_bytes(rater);
    YOCO_TRY(yoco_roof_read(rater, r->large_bytes, &r->large_byte_s));
    return yoco_all_sum_i64(rater->comm, &r->large_bytes, 1);
}

/* The base context fills the window and no more: what its steps do besides attention is what the
 * other contexts' steps do. */
static yoco_status measure_decode(yoco_session *session, yoco_rater *rater, const bench_options *o,
                                  const int32_t *ids, yoco_bench_results *r)
{
    int64_t n_base =
        yoco_i64_min(yoco_shape_longest_window(session->checkpoint->shape), longest(&o->contexts));
    r->branches = o->branches;
    r->most_branches = longest(&o->branches);
    YOCO_TRY(yoco_bench_time_decode(session, rater, r->chunk_rows, &o->branches, o->n_steps, ids,
                                    n_base, &r->base));
    for (int i = 0; i < o->contexts.n; i++) {
        YOCO_TRY(yoco_bench_time_decode(session, rater, r->chunk_rows, &o->branches, o->n_steps,
                                        ids, o->contexts.values[i], &r->contexts[i]));
        r->n_contexts++;
    }
    r->weight_bytes = (int64_t)yoco_worker_plan(session->worker)->weight_bytes;
    return yoco_all_sum_i64(session->comm, &r->weight_bytes, 1);
}

/* Ranks of a machine take its devices in turn. */
static void name_device(const yoco_session *session, char *text, size_t size)
{
    int n = 0;
    while (session->ops->device_at(n, text, size))
        n++;
    if (n > 0)
        session->ops->device_at(session->device.gpu % n, text, size);
}

static yoco_status measure(yoco_session *session, const bench_options *o, const int32_t *ids,
                           yoco_bench_results *r)
{
    yoco_rater rater = {session->comm, session->ops, &session->device, 1.0};
    if (!session->ops->host_memory)
        name_device(session, r->device, sizeof r->device);
    YOCO_TRY(measure_gemms(&rater, r));
    YOCO_TRY(measure_large_read(&rater, r));
    for (int i = 0; i < o->tokens.n; i++) {
        YOCO_TRY(yoco_bench_time_prefill(session, r->chunk_rows, o->n_runs, ids,
                                         o->tokens.values[i], &r->prefills[i]));
        r->n_prefills++;
    }
    YOCO_TRY(measure_decode(session, &rater, o, ids, r));
    float missing = (float)(1.0 - rater.cpu_share);
    YOCO_TRY(yoco_all_max_f32(session->comm, &missing, 1));
    r->cpu_share = 1.0 - (double)missing;
    return YOCO_OK;
}

/* Rank 0: to stdout without a file. */
static yoco_status write_json(const yoco_bench_results *r, yoco_atomic_file *file)
{
    json_t *root = yoco_bench_json(r);
    if (!file)
        return yoco_json_to_stdout(root, JSON_INDENT(2));
    char *text = yoco_json_text(root, JSON_INDENT(2));
    yoco_status status = YOCO_ERR_MEMORY;
    if (text)
        status = yoco_atomic_file_write(file, text, strlen(text));
    else
        yoco_log_error("no memory for the JSON text");
    if (status == YOCO_OK)
        status = yoco_atomic_file_write(file, "\n", 1);
    free(text);
    json_decref(root);
    return status;
}

/* Rank 0: with --json - the JSON stands on stdout instead of the table. */
static yoco_status print_results(const bench_options *o, const yoco_bench_results *r,
                                 yoco_atomic_file *file)
{
    if (!o->json || file)
        yoco_bench_print(r);
    return o->json ? write_json(r, file) : YOCO_OK;
}

static void make_ids(int32_t *ids, int64_t n, int vocab_size)
{
    uint64_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((state >> 33) % (uint64_t)vocab_size);
    }
}

static yoco_status run_bench(yoco_session *session, const bench_options *o, yoco_atomic_file *file)
{
    yoco_comm *comm = session->comm;
    const yoco_model_shape *shape = session->checkpoint->shape;
    yoco_bench_results r = {.model_name = o->session.model,
                            .session = session,
                            .chunk_rows = o->chunk_rows,
                            .no_exit = o->no_exit};
    int64_t n_ids = yoco_i64_max(longest(&o->tokens), longest(&o->contexts));
    int32_t *ids = NULL;
    yoco_log_hold();
    YOCO_TRY(yoco_comm_agree_lines(comm, check_lengths(o, shape->max_seq_len)));
    if (o->no_exit)
        YOCO_TRY(yoco_comm_agree_lines(comm, yoco_worker_run_all_layers(session->worker)));
    YOCO_TRY(yoco_agree(comm, yoco_alloc((size_t)n_ids * sizeof *ids, "token ids", (void **)&ids)));
    make_ids(ids, n_ids, shape->vocab_size);
    yoco_scale_spec point = {.n_tokens = o->tokens.values[0],
                             .chunk_rows = o->chunk_rows,
                             .n_branches = o->branches.values[0],
                             .n_runs = o->n_runs,
                             .n_steps = o->n_steps,
                             .warm_up = true,
                             .ids = ids};
    yoco_status status =
        o->per_rank ? yoco_bench_per_rank(session, point) : measure(session, o, ids, &r);
    yoco_free(ids);
    if (status == YOCO_OK && !o->per_rank)
        status = yoco_agree(comm, comm->rank == 0 ? print_results(o, &r, file) : YOCO_OK);
    return status;
}

/* The file is made first: minutes of measuring are not lost on a wrong path. */
static yoco_status run_with_file(yoco_session *session, const bench_options *o)
{
    yoco_comm *comm = session->comm;
    yoco_atomic_file *file = NULL;
    yoco_status status = YOCO_OK;
    if (comm->rank == 0 && o->json && strcmp(o->json, "-") != 0)
        status = yoco_atomic_file_create(o->json, &file);
    YOCO_TRY(yoco_agree(comm, status));
    status = run_bench(session, o, file);
    if (status != YOCO_OK)
        yoco_atomic_file_discard(file);
    else if (file)
        status = yoco_atomic_file_finish(file);
    return yoco_agree(comm, status);
}

static yoco_status bench(void *parsed)
{
    bench_options *o = parsed;
    yoco_session session;
    YOCO_TRY(parse_lists(o));
    o->session.takes_shape = true;
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_status status = yoco_session_agree_chunk_rows(&session, o->chunk_rows, &o->chunk_rows);
    if (status == YOCO_OK)
        status = o->profile ? yoco_bench_profile_write(&session, o->chunk_rows, o->profile)
                            : run_with_file(&session, o);
    yoco_session_close(&session);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    bench_options o = {.session = YOCO_SESSION_DEFAULTS,
                       .tokens = {1, {16 << 10}},
                       .contexts = {3, {16 << 10, 64 << 10, 128 << 10}},
                       .branches = {3, {1, 8, 64}},
                       .n_runs = 3,
                       .n_steps = 11};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &o.session.model, 0,
         "Model folder, or its config alone (configs/shapes/): random weights of that shape.",
         .path = YOCO_PATH_READS_MODEL},
        {"tokens", 0, "L", YOCO_OPTION_STRINGS, &o.token_texts, 0,
         "Length of a prefill (default 16K). May be given several times, as may the next two."},
        {"contexts", 0, "L", YOCO_OPTION_STRINGS, &o.context_texts, 0,
         "Context length of decode steps (default 16K, 64K and 128K)."},
        {"branches", 0, "B", YOCO_OPTION_STRINGS, &o.branch_texts, 0,
         "Branches of decode steps (default 1, 8 and 64)."},
        {"runs", 0, "N", YOCO_OPTION_SIZE, &o.n_runs, 1,
         "Runs of each prefill after one that warms up (default 3)."},
        {"steps", 0, "N", YOCO_OPTION_SIZE, &o.n_steps, 1,
         "Decode steps that are timed after some that warm up (default 11)."},
        {"chunk", 0, "C", YOCO_OPTION_SIZE, &o.chunk_rows, 1,
         "As in yoco run (default 2048, on a GPU 8192); also the rows of the library's products."},
        YOCO_SESSION_OPTIONS(o.session),
        {"json", 0, "FILE", YOCO_OPTION_STRING, &o.json, 0,
         "Write everything as JSON, too; '-' writes it to stdout instead of the table.",
         .path = YOCO_PATH_REPLACES_FILE},
        {"no-exit", 0, NULL, YOCO_OPTION_FLAG, &o.no_exit, 0,
         "Prefill runs every layer for every token, though only those that keep something of it\n"
         "need to; for comparison, on one rank."},
        {"per-rank", 0, NULL, YOCO_OPTION_FLAG, &o.per_rank, 0,
         "Print one line of JSON instead: the times of one --tokens (default 16K) and one "
         "--branches\n"
         "(default 1), and for each rank computing, waiting for edges, reductions, other waits, "
         "idle\n"
         "time, bytes sent and peak memory. yoco scale runs it for each point of a sweep."},
        {"profile", 0, "FILE", YOCO_OPTION_STRING, &o.profile, 0,
         "Measure the rates of the ops instead and write them as a hardware file, for\n"
         "yoco plan --time and yoco scale. As many ranks and threads as will be used.",
         .path = YOCO_PATH_REPLACES_FILE},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                bench, &o);
}

const yoco_command yoco_command_bench = {
    .name = "bench",
    .summary = "measure the engine against what the machine can do",
    .synopsis = "yoco bench -m MODEL [OPTION]...\n"
                "mpiexec -n RANKS yoco bench -m MODEL [OPTION]...",
    .description =
        "Measures, on this machine and in one run: the library's own rate on matrix products and\n"
        "how fast memory can be read, on a GPU copied; prefill, as a part of the library's rate;\n"
        "decode steps at several context lengths and numbers of branches, as a part of reading.\n"
        "The table on stdout explains its columns. Use an idle machine.",
    .examples = "yoco bench -m configs/shapes/yoco-160m-window.json --json bench.json\n"
                "mpiexec -n 2 yoco bench -m configs/shapes/yoco-160m-window.json --per-rank",
    .run = run_command,
};
