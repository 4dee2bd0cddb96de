/* What a layer remembers of the positions before, in the memory of one rank: rows of all positions,
 * a window, or a state (configs/model/layer.h). A kind of layer sees neither ranks nor slots nor
 * branches; the ring, the branches and the snapshots see forms of past and no kinds. */
#ifndef YOCO_PAST_H
#define YOCO_PAST_H

#include "worker/pass.h"

/* What a form does with its work memory (YOCO_BUF_PAST), an edge and a branch. An edge is packed:
 * yoco_past_edge_bytes of the position it stands before. */
struct yoco_past_ops {
    /* work <- nothing, before position 0 */
    void (*clear)(yoco_worker *w, const yoco_past *past);
    /* work <- the edge that enters the rows of the pass */
    void (*load)(yoco_pass *p, const yoco_past *past, const char *edge);
    /* the edge that leaves the rows of the pass <- work */
    void (*save)(yoco_pass *p, const yoco_past *past, char *edge);
    /* The same from and to a branch's own memory, which begins with what the context left. */
    void (*branch_begin)(yoco_worker *w, const yoco_past *past, int branch);
    void (*branch_load)(yoco_pass *p, const yoco_past *past);
    void (*branch_save)(yoco_pass *p, const yoco_past *past);
};

extern const yoco_past_ops yoco_window_past, yoco_state_past;

/* Places of the plan's pasts: fills w->pasts, w->stores and the layers' references to them. */
void yoco_pasts_place(yoco_worker *w);

/* Past i of those that the pass's layer keeps, in the order of yoco_layer_pasts. */
const yoco_past *yoco_past_of(const yoco_pass *p, int i);

/* Edges of this worker's last prefill: what branches start from. */
char *yoco_past_context_edge(const yoco_worker *w, const yoco_past *past);
char *yoco_past_branch(const yoco_worker *w, const yoco_past *past, int branch);
char *yoco_past_work(const yoco_worker *w, const yoco_past *past, int part);
size_t yoco_past_bytes_before(const yoco_worker *w, const yoco_past *past, int64_t position);

/* WINDOW. Where the rows of the pass themselves stand in the work memory, behind the edge. */
char *yoco_window_own(const yoco_pass *p, const yoco_past *past, int part);
/* Rows of the edge that enters the pass. */
int64_t yoco_window_edge(const yoco_pass *p, const yoco_past *past);
/* A piece: whether its edge leaves before the one that enters is taken. A piece shorter than the
 * window passes on part of that one. */
bool yoco_window_gives_own(const yoco_pass *p, const yoco_past *past);
/* A step: stores the rows in their branches, and tells what each sees then. */
void yoco_window_step(yoco_pass *p, const yoco_past *past, yoco_window_view *views);
/* The same where they are stored already. */
void yoco_window_views(const yoco_pass *p, const yoco_past *past, yoco_window_view *views);

/* Copies of n rows of part 0 and of n rows of part 1, which stand in w->copies one after the other.
 */
void yoco_past_copy_rows(yoco_worker *w, int64_t n, const size_t row_bytes[YOCO_PAST_PARTS]);

/* STATE. The state of a branch. */
float *yoco_state_branch(const yoco_worker *w, const yoco_past *past, int branch);

/* ROWS. Where the rows of the pass go. */
void *yoco_store_rows(const yoco_pass *p, const yoco_store *store, int part);
/* Once they are there: stores those of branches in their blocks, block j of branch b on rank (b +
 * j) mod n_ranks. */
void yoco_store_append(yoco_pass *p, const yoco_store *store);
/* Local rows of a branch on this rank, and where they begin. */
char *yoco_store_branch(const yoco_worker *w, const yoco_store *store, int branch, int part);
char *yoco_store_shard(const yoco_worker *w, const yoco_store *store, int part);
/* A step, or a piece of a branch: attention of the rows over a store, the context's rows and those
 * of their branches up to their own, merged over all ranks (docs/DESIGN.md, "exact merge"). q:
 * (n_rows, n_heads, k_dim); out: (n_rows, n_heads, v_dim). */
yoco_status yoco_store_attend(yoco_pass *p, const float *q, yoco_dtype out_dtype, void *out);

#endif
