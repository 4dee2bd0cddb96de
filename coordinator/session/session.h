/* A command's ranks, model folder and worker: every command that computes opens them first.
 */
#ifndef YOCO_SESSION_H
#define YOCO_SESSION_H

#include "worker/worker.h"

/* Settings as the command line gives them; NULL or 0 where an option was not given. */
typedef struct yoco_session_options {
    const char *model; /* a folder */
    bool takes_shape;  /* or its config alone: random weights of that shape */
    uint64_t weight_seed;
    const char *backend; /* "auto", "reference", "cpu", "cuda" */
    const char *isa;     /* "auto" or an instruction set that the processor has */
    const char *dtype;   /* "auto", "f32", "bf16" */
    int64_t threads;     /* per rank; 0: yoco_cores() shared among the ranks of the machine */
    int64_t expect_ranks;
    double deadline_s;
    const char *transport;   /* "auto", "mpi", "ucx", "nccl" */
    const char *hang_folder; /* NULL: the current folder; see yoco_comm_options */
} yoco_session_options;

#define YOCO_SESSION_DEFAULTS                                                                      \
    {                                                                                              \
        .backend = "auto", .isa = "auto", .dtype = "auto", .transport = "auto",                    \
        .deadline_s = 600.0                                                                        \
    }

typedef struct yoco_session {
    yoco_comm *comm;
    yoco_checkpoint *checkpoint;
    const yoco_ops *ops;
    yoco_device_options device;
    yoco_worker *worker;
    yoco_hash tokenizer; /* of the model folder's; 0 where it has none */
    yoco_hash weights;   /* yoco_checkpoint_hash, once it is known */
    bool has_weights;
} yoco_session;

/* Backend, instruction set and dtype, as far as they can be told without the other ranks. */
yoco_status yoco_session_choose(const yoco_session_options *options, yoco_dtype file_dtype,
                                const yoco_ops **ops, yoco_device_options *device);

/* Opens a model folder, or a shape with random weights. */
yoco_status yoco_session_open_model(const yoco_session_options *options, yoco_checkpoint **out);

/* Local: yoco_checkpoint_hash, computed once. */
yoco_status yoco_session_hash(yoco_session *session, yoco_hash *out);

/* Collective: with the agreement of all ranks on everything that they were told and opened (see
 * agreement.h). On failure nothing stays open. */
yoco_status yoco_session_open(const yoco_session_options *options, yoco_session *out);
void yoco_session_close(yoco_session *session);

/* The rows of --chunk: the backend's default where 0; of the multiple that the model asks for. */
yoco_status yoco_session_chunk_rows(const yoco_model_shape *shape, const yoco_ops *ops,
                                    int64_t asked, int64_t *out);
/* Collective: the same of an open session, with one line where ranks fail. */
yoco_status yoco_session_agree_chunk_rows(yoco_session *session, int64_t asked, int64_t *out);

#endif
