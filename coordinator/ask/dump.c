#include "coordinator/ask/dump.h"

#include <stdio.h>
#include <stdlib.h>

#include "configs/files/atomic_file.h"
#include "configs/files/safetensors.h"

enum { N_TENSORS = 5, NAME_SIZE = 32, PIECE = 4096 };

typedef struct dump {
    yoco_session *session;
    const yoco_prompt *prompt;
    const yoco_answer *answers;
    yoco_safetensors_writer *writer; /* rank 0 */
    int64_t width;                   /* of the rows that are gathered */
} dump;

/* Rank 0: names, shapes and dtypes of everything that will be written, in this order. */
static yoco_status describe(dump *d, const char *path)
{
    static const char *const names[N_TENSORS] = {"prompt", "generated", "logits", "key_cache",
                                                 "value_cache"};
    const yoco_model_shape *m = d->session->checkpoint->shape;
    const yoco_layer_shape *kept = &m->layers[yoco_shape_last_kept(m)];
    int n = d->prompt->n_questions;
    yoco_tensor *tensors = calloc((size_t)n * N_TENSORS, sizeof *tensors);
    char(*labels)[NAME_SIZE] = calloc((size_t)n * N_TENSORS, sizeof *labels);
    yoco_status status = tensors && labels ? YOCO_OK : YOCO_ERR_MEMORY;
    for (int i = 0; status == YOCO_OK && i < n; i++) {
        int64_t n_prompt = d->prompt->context.n + d->prompt->questions[i].tokens.n;
        int64_t n_rows = yoco_worker_position(d->session->worker, i), n_ids = d->answers[i].n;
        int64_t heads = kept->n_kv_heads;
        const yoco_tensor shapes[N_TENSORS] = {
            {.dtype = YOCO_I64, .n_dims = 1, .shape = {n_prompt}},
            {.dtype = YOCO_I64, .n_dims = 1, .shape = {n_ids}},
            {.dtype = YOCO_F32, .n_dims = 2, .shape = {n_ids, m->vocab_size}},
            {.dtype = YOCO_F32, .n_dims = 3, .shape = {n_rows, heads, kept->k_dim}},
            {.dtype = YOCO_F32, .n_dims = 3, .shape = {n_rows, heads, kept->v_dim}},
        };
        for (int t = 0; t < N_TENSORS; t++) {
            char *label = labels[i * N_TENSORS + t];
            tensors[i * N_TENSORS + t] = shapes[t];
            tensors[i * N_TENSORS + t].name = label;
            if (n == 1)
                snprintf(label, NAME_SIZE, "%s", names[t]);
            else
                snprintf(label, NAME_SIZE, "%s.%d", names[t], i);
        }
    }
    if (status == YOCO_OK)
        status = yoco_safetensors_create(path, tensors, n * N_TENSORS, &d->writer);
    free(tensors);
    free(labels);
    return status;
}

static yoco_status write_ids(dump *d, const int32_t *ids, int64_t n)
{
    int64_t wide[PIECE];
    for (int64_t done = 0, count; done < n; done += count) {
        count = yoco_i64_min(PIECE, n - done);
        for (int64_t i = 0; i < count; i++)
            wide[i] = ids[done + i];
        YOCO_TRY(yoco_safetensors_append(d->writer, wide, (size_t)count * sizeof *wide));
    }
    return YOCO_OK;
}

/* A yoco_row_sink: rows of K or V, widened to f32. */
static yoco_status write_rows(void *data, const void *rows, int64_t n_rows)
{
    dump *d = data;
    int64_t n = n_rows * d->width;
    if (yoco_worker_dtype(d->session->worker) == YOCO_F32)
        return yoco_safetensors_append(d->writer, rows, (size_t)n * sizeof(float));
    const uint16_t *bf16 = rows;
    float wide[PIECE];
    for (int64_t done = 0, count; done < n; done += count) {
        count = yoco_i64_min(PIECE, n - done);
        for (int64_t i = 0; i < count; i++)
            wide[i] = yoco_bf16_to_f32(bf16[done + i]);
        YOCO_TRY(yoco_safetensors_append(d->writer, wide, (size_t)count * sizeof *wide));
    }
    return YOCO_OK;
}

/* Rank 0: what the coordinator has itself. */
static yoco_status write_tokens(dump *d, int i)
{
    const yoco_answer *answer = &d->answers[i];
    const yoco_ids *question = &d->prompt->questions[i].tokens;
    size_t row = (size_t)d->session->checkpoint->shape->vocab_size * sizeof(float);
    YOCO_TRY(write_ids(d, d->prompt->context.ids, d->prompt->context.n));
    YOCO_TRY(write_ids(d, question->ids, question->n));
    YOCO_TRY(write_ids(d, answer->ids, answer->n));
    return yoco_safetensors_append(d->writer, answer->logits, (size_t)answer->n * row);
}

static yoco_status write_all(dump *d)
{
    const yoco_model_shape *m = d->session->checkpoint->shape;
    const yoco_layer_shape *kept = &m->layers[yoco_shape_last_kept(m)];
    yoco_comm *comm = d->session->comm;
    for (int i = 0; i < d->prompt->n_questions; i++) {
        yoco_status status = comm->rank == 0 ? write_tokens(d, i) : YOCO_OK;
        YOCO_TRY(yoco_agree(comm, status));
        d->width = yoco_layer_k_width(kept);
        YOCO_TRY(yoco_worker_gather(d->session->worker, i, false, write_rows, d));
        d->width = yoco_layer_v_width(kept);
        YOCO_TRY(yoco_worker_gather(d->session->worker, i, true, write_rows, d));
    }
    return YOCO_OK;
}

yoco_status yoco_dump_write(yoco_session *session, const char *path, const yoco_prompt *prompt,
                            const yoco_answer *answers)
{
    dump d = {.session = session, .prompt = prompt, .answers = answers};
    yoco_comm *comm = session->comm;
    YOCO_TRY(yoco_agree(comm, comm->rank == 0 ? describe(&d, path) : YOCO_OK));
    yoco_status status = write_all(&d);
    if (comm->rank == 0 && status == YOCO_OK)
        status = yoco_safetensors_finish(d.writer);
    else if (comm->rank == 0)
        yoco_safetensors_discard(d.writer);
    return yoco_agree(comm, status);
}
