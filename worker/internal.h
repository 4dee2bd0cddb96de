/* What the files of worker/ share. */
#ifndef YOCO_WORKER_INTERNAL_H
#define YOCO_WORKER_INTERNAL_H

#include <math.h>
#include <signal.h>

#include "comm/tags.h"
#include "configs/files/lock.h"
#include "kernels/ops_attend.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_window.h"
#include "worker/model.h"
#include "worker/worker.h"

typedef struct yoco_past yoco_past;
typedef struct yoco_past_ops yoco_past_ops;
typedef struct yoco_pass yoco_pass;

/* A WINDOW or STATE past of a layer, and where its parts lie. */
struct yoco_past {
    yoco_past_shape shape;
    const yoco_past_ops *ops;
    int index, layer;
    size_t slot_at, slot_bytes;      /* in EDGE_IN, EDGE_OUT, EDGE_COPY and CONTEXT_EDGE */
    size_t branch_at;                /* in one branch's part of BRANCH_PAST */
    size_t work_at[YOCO_PAST_PARTS]; /* in PAST */
};

/* A ROWS past of a layer: K and V of every position. */
typedef struct yoco_store {
    int index, layer;
    size_t row_bytes[YOCO_PAST_PARTS];
    size_t shard_at[YOCO_PAST_PARTS],
        branch_at[YOCO_PAST_PARTS], /* in SHARD_K and _V, BRANCH_K and _V */
        passed_at[YOCO_PAST_PARTS]; /* in PASSED_K and _V, where rows of other ranks stay */
} yoco_store;

/* What is done with what a prefill makes, besides. The ring calls it on the owner of a chunk. */
typedef struct yoco_ring_sink {
    /* The edge that leaves `chunk` stands in EDGE_OUT. */
    void (*edge)(void *data, int64_t chunk, const yoco_past *past);
    /* The rows of `chunk` are final, and so are its edges. */
    void (*chunk)(void *data, int64_t chunk);
    /* Whether there is no use in going on. */
    bool (*failed)(void *data);
} yoco_ring_sink;

/* One prefill: which chunks the ranks run, and what is done with them besides. */
typedef struct yoco_ring {
    int64_t begin;              /* chunks before it were restored; its edges lie in EDGE_IN */
    int64_t end;                /* n_chunks, lower once a stop was asked for; see ring_agree_end */
    const yoco_ring_sink *sink; /* NULL: none */
    void *sink_data;
    const volatile sig_atomic_t *stop; /* NULL: nobody asks */
    bool saves_or_stops;               /* a sink that failed is a stop, too */
} yoco_ring;

struct yoco_worker {
    yoco_comm *comm;
    const yoco_ops *ops;
    yoco_device_options device_options;
    yoco_device *device;
    yoco_model *model;
    const yoco_checkpoint *checkpoint;
    char arithmetic[256];
    bool warned_of_memory, runs_all;

    yoco_plan plan;
    void *buffers[YOCO_N_BUFFERS];    /* as the plan says, device memory */
    yoco_past *pasts;                 /* (model->n_pasts) */
    yoco_store *stores;               /* (model->n_stores) */
    yoco_request *edge_in, *edge_out; /* (model->n_pasts): the message under way in each slot */
    yoco_ring ring;                   /* of the prefill at work */
    struct yoco_relay *relay;         /* NULL: no rows go from rank to rank */
    yoco_lock *snapshot_lock;         /* rank 0: of the snapshot's folder; NULL: none */
    int64_t *branch_n_rows;           /* (n_branches): rows of each branch so far */
    int64_t *branch_first_row;        /* (n_branches): of its rows on this rank, in a store */

    /* see staging.h */
    bool shared_slots; /* EDGE_IN and EDGE_OUT are shared memory */
    void *staging;     /* shared memory; NULL: collectives take device memory */

    /* host memory */
    int64_t *positions;        /* (plan.rows) */
    yoco_window_view *views;   /* (n_branches) */
    float **states;            /* (n_branches) */
    yoco_row_copy *copies;     /* (2 n_branches) */
    int bad;                   /* a merge of the step met a value that is not finite */
    int n_merges;              /* of the step whose flags the device keeps: see merge.c */
    float *flags;              /* those flags */
    yoco_kv_segment *segments; /* (1 + plan.merge_queries) */
    void *draw_scratch;        /* rank 0: see yoco_draw_args */
};

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

#endif
