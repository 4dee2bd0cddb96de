/* One rank at work on one long prompt: the model, this rank's share of the shared K,V, the prefill
 * ring and the decode steps. All functions but the two at the end are collective: every rank calls
 * them in the same order with the same arguments, and all return the same status. A rank that
 * cannot go on in the middle of a phase ends the job instead, since the others wait for its
 * messages.
 *
 * A context is the immutable prefix; branches continue it, each with rows of its own
 * (docs/DESIGN.md). */
#ifndef YOCO_WORKER_H
#define YOCO_WORKER_H

#include "comm/comm.h"
#include "configs/model/checkpoint.h"
#include "kernels/ops_choose.h"
#include "partition/plan.h"

typedef struct yoco_worker yoco_worker;

/* What `device->isa` asks for is lowered to what every rank has. The ranks compare their arithmetic
 * classes (backend, instruction set, library versions, dtype) and refuse to mix. comm and
 * checkpoint stay the caller's and must live on. */
yoco_status yoco_worker_create(yoco_comm *comm, const yoco_ops *ops,
                               const yoco_device_options *device, const yoco_checkpoint *checkpoint,
                               yoco_worker **out);
void yoco_worker_free(yoco_worker *worker);

/* One line that names everything rounding may depend on, but chunk and block size. */
const char *yoco_worker_arithmetic(const yoco_worker *worker);

/* Allocates everything for a context of n_tokens (0 is legal) in chunks of chunk_rows and for
 * n_branches >= 1 branches of at most branch_rows rows, question included. Replaces an earlier
 * context. */
yoco_status yoco_worker_reserve(yoco_worker *worker, int64_t n_tokens, int64_t chunk_rows,
                                int n_branches, int64_t branch_rows);
/* The same with memory for yoco_worker_prefill_durable (worker/snapshot/snapshot.h). */
yoco_status yoco_worker_reserve_durable(yoco_worker *worker, int64_t n_tokens, int64_t chunk_rows,
                                        int n_branches, int64_t branch_rows);
const yoco_plan *yoco_worker_plan(const yoco_worker *worker);

/* For comparisons: from the next `reserve` on a prefill runs every layer for every row, though what
 * is kept needs fewer. Results stay the same. YOCO_ERR_USAGE, logged, on more than one rank, and
 * for models with a layer that cannot. */
yoco_status yoco_worker_run_all_layers(yoco_worker *worker);

/* Goes on in a group of this worker's ranks, or again with all of them, and forgets the context:
 * `reserve` comes next. Collective over `comm`, which stays the caller's. */
yoco_status yoco_worker_regroup(yoco_worker *worker, yoco_comm *comm);

/* Called on every rank after each of its chunks with an estimate of the tokens that all ranks have
 * done. */
typedef void (*yoco_progress)(void *data, int64_t n_done, int64_t n_tokens);

/* Runs the whole context (the n_tokens of `reserve`) through the self-decoder; stores the shared
 * K,V and the last edges. */
yoco_status yoco_worker_prefill(yoco_worker *worker, const int32_t *ids, yoco_progress progress,
                                void *progress_data);

/* Starts branch `branch` from the context and prefills n_ids >= 0 tokens of it on every rank: the
 * question but its last token, which is the first that `step` takes. */
yoco_status yoco_worker_branch(yoco_worker *worker, int branch, const int32_t *ids, int64_t n_ids);

/* One token for each of n_rows different branches: ids[i] continues branches[i]. logits: (n_rows,
 * vocab_size) on rank 0, or NULL to leave them on the device; NULL elsewhere. */
yoco_status yoco_worker_step(yoco_worker *worker, int n_rows, const int *branches,
                             const int32_t *ids, float *logits);

/* Rank 0: the likeliest id of each of the rows first .. first + n_rows - 1 of the last step, of
 * equals the lowest, none of the n_banned <= YOCO_MAX_BANNED. YOCO_ERR_DATA, logged, where a logit
 * is not finite or all ids are banned. */
yoco_status yoco_worker_likeliest(yoco_worker *worker, int first, int n_rows, const int32_t *banned,
                                  int n_banned, int32_t *out);

/* Rank 0: draws for the rows first .. first + args->n_rows - 1 of the last step. x, n and scratch
 * of `args` are the worker's own. Errors as above. */
yoco_status yoco_worker_draw(yoco_worker *worker, int first, const yoco_draw_args *args);

/* Sends the whole K (or V) that `layer` keeps for a branch, the context's rows and its own in
 * position order, to rank 0, where `sink` receives them in pieces: (n_rows, width of a row) in the
 * run's dtype. The layer is one that keeps rows (yoco_layer_keeps_rows). */
typedef yoco_status (*yoco_row_sink)(void *data, const void *rows, int64_t n_rows);
yoco_status yoco_worker_gather(yoco_worker *worker, int layer, int branch, bool values,
                               yoco_row_sink sink, void *sink_data);

/* Local: rows of the context and of the branch so far. */
int64_t yoco_worker_position(const yoco_worker *worker, int branch);
yoco_dtype yoco_worker_dtype(const yoco_worker *worker);
/* Local: bytes of the device's memory in use, by all programs; 0 where it is the host's. */
size_t yoco_worker_device_memory(const yoco_worker *worker);

#endif
