/* yoco plan: what each rank would hold and how well the ranks would be used, without loading
 * weights. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/cli/commands.h"
#include "coordinator/plan/input.h"
#include "coordinator/session/session_options.h"
#include "partition/transformer.h"
#include "streams.h"
#include "worker/tally.h"

typedef struct plan_options {
    yoco_plan_question question;
    int64_t device_memory;
    bool time, compare;
    const char *hardware;
    double target_s;
} plan_options;

static void print_grid(const yoco_plan *plan)
{
    const yoco_grid *grid = &plan->input.grid;
    int64_t n_chunks = yoco_grid_n_chunks(grid);
    int64_t idle = grid->n_ranks > n_chunks ? grid->n_ranks - n_chunks : 0;
    yoco_print("%" PRId64 " tokens in %" PRId64 " chunks of %" PRId64
               " on %d ranks, %d branches of at "
               "most %" PRId64 " tokens, %s\n",
               grid->n_tokens, n_chunks, grid->chunk_rows, grid->n_ranks, plan->input.n_branches,
               plan->input.branch_rows, yoco_dtype_name(plan->input.dtype));
    yoco_print("rank r computes and stores chunks r, r + %d, ...: %" PRId64 " to %" PRId64
               " chunks each, at most %" PRId64 " tokens\n",
               grid->n_ranks, yoco_grid_rank_chunks(grid, grid->n_ranks - 1),
               yoco_grid_rank_chunks(grid, 0), yoco_grid_max_rank_rows(grid));
    yoco_print("ranks busy in prefill: %.1f %%", 100.0 * yoco_grid_balance(grid));
    if (idle > 0)
        yoco_print("; %" PRId64 " ranks have no chunk: use fewer ranks or a smaller --chunk", idle);
    yoco_print("\n\n");
}

static void print_fit(const plan_options *o, size_t most)
{
    if (o->device_memory == 0)
        return;
    bool fits = most <= (size_t)o->device_memory;
    yoco_print("%s: %.2f GiB of %.2f GiB per rank\n", fits ? "fits" : "DOES NOT FIT",
               (double)most / (1 << 30), (double)o->device_memory / (1 << 30));
}

/* Rank 0 has the logits and the largest shard but for a short last chunk; rank 1 stands for the
 * others. */
static yoco_status print_ranks(const plan_options *o, yoco_plan_input *input)
{
    char text[2048];
    size_t most = 0;
    for (int rank = 0; rank < 2 && rank < input->grid.n_ranks; rank++) {
        yoco_plan plan;
        input->rank = rank;
        YOCO_TRY(yoco_plan_make(input, &plan));
        if (rank == 0)
            print_grid(&plan);
        yoco_plan_print(&plan, text, sizeof text);
        yoco_print("rank %d%s\n%s\n", rank,
                   rank == 1 && input->grid.n_ranks > 2 ? " and later" : "", text);
        most = plan.total_bytes > most ? plan.total_bytes : most;
    }
    print_fit(o, most);
    return YOCO_OK;
}

static void print_part(const char *name, double seconds)
{
    yoco_print("  %-42s %12.3f ms\n", name, 1e3 * seconds);
}

static void print_cost(const yoco_cost *cost, const yoco_cost_input *in)
{
    yoco_print("predicted on %s (%s; %s), %d ranks, chunks of %" PRId64 "\n", in->hardware->name,
               in->hardware->device.name,
               in->hardware->device.measured ? "measured rates" : "rates of data sheets",
               in->grid.n_ranks, in->grid.chunk_rows);
    print_part("prefill", cost->prefill_s);
    print_part("  computing, shared evenly", cost->compute_s);
    print_part("  the busiest rank beyond that", cost->uneven_s);
    print_part("  waiting for edges", cost->chain_s);
    if (cost->rows_s > 0)
        print_part("  waiting for rows of earlier chunks", cost->rows_s);
    print_part("  broadcast of the last edges", cost->last_edges_s);
    yoco_print("  %-42s %s\n", "prefill is limited by", yoco_limit_text(cost->prefill_limit));
    print_part("decode step", cost->step_s);
    print_part("  what every rank repeats, and logits", cost->repeated_s);
    print_part("  attention", cost->attention_s);
    print_part("  merges over the ranks", cost->merge_s);
    yoco_print("  %-42s %s\n", "a step is limited by", yoco_limit_text(cost->step_limit));
    yoco_print("  %-42s %12.2f GiB of %.2f: %s\n\n", "memory of the fullest rank",
               (double)cost->memory_bytes / (1 << 30),
               (double)in->hardware->device.memory_bytes / (1 << 30),
               cost->fits ? "fits" : "DOES NOT FIT");
}

