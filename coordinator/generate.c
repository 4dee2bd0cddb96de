#include "coordinator/generate.h"

#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* What rank 0 tells the others about one row after each step. */
typedef struct verdict {
    int32_t id;
    int32_t done;
} verdict;

typedef struct generation {
    yoco_session *session;
    const yoco_generate_options *options;
    const yoco_prompt *prompt;
    const yoco_tokenizer *tokenizer;
    yoco_answer *answers;
    yoco_sampler *sampler; /* rank 0, at a temperature above 0 */
    float *logits;         /* rank 0: (n_questions, vocab_size); NULL: they stay on the device */
    int32_t banned[YOCO_MAX_BANNED];
    int n_banned;
    int n_rows;        /* branches still at work */
    int *branches;     /* (n_questions), the first n_rows are in use, ascending */
    int32_t *ids;      /* (n_questions): the next token of each */
    verdict *verdicts; /* (n_questions) */
} generation;

static bool is_greedy(const generation *g)
{
    return g->options->sampling.temperature == 0.0;
}

static bool needs_logits(const generation *g)
{
    return !is_greedy(g) || g->options->keep_logits || g->options->logprobs;
}

static yoco_status allocate(generation *g)
{
    size_t n = (size_t)g->prompt->n_questions;
    int vocab_size = g->session->checkpoint->config.vocab_size;
    g->branches = calloc(n, sizeof *g->branches);
    g->ids = calloc(n, sizeof *g->ids);
    g->verdicts = calloc(n, sizeof *g->verdicts);
    if (!g->branches || !g->ids || !g->verdicts) {
        yoco_log_error("cannot allocate the tables of %zu branches", n);
        return YOCO_ERR_MEMORY;
    }
    if (g->session->comm->rank != 0)
        return YOCO_OK;
    if (!is_greedy(g))
        YOCO_TRY(yoco_sampler_create(&g->options->sampling, vocab_size, &g->sampler));
    for (size_t i = 0; i < n; i++)
        YOCO_TRY(yoco_answer_create(g->options->n_generate, vocab_size, g->options->keep_logits,
                                    &g->answers[i]));
    for (size_t i = 0; g->options->logprobs && i < n; i++)
        YOCO_TRY(yoco_answer_keep_logprobs(&g->answers[i], g->options->n_logprobs));
    if (!needs_logits(g))
        return YOCO_OK;
    return yoco_alloc(n * (size_t)vocab_size * sizeof(float), "logits", (void **)&g->logits);
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

/* The next ids, for runs of rows with the same banned ones. */
static yoco_status take_likeliest(generation *g)
{
    for (int i = 0, n; i < g->n_rows; i += n) {
        for (n = 1; i + n < g->n_rows && n_banned(g, i + n) == n_banned(g, i);)
            n++;
        YOCO_TRY(
            yoco_worker_likeliest(g->session->worker, i, n, g->banned, n_banned(g, i), g->ids + i));
    }
    return YOCO_OK;
}

static yoco_status draw(generation *g)
{
    size_t vocab_size = (size_t)g->session->checkpoint->config.vocab_size;
    for (int i = 0; i < g->n_rows; i++)
        YOCO_TRY(yoco_sampler_next(g->sampler, g->logits + (size_t)i * vocab_size, g->banned,
                                   n_banned(g, i), g->answers[g->branches[i]].n, &g->ids[i]));
    return YOCO_OK;
}

/* What was asked for of a row's logits. */
static void keep_logits(const generation *g, const float *logits, int32_t id, yoco_answer *answer)
{
    int vocab_size = g->session->checkpoint->config.vocab_size;
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
    int64_t vocab_size = g->session->checkpoint->config.vocab_size;
    YOCO_TRY((is_greedy(g) ? take_likeliest : draw)(g));
    for (int i = 0; i < g->n_rows; i++) {
        yoco_answer *answer = &g->answers[g->branches[i]];
        if (g->logits)
            keep_logits(g, g->logits + i * vocab_size, g->ids[i], answer);
        YOCO_TRY(yoco_answer_add(answer, g->tokenizer, &g->options->stops, g->ids[i]));
        g->verdicts[i] = (verdict){g->ids[i], answer->finish != YOCO_RUNNING};
    }
    return YOCO_OK;
}

/* Rows that are done leave; the rest close up in order. */
static void apply_verdicts(generation *g)
{
    int kept = 0;
    for (int i = 0; i < g->n_rows; i++) {
        if (g->verdicts[i].done)
            continue;
        g->branches[kept] = g->branches[i];
        g->ids[kept++] = g->verdicts[i].id;
    }
    g->n_rows = kept;
}

static yoco_status decode(generation *g, yoco_answer_grew grew, void *grew_context,
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
        YOCO_TRY(comm->ops->agree(comm, status));
        YOCO_TRY(
            comm->ops->broadcast(comm, 0, g->verdicts, (size_t)g->n_rows * sizeof *g->verdicts));
        yoco_trace_end(mark, YOCO_SPAN_WAIT, "next ids", -1, -1);
        apply_verdicts(g);
        if (comm->rank == 0 && grew)
            grew(grew_context, g->answers, g->prompt->n_questions);
    }
    return YOCO_OK;
}

static yoco_status run(generation *g, yoco_answer_grew grew, void *grew_context,
                       yoco_generate_times *times)
{
    YOCO_TRY(g->session->comm->ops->agree(g->session->comm, allocate(g)));
    double start = yoco_now_s();
    YOCO_TRY(start_branches(g));
    times->questions_s = yoco_now_s() - start;
    start = yoco_now_s();
    yoco_status status = decode(g, grew, grew_context, times);
    times->decode_s = yoco_now_s() - start;
    return status;
}

yoco_status yoco_generate(yoco_session *session, const yoco_generate_options *options,
                          const yoco_prompt *prompt, const yoco_tokenizer *tokenizer,
                          yoco_answer_grew grew, void *grew_context, yoco_answer *answers,
                          yoco_generate_times *times)
{
    generation g = {.session = session,
                    .options = options,
                    .prompt = prompt,
                    .tokenizer = tokenizer,
                    .answers = answers};
    if (tokenizer)
        g.n_banned = yoco_tokenizer_banned(tokenizer, g.banned, YOCO_MAX_BANNED);
    yoco_status status = run(&g, grew, grew_context, times);
    yoco_sampler_free(g.sampler);
    yoco_free(g.logits);
    free(g.branches);
    free(g.ids);
    free(g.verdicts);
    return status;
}
