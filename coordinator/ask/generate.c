#include "coordinator/ask/generate.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* The ranks' exchange after each step, a sum: how many of them have each status, then
 * rank 0's word for each row, its next id and whether it is done. */
enum { N_VERDICT_HEAD = YOCO_N_STATUS };

static int64_t verdict(int32_t id, bool done)
{
    return (int64_t)id << 1 | done;
}

typedef struct generation {
    yoco_session *session;
    const yoco_generate_options *options;
    const yoco_prompt *prompt;
    const yoco_tokenizer *tokenizer;
    yoco_answer *answers;
    float *logits; /* rank 0: (n_questions, vocab_size); NULL: they stay on the device */
    int32_t ends[YOCO_ANSWER_MAX_ENDS];
    int n_ends;
    int32_t banned[YOCO_MAX_BANNED];
    int n_banned;
    int n_rows;        /* branches still at work */
    int *branches;     /* (n_questions), the first n_rows are in use, ascending */
    int32_t *ids;      /* (n_questions): the next token of each */
    double *units;     /* (n_questions): the random number of each */
    int64_t *verdicts; /* (N_VERDICT_HEAD + n_questions) */
} generation;

static bool is_greedy(const generation *g)
{
    return g->options->sampling.temperature == 0.0;
}

static bool needs_logits(const generation *g)
{
    return g->options->keep_logits || g->options->logprobs;
}

static yoco_status allocate(generation *g)
{
    size_t n = (size_t)g->prompt->n_questions;
    const int vocab_size = g->session->checkpoint->shape->vocab_size;
    g->branches = calloc(n, sizeof *g->branches);
    g->ids = calloc(n, sizeof *g->ids);
    g->units = calloc(n, sizeof *g->units);
    g->verdicts = calloc(N_VERDICT_HEAD + n, sizeof *g->verdicts);
    if (!g->branches || !g->ids || !g->units || !g->verdicts) {
        yoco_log_error("cannot allocate the tables of %zu branches", n);
        return YOCO_ERR_MEMORY;
    }
    if (g->session->comm->rank != 0)
        return YOCO_OK;
    for (size_t i = 0; i < n; i++) {
        YOCO_TRY(yoco_answer_create(g->options->n_generate, vocab_size, g->options->keep_logits,
                                    &g->answers[i]));
        memcpy(g->answers[i].ends, g->ends, sizeof g->ends);
        g->answers[i].n_ends = g->n_ends;
    }
    for (size_t i = 0; g->options->logprobs && i < n; i++)
        YOCO_TRY(yoco_answer_keep_logprobs(&g->answers[i], g->options->n_logprobs));
    if (!needs_logits(g))
        return YOCO_OK;
    return yoco_alloc(n * (size_t)vocab_size * sizeof(float), "logits", (void **)&g->logits);
}

/* Besides those of the tokenizer: the model's, and that of a chat's turns. */
static void collect_ends(generation *g)
{
    const yoco_model_shape *shape = g->session->checkpoint->shape;
    g->n_ends = shape->n_ends;
    memcpy(g->ends, shape->ends, (size_t)shape->n_ends * sizeof *g->ends);
    if (g->tokenizer && g->options->chat)
        g->ends[g->n_ends++] = yoco_chat_template_end(g->options->chat, g->tokenizer);
}

/* What ends an answer is not banned: files may name one token as both. */
static void ban(generation *g)
{
    int n = yoco_tokenizer_banned(g->tokenizer, g->banned, YOCO_MAX_BANNED);
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < g->n_ends && g->ends[k] != g->banned[i])
            k++;
        if (k == g->n_ends)
            g->banned[g->n_banned++] = g->banned[i];
    }
}

static yoco_status start_branches(generation *g)
{
    for (int i = 0; i < g->prompt->n_questions; i++) {
        const yoco_ids *tokens = &g->prompt->questions[i].tokens;
        YOCO_TRY(yoco_worker_branch(g->session->worker, i, tokens->ids, tokens->n - 1));
        g->branches[i] = i;
        g->ids[i] = tokens->ids[tokens->n - 1];
    }
    g->n_rows = g->prompt->n_questions;
    return YOCO_OK;
}

/* How many of g->banned, the special tokens, a row may not take: all where it answers a text. */
static int n_banned(const generation *g, int row)
{
    return g->prompt->questions[g->branches[row]].from_ids ? 0 : g->n_banned;
}

/* The next ids of n rows with the same banned ones. */
static yoco_status take_likeliest(generation *g, int first, int n)
{
    return yoco_worker_likeliest(g->session->worker, first, n, g->banned, n_banned(g, first),
                                 g->ids + first);
}

static yoco_status draw(generation *g, int first, int n)
{
    const yoco_sampling *sampling = &g->options->sampling;
    for (int i = first; i < first + n; i++)
        g->units[i] = yoco_sampling_unit(sampling, g->answers[g->branches[i]].n);
    return yoco_worker_draw(g->session->worker, first,
                            &(yoco_draw_args){.n_rows = n,
                                              .temperature = sampling->temperature,
                                              .top_p = sampling->top_p,
                                              .top_k = sampling->top_k,
                                              .units = g->units + first,
                                              .n_banned = n_banned(g, first),
                                              .banned = g->banned,
                                              .out = g->ids + first});
}