static void print_recommendation(const plan_options *o, const yoco_cost_input *in)
{
    yoco_grid grid;
    yoco_cost cost;
    if (o->target_s > 0)
        yoco_print("for a prefill in %g s: ", o->target_s);
    else
        yoco_print("half as efficient as the fewest ranks that fit: ");
    if (yoco_cost_recommend(in, o->target_s, &grid, &cost) != YOCO_OK) {
        yoco_print("no number of ranks up to %d will do\n", YOCO_COST_MAX_RANKS);
        return;
    }
    yoco_print("%d ranks, --chunk %" PRId64 ": prefill %.3f ms, step %.3f ms\n", grid.n_ranks,
               grid.chunk_rows, 1e3 * cost.prefill_s, 1e3 * cost.step_s);
}

static yoco_status print_time(const plan_options *o, const yoco_plan_input *plan)
{
    yoco_hardware hardware;
    yoco_cost cost;
    if (!o->hardware || o->question.n_tokens == 0) {
        yoco_log_error("yoco plan: --time needs --hardware NAME, of configs/hardware or a file of "
                       "yoco bench --profile, and at least one token");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_hardware_load(o->hardware, &hardware));
    yoco_cost_input input = {.shape = plan->shape,
                             .hardware = &hardware,
                             .grid = plan->grid,
                             .n_branches = plan->n_branches,
                             .branch_rows = plan->branch_rows,
                             .dtype = plan->dtype,
                             .measure = yoco_worker_tally};
    YOCO_TRY(yoco_cost_make(&input, &cost));
    print_cost(&cost, &input);
    print_recommendation(o, &input);
    return YOCO_OK;
}

/* 32K, 64K, ... up to --tokens, on one rank. */
static yoco_status print_comparison(const plan_options *o, yoco_plan_input *input)
{
    enum { FIRST_TOKENS = 32 << 10 };
    const double GIB = 1 << 30;
    bool head = false;
    input->rank = 0;
    input->grid.n_ranks = 1;
    for (int64_t n = FIRST_TOKENS; n <= o->question.n_tokens; n *= 2) {
        yoco_plan plan;
        input->grid.n_tokens = n;
        YOCO_TRY(yoco_plan_make(input, &plan));
        yoco_transformer t = yoco_transformer_make(&plan);
        if (!head)
            yoco_print(
                "K,V of a token: %zu bytes, a Transformer of this shape: %zu bytes (%zu times)\n\n"
                "   tokens        K,V GiB       total   Transformer K,V       total   times\n",
                yoco_plan_kv_token_bytes(&plan), t.kv_token_bytes,
                t.kv_token_bytes / yoco_plan_kv_token_bytes(&plan));
        head = true;
        yoco_print("%9" PRId64 "   %12.2f%12.2f   %15.2f%12.2f%8.1f\n", n,
                   (double)(yoco_plan_kv_token_bytes(&plan) * (size_t)n) / GIB,
                   (double)plan.total_bytes / GIB, (double)t.kv_bytes / GIB,
                   (double)t.total_bytes / GIB, (double)t.total_bytes / (double)plan.total_bytes);
    }
    if (head)
        return YOCO_OK;
    yoco_log_error("yoco plan: --compare starts at 32K tokens: give a larger --tokens");
    return YOCO_ERR_USAGE;
}

