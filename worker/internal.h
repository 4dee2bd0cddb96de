/* What the files of worker/ share. */
#ifndef YOCO_WORKER_INTERNAL_H
#define YOCO_WORKER_INTERNAL_H

#include <math.h>
#include <signal.h>

#include "configs/files/lock.h"
#include "worker/model.h"
#include "worker/worker.h"

enum {
    YOCO_TAG_GATHER = 0,
    YOCO_TAG_END = 1,  /* see ring_agree_end */
    YOCO_TAG_EDGE = 2, /* + layer */
};

typedef struct yoco_snapshot_writer yoco_snapshot_writer;

/* One prefill: which chunks the ranks run, and what is done with them besides. */
typedef struct yoco_ring {
    int64_t begin; /* chunks before it were restored; its edges lie in EDGE_IN */
    int64_t end;   /* n_chunks, lower once a stop was asked for; see ring_agree_end */
    yoco_snapshot_writer *writer;      /* NULL: no snapshot is made */
    const volatile sig_atomic_t *stop; /* NULL: nobody asks */
    bool saves_or_stops;               /* a file that cannot be written is a stop, too */
} yoco_ring;

struct yoco_worker {
    yoco_comm *comm;
    const yoco_ops *ops;
    yoco_device_options device_options;
    yoco_device *device;
    yoco_model *model;
    const yoco_checkpoint *checkpoint;
    char arithmetic[256];
    bool warned_of_memory;

    yoco_plan plan;
    void *buffers[YOCO_N_BUFFERS];    /* as the plan says, device memory */
    yoco_request *edge_in, *edge_out; /* (n_self): the message under way in each layer's slot */
    yoco_ring ring;                   /* of the prefill at work */
    yoco_lock *snapshot_lock;         /* rank 0: of the snapshot's folder; NULL: none */
    int64_t *branch_n_rows;           /* (n_branches): rows of each branch so far */

    /* see staging.h */
    bool shared_slots; /* EDGE_IN and EDGE_OUT are shared memory */
    void *staging;     /* shared memory; NULL: collectives take device memory */

    /* host memory */
    int64_t *positions;        /* (plan.rows) */
    yoco_window_view *views;   /* (n_branches) */
    float **states;            /* (n_branches) */
    yoco_row_copy *copies;     /* (2 * n_branches) */
    int bad;                   /* a merge of the step met a value that is not finite */
    int n_merges;              /* of the step whose flags the device keeps: see merge.c */
    float *flags;              /* those flags */
    yoco_kv_segment *segments; /* (1 + n_branches) */
    void *draw_scratch;        /* rank 0: see yoco_draw_args */
};

/* A run of consecutive rows that goes through the self-decoder together. */
typedef struct yoco_piece yoco_piece;

/* Where a piece's edges come from and go to: the ring of ranks, or a branch's private memory.
 * Called once for each layer. An edge stands in the work buffers: window rows at the front of
 * WINDOW_K and WINDOW_V, followed by the piece's own rows; a retention state in STATE. */
typedef struct yoco_edge_port {
    yoco_status (*take)(yoco_worker *w, const yoco_piece *piece,
                        int layer); /* work buffers <- edge */
    yoco_status (*give)(yoco_worker *w, const yoco_piece *piece,
                        int layer); /* edge <- work buffers */
    bool gives_first;               /* an edge may leave before the one that enters was taken */
    bool waits;                     /* an edge may come from another rank */
} yoco_edge_port;

struct yoco_piece {
    const yoco_edge_port *port;
    const int32_t *ids; /* (n_rows), host */
    int64_t n_rows, position;
    int64_t n_edge; /* window rows before the piece that its first query sees */
    int64_t chunk;  /* ring: which chunk this is */
    int branch;     /* branch: which branch */
    void *k, *v;    /* (n_rows, kv_dim): where the piece's shared K,V go */
};

yoco_status yoco_piece_run(yoco_worker *w, const yoco_piece *piece);

/* Row-wise parts of a layer, shared by prefill and decode; `linear` is linear_slabs or linear_rows.
 */
typedef void (*yoco_linear)(yoco_device *device, const yoco_linear_args *args);

void yoco_embed_rows(yoco_worker *w, const int32_t *ids, const int64_t *positions, int64_t n_rows);
void yoco_norm_rows(yoco_worker *w, const float *weight, int64_t n_rows);
void yoco_project(yoco_worker *w, yoco_linear linear, const yoco_weight *weight, float *y,
                  int64_t n_rows);
/* NORM's products with several weights, at most YOCO_MAX_CHAIN, in one call. */
typedef struct yoco_projection {
    const yoco_weight *weight;
    float *y; /* (n_rows, n_out) */
} yoco_projection;
void yoco_project_all(yoco_worker *w, yoco_linear linear, const yoco_projection *projections, int n,
                      int64_t n_rows);
