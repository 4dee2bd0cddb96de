#include "coordinator/ask/dump.h"

#include <stdio.h>

#include "configs/files/atomic_file.h"
#include "configs/files/safetensors.h"

enum { NAME_SIZE = 48, PIECE = 4096 };

typedef struct dump {
    yoco_session *session;
    const yoco_model_shape *shape;
    const yoco_prompt *prompt;
    const yoco_answer *answers;
    yoco_safetensors_writer *writer; /* rank 0 */
    int64_t width;                   /* of the rows that are gathered */
} dump;

/* What will be written, in this order. */
typedef struct tensor_list {
    int n, question, n_questions;
    yoco_tensor *tensors;
    char (*names)[NAME_SIZE];
} tensor_list;

static void add_tensor(tensor_list *list, const char *name, int layer, yoco_tensor tensor)
{
    char *text = list->names[list->n], suffixes[2][24] = {"", ""};
    if (layer >= 0)
        snprintf(suffixes[0], sizeof *suffixes, ".layer%d", layer);
    if (list->n_questions > 1)
        snprintf(suffixes[1], sizeof *suffixes, ".%d", list->question);
    snprintf(text, NAME_SIZE, "%s%s%s", name, suffixes[0], suffixes[1]);
    tensor.name = text;
    list->tensors[list->n++] = tensor;
}

static void add_question(const dump *d, tensor_list *list)
{
    const yoco_model_shape *m = d->shape;
    int i = list->question;
    int64_t n_prompt = d->prompt->context.n + d->prompt->questions[i].tokens.n;
    int64_t n_rows = yoco_worker_position(d->session->worker, i), n_ids = d->answers[i].n;
    bool first = true;
    add_tensor(list, "prompt", -1,
               (yoco_tensor){.dtype = YOCO_I64, .n_dims = 1, .shape = {n_prompt}});
    add_tensor(list, "generated", -1,
               (yoco_tensor){.dtype = YOCO_I64, .n_dims = 1, .shape = {n_ids}});
    add_tensor(list, "logits", -1,
               (yoco_tensor){.dtype = YOCO_F32, .n_dims = 2, .shape = {n_ids, m->vocab_size}});
    for (int l = 0; l < m->n_layers; l++) {
        const yoco_layer_shape *c = &m->layers[l];
        if (!yoco_layer_keeps_rows(c))
            continue;
        yoco_tensor rows = {.dtype = YOCO_F32, .n_dims = 3, .shape = {n_rows, c->n_kv_heads}};
        rows.shape[2] = c->k_dim;
        add_tensor(list, "key_cache", first ? -1 : l, rows);
        rows.shape[2] = yoco_layer_v_width(c) / c->n_kv_heads;
        add_tensor(list, "value_cache", first ? -1 : l, rows);
        first = false;
    }
}

/* Rank 0: opens the file with the names, shapes and dtypes of everything. */
static yoco_status describe(dump *d, const char *path)
{
    tensor_list list = {.n_questions = d->prompt->n_questions};
    size_t most = (size_t)list.n_questions * (3 + 2 * (size_t)d->shape->n_layers);
    yoco_status status = yoco_alloc(most * sizeof *list.tensors, path, (void **)&list.tensors);
    if (status == YOCO_OK)
        status = yoco_alloc(most * sizeof *list.names, path, (void **)&list.names);
    for (; status == YOCO_OK && list.question < list.n_questions; list.question++)
        add_question(d, &list);
    if (status == YOCO_OK)
        status = yoco_safetensors_create(path, list.tensors, list.n, &d->writer);
    yoco_free(list.tensors);
    yoco_free(list.names);
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
    size_t row = (size_t)d->shape->vocab_size * sizeof(float);
    YOCO_TRY(write_ids(d, d->prompt->context.ids, d->prompt->context.n));
    YOCO_TRY(write_ids(d, question->ids, question->n));
    YOCO_TRY(write_ids(d, answer->ids, answer->n));
    return yoco_safetensors_append(d->writer, answer->logits, (size_t)answer->n * row);
}

static yoco_status write_all(dump *d)
{
    yoco_worker *worker = d->session->worker;
    yoco_comm *comm = d->session->comm;
    for (int i = 0; i < d->prompt->n_questions; i++) {
        yoco_status status = comm->rank == 0 ? write_tokens(d, i) : YOCO_OK;
        YOCO_TRY(yoco_agree(comm, status));
        for (int l = 0; l < d->shape->n_layers; l++) {
            const yoco_layer_shape *layer = &d->shape->layers[l];
            if (!yoco_layer_keeps_rows(layer))
                continue;
            d->width = yoco_layer_k_width(layer);
            YOCO_TRY(yoco_worker_gather(worker, l, i, false, write_rows, d));
            d->width = yoco_layer_v_width(layer);
            YOCO_TRY(yoco_worker_gather(worker, l, i, true, write_rows, d));
        }
    }
    return YOCO_OK;
}

yoco_status yoco_dump_write(yoco_session *session, const char *path, const yoco_prompt *prompt,
                            const yoco_answer *answers)
{
    dump d = {.session = session,
              .shape = session->checkpoint->shape,
              .prompt = prompt,
              .answers = answers};
    yoco_comm *comm = session->comm;
    YOCO_TRY(yoco_agree(comm, comm->rank == 0 ? describe(&d, path) : YOCO_OK));
    yoco_status status = write_all(&d);
    if (comm->rank == 0 && status == YOCO_OK)
        status = yoco_safetensors_finish(d.writer);
    else if (comm->rank == 0)
        yoco_safetensors_discard(d.writer);
    return yoco_agree(comm, status);
}
