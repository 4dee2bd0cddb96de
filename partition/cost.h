/* The formula: how long a prefill and a decode step take on described hardware, what they wait for,
 * and which number of ranks and which chunk size suit. What a rank computes is counted by who runs
 * it, on the tally device; messages, the chain of edges and efficiency are closed forms, which
 * docs/SCALING.md derives. Pure arithmetic.
 */
#ifndef YOCO_COST_H
#define YOCO_COST_H

#include "configs/machine/hardware.h"
#include "partition/plan.h"

/* One past whose edge goes from chunk to chunk, in seconds from the beginning of a whole chunk. */
typedef struct yoco_cost_edge {
    double bytes;
    double give_s;   /* when it can leave */
    double take_s;   /* when the one that enters is needed */
    double pass_s;   /* from there to when it can leave, or, where it has left before, to when it is
                        loaded */
    bool is_chained; /* it needs the one that enters */
} yoco_cost_edge;

/* Counted work: seconds of one rank. */
typedef struct yoco_cost_account {
    double chunk_s; /* one whole chunk of the prefill, the first, with full windows */
    /* what each chunk before it adds to a chunk, where layers attend over the rows of all */
    double earlier_s;
    int n_row_layers; /* that do in prefill */
    double row_bytes; /* K and V of one chunk, of all of them */
    int n_edges;
    yoco_cost_edge *edges; /* (n_edges); yoco_free */
    /* one step, on the rank with the most rows: what every rank repeats, over rows of all
     * positions, and of merges */
    double repeated_s, attention_s, merge_s;
    int n_reductions;       /* of a step, in which all ranks take part */
    double reduction_bytes; /* of all of them */
} yoco_cost_account;

typedef struct yoco_cost_input yoco_cost_input;
typedef yoco_status (*yoco_cost_measure)(const yoco_cost_input *input, yoco_cost_account *out);

struct yoco_cost_input {
    const yoco_model_shape *shape;
    const yoco_hardware *hardware;
    yoco_grid grid;      /* at least 1 token */
    int n_branches;      /* that step together */
    int64_t branch_rows; /* most rows of a branch, for the memory */
    yoco_dtype dtype;
    yoco_cost_measure measure; /* yoco_worker_tally */
};

typedef enum yoco_limit {
    YOCO_LIMIT_COMPUTE,    /* prefill: the ranks compute */
    YOCO_LIMIT_FEW_CHUNKS, /* ranks without a chunk wait for those with one more */
    YOCO_LIMIT_CHAIN,      /* edges go from chunk to chunk, one after another */
    YOCO_LIMIT_ROWS,       /* rows of earlier chunks go round the ring */
    YOCO_LIMIT_LAST_EDGES, /* the broadcast of the last edges */
    YOCO_LIMIT_WEIGHTS,    /* decode: the part of a step that every rank repeats */
    YOCO_LIMIT_ATTENTION,  /* reading the rank's K,V */
    YOCO_LIMIT_MERGE,      /* the reductions */
    YOCO_N_LIMITS
} yoco_limit;

const char *yoco_limit_text(yoco_limit limit); /* "too few chunks" */

/* Seconds. */
typedef struct yoco_cost {
    double chunk_s; /* one whole chunk, the first */
    double hop_s;   /* one edge, from when it enters a chunk until it can enter the next */

    double prefill_s;    /* the sum of the next five */
    double compute_s;    /* all chunks, shared evenly */
    double uneven_s;     /* the busiest rank beyond that */
    double chain_s;      /* waiting for edges */
    double rows_s;       /* waiting for rows of earlier chunks */
    double last_edges_s; /* to all ranks, for the decode steps */
    yoco_limit prefill_limit;

    double step_s;      /* the sum of the next three */
    double repeated_s;  /* what every rank repeats, and the logits */
    double attention_s; /* over the K,V of the fullest rank */
    double merge_s;     /* the reductions and copies of the merges */
    yoco_limit step_limit;

    size_t memory_bytes; /* of rank 0, the fullest */
    bool fits;           /* in the device's memory */
} yoco_cost;

yoco_status yoco_cost_make(const yoco_cost_input *input, yoco_cost *out);

/* The chunk size, a power of two from 256 to 8192, with the shortest prefill; *cost is that. */
yoco_status yoco_cost_best_chunk(const yoco_cost_input *input, int64_t *chunk_rows,
                                 yoco_cost *cost);

enum { YOCO_COST_MAX_RANKS = 4096 };

/* The least number of ranks, a power of two, and its best chunk, whose prefill takes at most
 * target_s and fits; target_s 0: the most ranks that still are half as efficient as the least ones
 * that fit. YOCO_ERR_DATA, not logged: there is none up to YOCO_COST_MAX_RANKS. */
yoco_status yoco_cost_recommend(const yoco_cost_input *input, double target_s, yoco_grid *grid,
                                yoco_cost *cost);

#endif
