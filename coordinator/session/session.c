#include "coordinator/session/session.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coordinator/cli/agreement.h"
#include "coordinator/cli/paths.h"
#include "coordinator/session/same_model.h"
#include "coordinator/text/tokenizer_hash.h"
#include "machine_limits.h"

enum {
    DEFAULT_CHUNK_ROWS = 2048,
    DEFAULT_GPU_CHUNK_ROWS = 8192, /* products of fewer rows leave a GPU's last wave half empty */
    LONGEST_CHUNK_MULTIPLE = 256,  /* a multiple of what any layer asks of chunks */
    MAX_THREADS = 4096
};

/* The cores this process may use, shared among the ranks of its machine. */
static int default_threads(const yoco_comm *comm)
{
    int n_threads = yoco_cores() / comm->node_n_ranks;
    return n_threads > 0 ? n_threads : 1;
}

yoco_status yoco_session_choose(const yoco_session_options *options, yoco_dtype file_dtype,
                                const yoco_ops **ops, yoco_device_options *device)
{
    yoco_isa detected = yoco_isa_detect();
    *device = (yoco_device_options){.n_threads = options->threads > 0 ? (int)options->threads : 1,
                                    .isa = detected,
                                    .dtype = file_dtype == YOCO_F32 ? YOCO_F32 : YOCO_BF16};
    *ops = yoco_ops_find(options->backend);
    if (!*ops) {
        yoco_log_error(
            "--backend is auto, reference, cpu or cuda (if this yoco was built for it), not '%s'",
            options->backend);
        return YOCO_ERR_USAGE;
    }
    if (options->threads > MAX_THREADS) {
        yoco_log_error("--threads is at most %d, not %lld", MAX_THREADS,
                       (long long)options->threads);
        return YOCO_ERR_USAGE;
    }
    if (strcmp(options->isa, "auto") != 0 && !yoco_isa_find(options->isa, &device->isa)) {
        yoco_log_error("--isa is auto, portable, avx2, avx512 or avx512_bf16, not '%s'",
                       options->isa);
        return YOCO_ERR_USAGE;
    }
    if (device->isa > detected) {
        yoco_log_error("this processor has %s only, not %s", yoco_isa_name(detected), options->isa);
        return YOCO_ERR_USAGE;
    }
    if (strcmp(options->dtype, "f32") == 0) {
        device->dtype = YOCO_F32;
    } else if (strcmp(options->dtype, "bf16") == 0) {
        device->dtype = YOCO_BF16;
    } else if (strcmp(options->dtype, "auto") != 0) {
        yoco_log_error("--dtype is auto, f32 or bf16, not '%s'", options->dtype);
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

static bool is_shape_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

yoco_status yoco_session_open_model(const yoco_session_options *options, yoco_checkpoint **out)
{
    if (!options->model) {
        yoco_log_error("-m MODEL is missing: a model folder");
        return YOCO_ERR_USAGE;
    }
    if (!is_shape_file(options->model))
        return yoco_checkpoint_open(options->model, out);
    yoco_model_shape *shape;
    YOCO_TRY(yoco_model_shape_load(options->model, &shape));
    if (!options->takes_shape) {
        yoco_log_error("-m %s: a config alone has no weights: give its folder", options->model);
        yoco_free(shape);
        return YOCO_ERR_USAGE;
    }
    yoco_dtype dtype = strcmp(options->dtype, "f32") == 0 ? YOCO_F32 : YOCO_BF16;
    yoco_status status = yoco_checkpoint_random(shape, dtype, options->weight_seed, out);
    yoco_free(shape);
    return status;
}

yoco_status yoco_session_hash(yoco_session *s, yoco_hash *out)
{
    if (!s->has_weights)
        YOCO_TRY(yoco_checkpoint_hash(s->checkpoint, &s->weights));
    s->has_weights = true;
    *out = s->weights;
    return YOCO_OK;
}

/* A tokenizer that cannot be read counts as none: what needs it says why (yoco_tokenizer_open). */
static yoco_status hash_tokenizer(const char *model, yoco_hash *out)
{
    yoco_status status = yoco_tokenizer_hash(model, out);
    if (status != YOCO_ERR_DATA && status != YOCO_ERR_OPEN)
        return status;
    *out = (yoco_hash){0, 0};
    return YOCO_OK;
}

/* Each rank opens alone; where some fail, the first one that fails so logs the line. */
static yoco_status open_model(const yoco_session_options *options, yoco_session *s)
{
    yoco_log_hold();
    yoco_status status = yoco_session_open_model(options, &s->checkpoint);
    if (status == YOCO_OK && !is_shape_file(options->model))
        status = hash_tokenizer(options->model, &s->tokenizer);
    YOCO_TRY(yoco_comm_agree_lines(s->comm, status));
    return yoco_same_model(s->comm, options->model, s->checkpoint, s->tokenizer, &s->weights,
                           &s->has_weights);
}

static yoco_status choose(const yoco_session_options *options, yoco_session *s)
{
    yoco_log_hold();
    yoco_status status = yoco_session_choose(options, s->checkpoint->dtype, &s->ops, &s->device);
    return yoco_comm_agree_lines(s->comm, status);
}

/* All ranks compute in the same kind of memory: else the transport could not be the same on all. */
static yoco_status agree_memory(yoco_session *s)
{
    float device = s->ops->host_memory ? 0.0f : 1.0f;
    yoco_status status = YOCO_OK;
    YOCO_TRY(yoco_all_max_f32(s->comm, &device, 1));
    yoco_log_hold();
    if (s->ops->host_memory && device != 0.0f) {
        yoco_log_error("this machine has no GPU that --backend auto could take, and another has: "
                       "name a backend");
        status = YOCO_ERR_USAGE;
    }
    return yoco_comm_agree_lines(s->comm, status);
}

/* The launcher's communicator becomes that of the transport. */
static yoco_status open_transport(const yoco_session_options *options, yoco_session *s)
{
    bool device_memory = !s->ops->host_memory;
    YOCO_TRY(agree_memory(s));
    yoco_log_hold();
    YOCO_TRY(
        yoco_comm_agree_lines(s->comm, yoco_transport_check(options->transport, device_memory)));
    return yoco_transport_open(options->transport, device_memory, s->comm, &s->comm);
}

static yoco_status open_worker(const yoco_session_options *options, yoco_session *s)
{
    YOCO_TRY(open_model(options, s));
    YOCO_TRY(choose(options, s));
    YOCO_TRY(open_transport(options, s));
    if (options->threads == 0)
        s->device.n_threads = default_threads(s->comm);
    s->device.gpu = s->comm->node_rank;
    return yoco_worker_create(s->comm, s->ops, &s->device, s->checkpoint, &s->worker);
}

/* Checks a folder that was asked for; the current folder may be read-only as long as nothing hangs.
 */
static yoco_status check_hang_folder(const char *folder)
{
    struct stat info;
    if (!folder || (stat(folder, &info) == 0 && S_ISDIR(info.st_mode) && access(folder, W_OK) == 0))
        return YOCO_OK;
    yoco_log_error("--hang-dir %s is no folder that can be written to", folder);
    return YOCO_ERR_OPEN;
}

static yoco_status watch(const yoco_session_options *options, yoco_comm *comm)
{
    yoco_log_hold();
    YOCO_TRY(yoco_comm_agree_lines(comm, check_hang_folder(options->hang_folder)));
    return yoco_comm_watch(comm, options->hang_folder ? options->hang_folder : ".");
}

yoco_status yoco_session_open(const yoco_session_options *options, yoco_session *out)
{
    yoco_session s = {0};
    YOCO_TRY(yoco_agreement_open(options->deadline_s, options->expect_ranks, &s.comm));
    yoco_status status = watch(options, s.comm);
    if (status == YOCO_OK)
        status = yoco_agree(s.comm, s.comm->rank == 0 ? yoco_paths_check() : YOCO_OK);
    if (status == YOCO_OK)
        status = open_worker(options, &s);
    if (status != YOCO_OK) {
        yoco_session_close(&s);
        return status;
    }
    *out = s;
    return YOCO_OK;
}

void yoco_session_close(yoco_session *s)
{
    yoco_worker_free(s->worker);
    yoco_checkpoint_close(s->checkpoint);
    if (s->comm)
        yoco_comm_close(s->comm);
    *s = (yoco_session){0};
}

yoco_status yoco_session_chunk_rows(const yoco_model_shape *shape, const yoco_ops *ops,
                                    int64_t asked, int64_t *out)
{
    int64_t preferred = ops->host_memory ? DEFAULT_CHUNK_ROWS : DEFAULT_GPU_CHUNK_ROWS;
    int64_t rows = asked > 0 ? asked : preferred, multiple = yoco_shape_chunk_multiple(shape);
    if (rows % multiple != 0) {
        yoco_log_error("--chunk is a multiple of %lld for this model, not %lld",
                       (long long)multiple, (long long)rows);
        return YOCO_ERR_USAGE;
    }
    /* A longer chunk is the same grid, but for sizes that overflow. Saved contexts say their chunk:
     * the longest is the same multiple for every kind of layer. */
    *out = yoco_i64_min(rows, yoco_round_up(shape->max_seq_len, LONGEST_CHUNK_MULTIPLE));
    return YOCO_OK;
}

yoco_status yoco_session_agree_chunk_rows(yoco_session *s, int64_t asked, int64_t *out)
{
    int64_t rows = 0;
    yoco_log_hold();
    YOCO_TRY(yoco_comm_agree_lines(
        s->comm, yoco_session_chunk_rows(s->checkpoint->shape, s->ops, asked, &rows)));
    *out = rows;
    return YOCO_OK;
}
