#include "coordinator/plan/input.h"

static size_t weight_bytes(const void *data, int64_t n_out, int64_t n_in)
{
    const yoco_plan_basis *b = data;
    return b->ops->weight_bytes(&b->device, n_out, n_in);
}

static size_t device_bytes(const yoco_plan_question *q, const yoco_ops *ops)
{
    return ops->own_bytes +
           yoco_transport_bytes(q->session.transport, !ops->host_memory, q->n_ranks);
}

yoco_status yoco_plan_shape_load(const char *model, yoco_model_shape **out)
{
    if (!model) {
        yoco_log_error("give -m MODEL, a model folder or its config.json or params.json");
        return YOCO_ERR_USAGE;
    }
    return yoco_model_shape_load(model, out);
}

static yoco_status check_length(const yoco_model_shape *shape, const yoco_plan_question *q)
{
    if (q->n_tokens <= shape->max_seq_len && q->branch_rows <= shape->max_seq_len - q->n_tokens)
        return YOCO_OK;
    yoco_log_error("%lld tokens and %lld of a branch are more than the model's max_seq_len "
                   "%lld: ask for fewer",
                   (long long)q->n_tokens, (long long)q->branch_rows,
                   (long long)shape->max_seq_len);
    return YOCO_ERR_DATA;
}

static yoco_status make_input(const yoco_plan_question *q, yoco_plan_basis *out)
{
    int64_t chunk_rows;
    YOCO_TRY(yoco_session_choose(&q->session, YOCO_BF16, &out->ops, &out->device));
    YOCO_TRY(yoco_session_chunk_rows(out->shape, out->ops, q->chunk_rows, &chunk_rows));
    YOCO_TRY(check_length(out->shape, q));
    out->input = (yoco_plan_input){.shape = out->shape,
                                   .grid = {q->n_tokens, chunk_rows, (int)q->n_ranks},
                                   .n_branches = (int)q->n_branches,
                                   .branch_rows = q->branch_rows,
                                   .dtype = out->device.dtype,
                                   .weight_bytes = weight_bytes,
                                   .weight_data = out,
                                   .file_dtype = out->device.dtype,
                                   .device_bytes = device_bytes(q, out->ops)};
    return YOCO_OK;
}

yoco_status yoco_plan_basis_make(const yoco_plan_question *q, yoco_plan_basis *out)
{
    if (q->n_tokens < 0) {
        yoco_log_error("--tokens N is missing");
        return YOCO_ERR_USAGE;
    }
    if (q->n_ranks > INT32_MAX || q->n_branches > 1 << 20) {
        yoco_log_error("too many ranks or branches");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_plan_shape_load(q->session.model, &out->shape));
    yoco_status status = make_input(q, out);
    if (status != YOCO_OK)
        yoco_plan_basis_free(out);
    return status;
}

void yoco_plan_basis_free(yoco_plan_basis *basis)
{
    yoco_free(basis->shape);
    basis->shape = NULL;
}
