/* Memory plan: every buffer that a rank allocates, computed before anything is loaded. The worker
 * allocates exactly these, once; `yoco plan` prints them. Pure arithmetic: no I/O, no MPI, no
 * device. */
#ifndef YOCO_PLAN_H
#define YOCO_PLAN_H

#include "configs/model/model_config.h"
#include "partition/grid.h"

/* rows: the most rows in one call, of a prefill piece or a decode step. T is dtype, everything else
 * f32 unless said. */
typedef enum yoco_buffer {
    /* K,V of the context: this rank's chunks */
    YOCO_BUF_SHARD_K, /* (shard_rows, kv_dim) T */
    YOCO_BUF_SHARD_V,
    /* the self-decoder's memory of the past: one edge per layer */
    YOCO_BUF_EDGE_IN,      /* (n_self_layers) edges: receive slots */
    YOCO_BUF_EDGE_OUT,     /* (n_self_layers) edges: send buffers */
    YOCO_BUF_EDGE_COPY,    /* (n_self_layers) edges on their way to a snapshot */
    YOCO_BUF_CONTEXT_EDGE, /* (n_self_layers) edges: what branches start from */
    /* branches */
    YOCO_BUF_BRANCH_K, /* (branch_shard_rows, kv_dim) T */
    YOCO_BUF_BRANCH_V,
    YOCO_BUF_BRANCH_SELF, /* (n_branches, n_self_layers): rings K then V (ring_rows, dim) T, or
                             states */
    /* work, shared by prefill and decode */
    YOCO_BUF_X,        /* (rows, dim): the residual stream */
    YOCO_BUF_NORM,     /* (rows, dim) T: input of the next product */
    YOCO_BUF_WIDE_A,   /* (rows, max(hidden, 3 dim)): q, k, out | fc1 */
    YOCO_BUF_WIDE_B,   /* (rows, max(hidden, 2 dim)): v, g | gate */
    YOCO_BUF_HIDDEN,   /* (rows, hidden) T */
    YOCO_BUF_WINDOW_K, /* (edge_rows + rows, dim) T: edge and own rows, window attention */
    YOCO_BUF_WINDOW_V,
    YOCO_BUF_GATE,        /* (rows, n_self_heads), gated retention */
    YOCO_BUF_DECAY,       /* (rows, n_self_heads) */
    YOCO_BUF_BLOCK_STATE, /* (retention blocks of rows) states */
    YOCO_BUF_STATE,       /* one state: the edge of the layer at work */
    YOCO_BUF_PIECE_K,     /* (rows, kv_dim) T: shared K,V of branch rows before they are stored */
    YOCO_BUF_PIECE_V,
    YOCO_BUF_IDS,       /* (rows) i32 */
    YOCO_BUF_POSITIONS, /* (rows) i64 */
    YOCO_BUF_SELF_COS,  /* (rows, self_head_dim / 2) */
    YOCO_BUF_SELF_SIN,
    YOCO_BUF_COS, /* (rows, head_dim / 2); none where it equals the one above */
    YOCO_BUF_SIN,
    /* decode */
    YOCO_BUF_PARTIAL_MAX, /* (n_partials, n_attn_heads) */
    YOCO_BUF_PARTIAL_SUM, /* (n_partials, n_attn_heads) */
    YOCO_BUF_PARTIAL_OUT, /* (n_partials, n_attn_heads, head_dim) */
    YOCO_BUF_GLOBAL_MAX,  /* (n_branches, n_attn_heads), then (1 + 2 cross layers, YOCO_MERGE_FLAGS)
                           */
    YOCO_BUF_FIXED,       /* (n_branches, n_attn_heads, 1 + head_dim) i64 */
    YOCO_BUF_LOGITS,      /* (n_branches, vocab_size), rank 0 */
    YOCO_N_BUFFERS
} yoco_buffer;

typedef struct yoco_plan_input {
    const yoco_model_config *config;
    yoco_grid grid;
    int rank;
    int n_branches;      /* >= 1 */
    int64_t branch_rows; /* most rows of one branch: its question and what it generates; >= 1 */
    bool durable;        /* the prefill writes a snapshot */
    yoco_dtype dtype;
    /* What the backend's packed (n_out, n_in) matrix takes. */
    size_t (*weight_bytes)(const void *context, int64_t n_out, int64_t n_in);
    const void *weight_context;
    yoco_dtype file_dtype; /* of the embedding, which stays in its file */
    size_t device_bytes;   /* what the backend and the transport take themselves; 0: on a host */
} yoco_plan_input;

typedef struct yoco_plan {
    yoco_plan_input input;
    int64_t rows;       /* see yoco_buffer */
    int64_t piece_rows; /* most rows of one prefill piece */
    int64_t shard_rows; /* context rows on this rank */
    int64_t edge_rows;  /* most rows of a window edge: sliding_window - 1; 0 for gated retention */
    int64_t ring_rows;  /* a branch's own window rows; 0 for gated retention */
    int64_t branch_shard_rows; /* rows of all branches on this rank */
    int64_t n_partials;
    size_t edge_bytes; /* one layer's edge: (2, edge_rows, dim) T, or (heads, head_dim, head_dim)
                          f32 */
    size_t branch_self_bytes; /* one layer of one branch */
    size_t buffer_bytes[YOCO_N_BUFFERS];
    size_t weight_bytes, embedding_bytes, token_bytes, runtime_bytes;
    size_t total_bytes;
} yoco_plan;

const char *yoco_buffer_name(yoco_buffer buffer);

/* YOCO_ERR_DATA, logged, where a size overflows. */
yoco_status yoco_plan_make(const yoco_plan_input *input, yoco_plan *out);

/* Prefill and decode as `yoco plan` reports them, one line per kind of memory, into text (always
 * terminated). */
void yoco_plan_print(const yoco_plan *plan, char *text, size_t size);

#endif
