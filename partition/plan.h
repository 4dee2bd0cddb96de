/* Memory plan: every buffer that a rank allocates, computed before anything is loaded. The worker
 * allocates exactly these, once; `yoco plan` prints them. Pure arithmetic: no I/O, no MPI, no
 * device. */
#ifndef YOCO_PLAN_H
#define YOCO_PLAN_H

#include "configs/model/shape.h"
#include "partition/grid.h"

/* rows: the most rows in one call, of a prefill piece or a decode step. T is dtype, everything else
 * f32 unless said. What layers share for work has the size of the largest. */
typedef enum yoco_buffer {
    /* K,V of the context, this rank's chunks: for each ROWS past, one after the other */
    YOCO_BUF_SHARD_K, /* (shard_rows, k_width) T */
    YOCO_BUF_SHARD_V,
    /* K,V of the chunks of other ranks, for each ROWS past over which prefill attends: see
     * yoco_plan_passed_at; or, dropped after use, YOCO_PASSED_SLOTS chunks of any of them */
    YOCO_BUF_PASSED_K,
    YOCO_BUF_PASSED_V,
    YOCO_BUF_RUN_K, /* staged: a chunk of them, (chunk_rows, k_width) T */
    YOCO_BUF_RUN_V,
    /* edges: a slot for each WINDOW and STATE past, one after the other */
    YOCO_BUF_EDGE_IN,      /* receive slots */
    YOCO_BUF_EDGE_OUT,     /* send buffers */
    YOCO_BUF_EDGE_COPY,    /* edges on their way to a snapshot */
    YOCO_BUF_CONTEXT_EDGE, /* what branches start from */
    /* branches */
    YOCO_BUF_BRANCH_K, /* for each ROWS past: (branch_shard_rows, k_width) T */
    YOCO_BUF_BRANCH_V,
    YOCO_BUF_BRANCH_PAST, /* (n_branches), for each WINDOW past a ring, K then V (ring rows, width)
                             T; for each STATE past a state */
    /* work, shared by prefill and decode */
    YOCO_BUF_X,       /* (rows, dim): the residual stream */
    YOCO_BUF_NORM,    /* (rows, dim) T: input of the next product */
    YOCO_BUF_WIDE_A,  /* (rows, yoco_layer_wide.a): q, k, out | fc1 */
    YOCO_BUF_WIDE_B,  /* (rows, yoco_layer_wide.b): v, g | gate */
    YOCO_BUF_HIDDEN,  /* (rows, hidden) T */
    YOCO_BUF_EMBED,   /* of the layers that run: (rows, embed_dim) */
    YOCO_BUF_PAST,    /* of the layer at work. WINDOW: K, then V (edge rows + rows, width) T; STATE:
                         the state */
    YOCO_BUF_SCRATCH, /* yoco_layer_scratch */
    YOCO_BUF_MEMORY,  /* (n_branches, n_channels): what GMUs gate */
    YOCO_BUF_PIECE_K, /* (rows, k_width) T: rows of branches before they are stored */
    YOCO_BUF_PIECE_V,
    YOCO_BUF_IDS,       /* (rows) i32 */
    YOCO_BUF_POSITIONS, /* (rows) i64 */
    YOCO_BUF_COS,       /* for each rotation: (rows, head_dim / 2) */
    YOCO_BUF_SIN,
    /* decode */
    YOCO_BUF_PARTIAL_MAX, /* (n_partials, merge_heads) */
    YOCO_BUF_PARTIAL_SUM, /* (n_partials, merge_heads) */
    YOCO_BUF_PARTIAL_OUT, /* (n_partials, merge_width) */
    YOCO_BUF_GLOBAL_MAX, /* (merge_queries, merge_heads), then (1 + 2 n_merges, YOCO_MERGE_FLAGS) */
    YOCO_BUF_FIXED,      /* (merge_queries, merge_heads + merge_width) i64 */
    YOCO_BUF_LOGITS,     /* (n_branches, vocab_size), rank 0 */
    YOCO_N_BUFFERS
} yoco_buffer;

enum {
    YOCO_PASSED_SLOTS = 4,
    YOCO_MIN_MERGE_QUERIES = 32 /* of a question, where its rows merge too */
};

typedef struct yoco_plan_input {
    const yoco_model_shape *shape;
    yoco_grid grid;
    int rank;
    int n_branches;      /* >= 1 */
    int64_t branch_rows; /* most rows of one branch: its question and what it generates; >= 1 */
    bool durable;        /* the prefill writes a snapshot */
    bool runs_all;       /* the prefill runs every layer, for comparison */
    bool drops_rows;     /* rows of other ranks come round again for every chunk; else they stay */
    bool stages_rows;    /* messages go through other memory: PASSED lies there, and holds all */
    yoco_dtype dtype;
    /* What the backend's packed (n_out, n_in) matrix takes. */
    size_t (*weight_bytes)(const void *data, int64_t n_out, int64_t n_in);
    const void *weight_data;
    yoco_dtype file_dtype; /* of the embedding, which stays in its file */
    size_t device_bytes;   /* what the backend and the transport take themselves; 0: on a host */
} yoco_plan_input;

typedef struct yoco_plan {
    yoco_plan_input input;
    int64_t rows;              /* see yoco_buffer */
    int64_t piece_rows;        /* most rows of one prefill piece */
    int64_t shard_rows;        /* context rows on this rank */
    int64_t branch_shard_rows; /* rows of all branches on this rank */
    int64_t n_partials;
    int64_t merge_queries; /* the most in one merge */
    int n_merges;          /* of a step: layers that attend over rows of all positions */
    int64_t merge_heads,
        merge_width;           /* the most heads of one of them, and elements of its output */
    size_t largest_slot_bytes; /* of a past with an edge */
    size_t branch_past_bytes;  /* of one branch in BRANCH_PAST */
    size_t buffer_bytes[YOCO_N_BUFFERS];
    size_t weight_bytes, embedding_bytes, token_bytes, runtime_bytes;
    size_t table_bytes; /* of a table that stays in its file, beside the total; 0: none */
    size_t total_bytes;
} yoco_plan;

/* Bytes of a past's slot, of its part of a branch, and of its work memory. */
size_t yoco_plan_slot_bytes(const yoco_plan_input *input, const yoco_past_shape *past);
size_t yoco_plan_branch_bytes(const yoco_plan_input *input, const yoco_past_shape *past);
/* Where the parts of its work memory begin, from its first byte, and its end. */
size_t yoco_plan_past_work(const yoco_plan *plan, const yoco_past_shape *past,
                           size_t at[YOCO_PAST_PARTS]);

/* Whether rows of some layer go from rank to rank in prefill. */
bool yoco_plan_passes_rows(const yoco_plan_input *input);
/* Rows in PASSED of one past, and the first of `chunk` there: own chunks have none but where rows
 * are staged. */
int64_t yoco_plan_passed_rows(const yoco_plan_input *input);
int64_t yoco_plan_passed_at(const yoco_plan_input *input, int64_t chunk);

const char *yoco_buffer_name(yoco_buffer buffer);

/* YOCO_ERR_DATA, logged, where a size overflows. */
yoco_status yoco_plan_make(const yoco_plan_input *input, yoco_plan *out);

/* Prefill and decode as `yoco plan` reports them, one line per kind of memory, into text (always
 * terminated). */
void yoco_plan_print(const yoco_plan *plan, char *text, size_t size);

#endif