static yoco_status next_ids(generation *g)
{
    for (int i = 0, n; i < g->n_rows; i += n) {
        for (n = 1; i + n < g->n_rows && n_banned(g, i + n) == n_banned(g, i);)
            n++;
        YOCO_TRY((is_greedy(g) ? take_likeliest : draw)(g, i, n));
    }
    return YOCO_OK;
}

/* Keeps what was asked for of a row's logits. */
static void keep_logits(const generation *g, const float *logits, int32_t id, yoco_answer *answer)
{
    int vocab_size = g->session->checkpoint->shape->vocab_size;
    if (answer->logits)
        memcpy(answer->logits + answer->n * vocab_size, logits,
               (size_t)vocab_size * sizeof *logits);
    if (answer->logprobs)
        yoco_logprobs_of(logits, vocab_size, id, answer->n_logprobs,
                         answer->logprobs + answer->n * (1 + answer->n_logprobs));
}

/* Rank 0: takes the next id of every row. */
static yoco_status sample_rows(generation *g)
{
    int64_t vocab_size = g->session->checkpoint->shape->vocab_size;
    YOCO_TRY(next_ids(g));
    for (int i = 0; i < g->n_rows; i++) {
        yoco_answer *answer = &g->answers[g->branches[i]];
        if (g->logits)
            keep_logits(g, g->logits + i * vocab_size, g->ids[i], answer);
        YOCO_TRY(yoco_answer_add(answer, g->tokenizer, &g->options->stops, g->ids[i]));
        g->verdicts[N_VERDICT_HEAD + i] = verdict(g->ids[i], answer->finish != YOCO_RUNNING);
    }
    return YOCO_OK;
}

/* Rank 0's verdicts and the worst status of all ranks, in one collective. */
static yoco_status share_verdicts(generation *g, yoco_status mine)
{
    yoco_comm *comm = g->session->comm;
    int n_silent = N_VERDICT_HEAD + (comm->rank == 0 ? 0 : g->n_rows); /* words of the last step */
    memset(g->verdicts, 0, (size_t)n_silent * sizeof *g->verdicts);
    g->verdicts[mine] = 1;
    YOCO_TRY(yoco_all_sum_i64(comm, g->verdicts, N_VERDICT_HEAD + g->n_rows));
    int worst = N_VERDICT_HEAD - 1;
    while (worst > YOCO_OK && g->verdicts[worst] == 0)
        worst--;
    return (yoco_status)worst;
}

/* Rows that are done leave; the rest close up in order. */
static void apply_verdicts(generation *g)
{
    int kept = 0;
    for (int i = 0; i < g->n_rows; i++) {
        int64_t word = g->verdicts[N_VERDICT_HEAD + i];
        if (word & 1)
            continue;
        g->branches[kept] = g->branches[i];
        g->ids[kept++] = (int32_t)(word >> 1);
    }
    g->n_rows = kept;
}

static yoco_status decode(generation *g, yoco_answer_grew grew, void *grew_data,
                          yoco_generate_times *times)
{
    yoco_comm *comm = g->session->comm;
    while (g->n_rows > 0) {
        YOCO_TRY(yoco_worker_step(g->session->worker, g->n_rows, g->branches, g->ids, g->logits));
        times->n_steps++;
        times->n_tokens += g->n_rows;
        yoco_status status = comm->rank == 0 ? sample_rows(g) : YOCO_OK;
        if (status == YOCO_OK && g->options->stop && *g->options->stop)
            status = YOCO_ERR_STOPPED;
        yoco_trace_mark mark = yoco_trace_begin();
        YOCO_TRY(share_verdicts(g, status));
        yoco_trace_end(mark, YOCO_SPAN_WAIT, "next ids", -1, -1);
        apply_verdicts(g);
        if (comm->rank == 0 && grew)
            grew(grew_data, g->answers, g->prompt->n_questions);
    }
    return YOCO_OK;
}

static yoco_status run(generation *g, yoco_answer_grew grew, void *grew_data,
                       yoco_generate_times *times)
{
    YOCO_TRY(yoco_agree(g->session->comm, allocate(g)));
    double start = yoco_now_s();
    YOCO_TRY(start_branches(g));
    times->questions_s = yoco_now_s() - start;
    start = yoco_now_s();
    yoco_status status = decode(g, grew, grew_data, times);
    times->decode_s = yoco_now_s() - start;
    return status;
}

yoco_status yoco_generate(yoco_session *session, const yoco_generate_options *options,
                          const yoco_prompt *prompt, const yoco_tokenizer *tokenizer,
                          yoco_answer_grew grew, void *grew_data, yoco_answer *answers,
                          yoco_generate_times *times)
{
    generation g = {.session = session,
                    .options = options,
                    .prompt = prompt,
                    .tokenizer = tokenizer,
                    .answers = answers};
    collect_ends(&g);
    if (tokenizer)
        ban(&g);
    yoco_status status = run(&g, grew, grew_data, times);
    yoco_free(g.logits);
    free(g.branches);
    free(g.ids);
    free(g.units);
    free(g.verdicts);
    return status;
}