/* Window: rotates q in place, k to k_out in the run's dtype, and rounds v to v_out. */
void yoco_rotate_window(yoco_worker *w, float *q, const float *k, const float *v, void *k_out,
                        void *v_out, int64_t n_rows);
/* Retention: rotates q and k in place, and scales k. */
void yoco_rotate_retention(yoco_worker *w, float *q, float *k, int64_t n_rows);
/* The queries of a cross layer, in place. */
void yoco_rotate_cross(yoco_worker *w, float *q, int64_t n_rows);
/* Per-head norm of the retention output in WIDE_A 2, gated by WIDE_B 1, to NORM. */
void yoco_retention_gate(yoco_worker *w, int64_t n_rows);
/* x += W_out NORM */
void yoco_add_output(yoco_worker *w, yoco_linear linear, const yoco_layer *layer, int64_t n_rows);
void yoco_feed_forward(yoco_worker *w, yoco_linear linear, const yoco_layer *layer, int64_t n_rows);
/* The shared K,V of the rows in X, K rotated, to k and v. */
void yoco_shared_kv(yoco_worker *w, yoco_linear linear, void *k, void *v, int64_t n_rows);

/* Merges the partials of all ranks (exact merge); the output goes to NORM. A rank alone, and
 * one whose transport follows the device's stream, does not wait for it: what yoco_merge would
 * report, yoco_merge_check does once the step is done. */
yoco_status yoco_merge(yoco_worker *w, const yoco_attend_args *args);
yoco_status yoco_merge_check(yoco_worker *w);

static inline float *yoco_f32(const yoco_worker *w, yoco_buffer buffer)
{
    return w->buffers[buffer];
}

static inline char *yoco_bytes(const yoco_worker *w, yoco_buffer buffer)
{
    return w->buffers[buffer];
}

/* head_dim^-1/2 log2(e): scores in base 2. */
static inline float yoco_scale_log2(int head_dim)
{
    return (float)(1.4426950408889634 / sqrt(head_dim));
}

/* Parts of the wide buffers; `rows` is the plan's capacity. */
static inline float *yoco_wide(const yoco_worker *w, yoco_buffer buffer, int part)
{
    return yoco_f32(w, buffer) + part * w->plan.rows * w->model->config.dim;
}

static inline size_t yoco_row_bytes(const yoco_worker *w)
{
    return (size_t)w->model->config.dim * yoco_dtype_bytes(w->model->dtype);
}

static inline size_t yoco_kv_row_bytes(const yoco_worker *w)
{
    return (size_t)yoco_config_kv_dim(&w->model->config) * yoco_dtype_bytes(w->model->dtype);
}

/* Local rows of a branch on this rank start here in BRANCH_K and BRANCH_V. */
int64_t yoco_branch_first_row(const yoco_worker *w, int branch);
/* Where row `row` of a branch's shared K,V lies on this rank, K first; false: on another one. */
bool yoco_branch_shared_row(const yoco_worker *w, int branch, int64_t row, char *kv[2]);
/* Stores n_rows shared K,V rows, standing at PIECE_K/V + first, as rows `row`.. of a branch where
 * this rank owns them. */
void yoco_branch_store(yoco_worker *w, int branch, int64_t row, int64_t first, int64_t n_rows);
/* Edges of this worker's last prefill, one layer: what branches start from. */
char *yoco_context_edge(const yoco_worker *w, int layer);
/* Rows of a window edge that stands before `position`; 0 for gated retention. */
int64_t yoco_edge_rows(const yoco_worker *w, int64_t position);
/* An edge between its packed form, (2, n_rows, dim) or a state, and the work buffers. */
void yoco_edge_load(yoco_worker *w, const char *edge, int64_t n_rows);
/* The branch's state (retention) for one layer. */
float *yoco_branch_state(const yoco_worker *w, int branch, int layer);
/* The last n_visible rows that a branch sees in one layer, once it owns n_own rows (window). */
void yoco_branch_view(const yoco_worker *w, int branch, int layer, int64_t n_own, int64_t n_visible,
                      yoco_window_view *view);
/* Where window row `row` of a branch lies in its ring, K first. */
void yoco_branch_window_row(const yoco_worker *w, int branch, int layer, int64_t row, char *kv[2]);
/* Puts window rows `row`.. of a branch into its ring; k and v are (n_rows, dim). */
void yoco_branch_remember(yoco_worker *w, int branch, int layer, int64_t row, const char *k,
                          const char *v, int64_t n_rows);

#endif
