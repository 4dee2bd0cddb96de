/* yoco plan: what each rank would hold and how well the ranks would be used, without loading
 * weights. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/commands.h"
#include "coordinator/plan_input.h"

typedef struct plan_options {
    yoco_plan_question question;
    int64_t device_memory;
} plan_options;

static void print_grid(const yoco_plan *plan)
{
    const yoco_grid *grid = &plan->input.grid;
    int64_t n_chunks = yoco_grid_n_chunks(grid);
    int64_t idle = grid->n_ranks > n_chunks ? grid->n_ranks - n_chunks : 0;
    printf("%" PRId64 " tokens in %" PRId64 " chunks of %" PRId64 " on %d ranks, %d branches of at "
           "most %" PRId64 " tokens, %s\n",
           grid->n_tokens, n_chunks, grid->chunk_rows, grid->n_ranks, plan->input.n_branches,
           plan->input.branch_rows, yoco_dtype_name(plan->input.dtype));
    printf("rank r computes and stores chunks r, r + %d, ...: %" PRId64 " to %" PRId64
           " chunks each, at most %" PRId64 " tokens\n",
           grid->n_ranks, yoco_grid_rank_chunks(grid, grid->n_ranks - 1),
           yoco_grid_rank_chunks(grid, 0), yoco_grid_max_rank_rows(grid));
    printf("ranks busy in prefill: %.1f %%", 100.0 * yoco_grid_balance(grid));
    if (idle > 0)
        printf("; %" PRId64 " ranks have no chunk: use fewer ranks or a smaller --chunk", idle);
    printf("\n\n");
}

static void print_fit(const plan_options *o, size_t most)
{
    if (o->device_memory == 0)
        return;
    bool fits = most <= (size_t)o->device_memory;
    printf("%s: %.2f GiB of %.2f GiB per rank\n", fits ? "fits" : "DOES NOT FIT",
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
        printf("rank %d%s\n%s\n", rank, rank == 1 && input->grid.n_ranks > 2 ? " and later" : "",
               text);
        most = plan.total_bytes > most ? plan.total_bytes : most;
    }
    print_fit(o, most);
    return YOCO_OK;
}

static yoco_status make_plan(void *parsed)
{
    const plan_options *o = parsed;
    yoco_plan_basis basis;
    YOCO_TRY(yoco_plan_basis_make(&o->question, &basis));
    return print_ranks(o, &basis.input);
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
         "Model folder, or a params.json alone (configs/shapes/)."},
        {"tokens", 0, "N", YOCO_OPTION_SIZE, &o.question.n_tokens, 0,
         "Tokens of the document; K, M and G are powers of 1024."},
        {"ranks", 0, "P", YOCO_OPTION_SIZE, &o.question.n_ranks, 1, "Number of ranks (default 1)."},
        {"branches", 0, "B", YOCO_OPTION_SIZE, &o.question.n_branches, 1,
         "Questions answered together (default 1)."},
        {"branch-tokens", 0, "N", YOCO_OPTION_SIZE, &o.question.branch_rows, 1,
         "Most tokens of a question and its answer (default 256)."},
        {"chunk", 0, "C", YOCO_OPTION_SIZE, &o.question.chunk_rows, 1,
         "Tokens per chunk (default 2048)."},
        {"dtype", 0, "auto|f32|bf16", YOCO_OPTION_STRING, &o.question.session.dtype, 0,
         "Of matrix inputs and K,V; auto is bf16 here."},
        {"backend", 0, "auto|reference|cpu|cuda", YOCO_OPTION_STRING, &o.question.session.backend,
         0, "As in yoco run: decides how weights are stored."},
        {"isa", 0, "auto|portable|avx2|avx512|avx512_bf16", YOCO_OPTION_STRING,
         &o.question.session.isa, 0, "As in yoco run: decides how weights are stored."},
        {"device-memory", 0, "BYTES", YOCO_OPTION_SIZE, &o.device_memory, 1,
         "Memory of one rank, for instance 80G: says whether the plan fits."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                make_plan, &o);
}

const yoco_command yoco_command_plan = {
    .name = "plan",
    .summary = "memory and load of each rank, before anything is loaded",
    .synopsis = "yoco plan -m MODEL --tokens N [--ranks P] [OPTION]...",
    .description =
        "Computes what each rank would hold and how evenly the chunks fall on the ranks, from\n"
        "the model's shape alone. yoco run allocates exactly the buffers of this plan.",
    .examples = "yoco plan -m configs/shapes/yoco-3b-window.json --tokens 1M --ranks 64 \\\n"
                "    --branches 64 --device-memory 80G",
    .run = run_command,
};