static yoco_status check_options(const plan_options *o)
{
    if (o->time && o->compare) {
        yoco_log_error("yoco plan: --time and --compare are two questions: ask one");
        return YOCO_ERR_USAGE;
    }
    if (!o->time && (o->hardware || o->target_s > 0)) {
        yoco_log_error("yoco plan: --hardware and --target belong to --time");
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

static yoco_status make_plan(void *parsed)
{
    const plan_options *o = parsed;
    yoco_plan_basis basis;
    YOCO_TRY(check_options(o));
    YOCO_TRY(yoco_plan_basis_make(&o->question, &basis));
    yoco_status status = o->time      ? print_time(o, &basis.input)
                         : o->compare ? print_comparison(o, &basis.input)
                                      : print_ranks(o, &basis.input);
    yoco_plan_basis_free(&basis);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    plan_options o = {.question = {.session = YOCO_SESSION_DEFAULTS,
                                   .n_tokens = -1,
                                   .n_ranks = 1,
                                   .n_branches = 1,
                                   .branch_rows = 256}};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING, &o.question.session.model, 0,
         "Model folder, or its config alone (configs/shapes/).", .path = YOCO_PATH_READS_MODEL},
        {"tokens", 0, "N", YOCO_OPTION_SIZE, &o.question.n_tokens, 0,
         "Tokens of the document; K, M and G are powers of 1024."},
        {"ranks", 0, "P", YOCO_OPTION_SIZE, &o.question.n_ranks, 1, "Number of ranks (default 1)."},
        {"branches", 0, "B", YOCO_OPTION_SIZE, &o.question.n_branches, 1,
         "Questions answered together (default 1)."},
        {"branch-tokens", 0, "N", YOCO_OPTION_SIZE, &o.question.branch_rows, 1,
         "Most tokens of a question and its answer (default 256)."},
        YOCO_CHUNK_OPTION(o.question.chunk_rows),
        {"dtype", 0, "auto|f32|bf16", YOCO_OPTION_STRING, &o.question.session.dtype, 0,
         "Of matrix inputs and K,V; auto is bf16 here."},
        {"backend", 0, "auto|reference|cpu|cuda", YOCO_OPTION_STRING, &o.question.session.backend,
         0, "As in yoco run: decides how weights are stored."},
        {"isa", 0, "auto|portable|avx2|avx512|avx512_bf16", YOCO_OPTION_STRING,
         &o.question.session.isa, 0, "As in yoco run: decides how weights are stored."},
        {"device-memory", 0, "BYTES", YOCO_OPTION_SIZE, &o.device_memory, 1,
         "Memory of one rank, for instance 80G: says whether the plan fits."},
        {"compare", 0, NULL, YOCO_OPTION_FLAG, &o.compare, 0,
         "Compare the memory of one rank, from 32K tokens up to --tokens, with that of a\n"
         "Transformer of the same shape."},
        {"time", 0, NULL, YOCO_OPTION_FLAG, &o.time, 0,
         "Predict times instead, what limits them, and which ranks and chunks to take\n"
         "(docs/SCALING.md)."},
        {"hardware", 0, "NAME", YOCO_OPTION_STRING, &o.hardware, 0,
         "What --time predicts for: of configs/hardware, or a file.", .path = YOCO_PATH_READS_FILE},
        {"target", 0, "SECONDS", YOCO_OPTION_REAL, &o.target_s, 0,
         "Recommend the fewest ranks whose prefill takes at most that long."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                make_plan, &o);
}

const yoco_command yoco_command_plan = {
    .name = "plan",
    .summary = "memory and load of each rank, before anything is loaded",
    .synopsis = "yoco plan -m MODEL --tokens N [--ranks P] [OPTION]...\n"
                "yoco plan -m MODEL --tokens N [--ranks P] --time --hardware NAME [OPTION]...",
    .description =
        "Computes what each rank would hold and how evenly the chunks fall on the ranks, from\n"
        "the model's shape alone. yoco run allocates exactly the buffers of this plan.",
    .examples = "yoco plan -m configs/shapes/yoco-3b-window.json --tokens 1M --ranks 64 \\\n"
                "    --branches 64 --device-memory 80G\n"
                "yoco plan -m configs/shapes/yoco-3b-window.json --tokens 1M --ranks 64 \\\n"
                "    --time --hardware h100-infiniband --target 0.2",
    .is_alone = true,
    .run = run_command,
};
