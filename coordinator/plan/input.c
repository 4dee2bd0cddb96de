#include "coordinator/plan/input.h"

#include <stdio.h>
#include <sys/stat.h>

static size_t weight_bytes(const void *context, int64_t n_out, int64_t n_in)
{
    const yoco_plan_basis *b = context;
    return b->ops->weight_bytes(&b->device, n_out, n_in);
}

static size_t device_bytes(const yoco_plan_question *q, const yoco_ops *ops)
{
    return ops->own_bytes +
           yoco_transport_bytes(q->session.transport, !ops->host_memory, q->n_ranks);
}

yoco_status yoco_plan_shape_load(const char *model, yoco_model_config *out)
{
    char path[4096];
    struct stat info;
    if (!model) {
        yoco_log_error("give -m MODEL, a model folder or a params.json");
        return YOCO_ERR_USAGE;
    }
    if (stat(model, &info) == 0 && !S_ISDIR(info.st_mode))
        return yoco_model_config_load(model, out);
    if ((size_t)snprintf(path, sizeof path, "%s/params.json", model) >= sizeof path) {
        yoco_log_error("the name of the model folder is too long: %s", model);
        return YOCO_ERR_OPEN;
    }
    return yoco_model_config_load(path, out);
}

yoco_status yoco_plan_basis_make(const yoco_plan_question *q, yoco_plan_basis *out)
{
    int64_t chunk_rows;
    if (q->n_tokens < 0) {
        yoco_log_error("--tokens N is missing");
        return YOCO_ERR_USAGE;
    }
    if (q->n_ranks > INT32_MAX || q->n_branches > 1 << 20) {
        yoco_log_error("too many ranks or branches");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_plan_shape_load(q->session.model, &out->config));
    YOCO_TRY(yoco_session_choose(&q->session, YOCO_BF16, &out->ops, &out->device));
    YOCO_TRY(yoco_session_chunk_rows(&out->config, out->ops, q->chunk_rows, &chunk_rows));
    if (q->n_tokens > out->config.max_seq_len ||
        q->branch_rows > out->config.max_seq_len - q->n_tokens) {
        yoco_log_error("%lld tokens and %lld of a branch are more than the model's max_seq_len "
                       "%lld: ask for fewer",
                       (long long)q->n_tokens, (long long)q->branch_rows,
                       (long long)out->config.max_seq_len);
        return YOCO_ERR_DATA;
    }
    out->input = (yoco_plan_input){.config = &out->config,
                                   .grid = {q->n_tokens, chunk_rows, (int)q->n_ranks},
                                   .n_branches = (int)q->n_branches,
                                   .branch_rows = q->branch_rows,
                                   .dtype = out->device.dtype,
                                   .weight_bytes = weight_bytes,
                                   .weight_context = out,
                                   .file_dtype = out->device.dtype,
                                   .device_bytes = device_bytes(q, out->ops)};
    return YOCO_OK;
}
