/* The worker with a device that has memory of its own, on several ranks: staged through shared
 * memory over MPI, and straight over NCCL; also with a snapshot that is stopped, gone on with and
 * loaded. All give the bits of a rank alone whose memory is the host's.
 * The device is the CPU backend with other allocations; every copy and every message is checked to
 * name the kind of memory that it may. */
#include "tests/configs/fixture.h"
#include "worker/snapshot/snapshot.h"

#include <cuda_runtime_api.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { VOCAB = 50, N_TOKENS = 600, N_BRANCHES = 3, BRANCH_ROWS = 12, N_STEPS = 3, MAX_KV = 32 };

enum { MAX_SHARED = 8, FOLDER_BYTES = 64 };
typedef enum way { PLAIN, DURABLE, LOADED } way;

static yoco_comm *world;
static char folder[FOLDER_BYTES]; /* of the snapshot */

typedef struct result {
    float logits[N_STEPS][N_BRANCHES][VOCAB];
    float kv[2][N_TOKENS + BRANCH_ROWS][MAX_KV];
} result;

static bool is_far(const void *ptr)
{
    struct cudaPointerAttributes attributes;
    return cudaPointerGetAttributes(&attributes, ptr) == cudaSuccess &&
           attributes.type == cudaMemoryTypeDevice;
}

static struct {
    char *begin;
    size_t bytes;
} shared[MAX_SHARED];

static bool is_shared(const void *ptr)
{
    for (int i = 0; i < MAX_SHARED; i++)
        if (shared[i].begin && (const char *)ptr >= shared[i].begin &&
            (const char *)ptr < shared[i].begin + shared[i].bytes)
            return true;
    return false;
}

static bool is_reached(const void *ptr)
{
    return is_far(ptr) || is_shared(ptr);
}

static yoco_status alloc_shared(yoco_device *device, size_t bytes, const char *what, void **out)
{
    int i = 0;
    while (i < MAX_SHARED - 1 && shared[i].begin)
        i++;
    assert_null(shared[i].begin);
    YOCO_TRY(yoco_cpu_ops.alloc(device, bytes, what, out));
    shared[i].begin = *out;
    shared[i].bytes = bytes;
    return YOCO_OK;
}

static void free_shared(yoco_device *device, void *ptr)
{
    for (int i = 0; i < MAX_SHARED; i++)
        if (shared[i].begin == ptr)
            shared[i].begin = NULL;
    yoco_cpu_ops.free(device, ptr);
}

static yoco_status far_alloc(yoco_device *device, size_t bytes, const char *what, void **out)
{
    (void)device;
    (void)what;
    return cudaMalloc(out, bytes) == cudaSuccess ? YOCO_OK : YOCO_ERR_MEMORY;
}

static void far_free(yoco_device *device, void *ptr)
{
    (void)device;
    assert_int_equal(cudaFree(ptr), cudaSuccess);
}

static void transfer(bool legal, void *to, const void *from, size_t bytes)
{
    if (bytes == 0)
        return;
    assert_true(legal);
    memcpy(to, from, bytes);
}

static void far_upload(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    transfer(is_reached(to) && !is_far(from), to, from, bytes);
}

static void far_download(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    transfer(!is_far(to) && is_far(from), to, from, bytes);
}

/* On the thread of a snapshot. */
static yoco_status far_fetch(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (is_far(to) || !is_far(from))
        return YOCO_ERR_INTERNAL;
    memcpy(to, from, bytes);
    return YOCO_OK;
}

static void far_copy(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    transfer(is_reached(to) && is_reached(from), to, from, bytes);
}

static yoco_ops far_ops(void)
{
    yoco_ops ops = yoco_cpu_ops;
    ops.host_memory = false;
    ops.alloc = far_alloc;
    ops.free = far_free;
    ops.alloc_shared = alloc_shared;
    ops.free_shared = free_shared;
    ops.upload = far_upload;
    ops.download = far_download;
    ops.fetch = far_fetch;
    ops.copy = far_copy;
    return ops;
}

/* A transport that takes host memory only, and says so. */
static const yoco_comm_ops *near;

static yoco_status near_send(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                             yoco_request *request)
{
    assert_false(is_far(data));
    return near->send(comm, peer, tag, data, bytes, request);
}

static yoco_status near_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                                yoco_request *request)
{
    assert_false(is_far(data));
    return near->receive(comm, peer, tag, data, bytes, request);
}

static yoco_status near_max(yoco_comm *comm, float *data, int64_t n)
{
    assert_false(is_far(data));
    return near->all_max_f32(comm, data, n);
}

static yoco_status near_sum(yoco_comm *comm, int64_t *data, int64_t n)
{
    assert_false(is_far(data));
    return near->all_sum_i64(comm, data, n);
}

static yoco_status near_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    assert_false(is_far(data));
    return near->broadcast(comm, root, data, bytes);
}

typedef struct rows {
    float (*to)[MAX_KV];
    size_t row_bytes;
} rows;

static yoco_status keep_rows(void *context, const void *data, int64_t n_rows)
{
    rows *r = context;
    for (int64_t i = 0; i < n_rows; i++)
        memcpy(*r->to++, (const char *)data + (size_t)i * r->row_bytes, r->row_bytes);
    return YOCO_OK;
}

/* DURABLE is stopped as soon as can be, and gone on with. */
static void prefill(yoco_worker *worker, const int32_t *ids, way how)
{
    static const volatile sig_atomic_t stop = 1;
    yoco_snapshot_target target = {.folder = folder, .stop = &stop, .temporary = true};
    yoco_snapshot_result got;
    if (how == PLAIN) {
        assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    } else if (how == LOADED) {
        assert_int_equal(yoco_worker_load(worker, &target), YOCO_OK);
    } else {
        yoco_status status = yoco_worker_prefill_durable(worker, ids, &target, NULL, NULL, &got);
        target.stop = NULL;
        if (status == YOCO_ERR_STOPPED)
            status = yoco_worker_prefill_durable(worker, ids, &target, NULL, NULL, &got);
        assert_int_equal(status, YOCO_OK);
        assert_int_equal(got.durable, YOCO_OK);
    }
}

static void compute(yoco_comm *comm, const yoco_ops *ops, const yoco_checkpoint *checkpoint,
                    int64_t chunk_rows, way how, result *out)
{
    const yoco_device_options options = {.n_threads = 1, .isa = yoco_isa_detect()};
    yoco_worker *worker;
    int32_t ids[N_TOKENS];
    int branches[N_BRANCHES];
    memset(out, 0, sizeof *out);
    for (int i = 0; i < N_TOKENS; i++)
        ids[i] = i * 17 % VOCAB;
    assert_int_equal(yoco_worker_create(comm, ops, &options, checkpoint, &worker), YOCO_OK);
    assert_int_equal((how == DURABLE ? yoco_worker_reserve_durable : yoco_worker_reserve)(
                         worker, N_TOKENS, chunk_rows, N_BRANCHES, BRANCH_ROWS),
                     YOCO_OK);
    prefill(worker, ids, how);
    for (int b = 0; b < N_BRANCHES; b++) {
        branches[b] = b;
        assert_int_equal(yoco_worker_branch(worker, b, ids + b, 3 * b), YOCO_OK);
    }
    for (int i = 0; i < N_STEPS; i++)
        assert_int_equal(yoco_worker_step(worker, N_BRANCHES, branches, ids + i,
                                          comm->rank == 0 ? out->logits[i][0] : NULL),
                         YOCO_OK);
    for (int v = 0; v < 2; v++) {
        rows r = {out->kv[v], (size_t)yoco_shape_kept_width(checkpoint->shape) / 2 * sizeof(float)};
        assert_int_equal(yoco_worker_gather(worker, yoco_shape_last_kept(checkpoint->shape),
                                            N_BRANCHES - 1, v, keep_rows, &r),
                         YOCO_OK);
    }
    if (how == LOADED && comm->rank == 0)
        assert_int_equal(yoco_snapshot_remove(worker, folder), YOCO_OK);
    yoco_worker_free(worker);
}

static void check(int sliding_window, int64_t chunk_rows, way last, const yoco_ops *ops,
                  yoco_comm *comm)
{
    result *expected = malloc(sizeof *expected), *got = malloc(sizeof *got);
    yoco_checkpoint *checkpoint = checkpoint_tiny(sliding_window);
    yoco_comm *alone;
    assert_int_equal(world->ops->split(world, world->rank, &alone), YOCO_OK);
    compute(alone, &yoco_cpu_ops, checkpoint, chunk_rows, PLAIN, expected);
    compute(alone, ops, checkpoint, chunk_rows, PLAIN, got);
    assert_memory_equal(got, expected, sizeof *got);
    alone->ops->close(alone);
    for (way how = PLAIN; how <= last; how++) {
        compute(comm, ops, checkpoint, chunk_rows, how, got);
        if (comm->rank == 0)
            assert_memory_equal(got, expected, sizeof *got);
    }
    yoco_checkpoint_close(checkpoint);
    free(expected);
    free(got);
}

static void check_all(yoco_comm *comm)
{
    const yoco_ops ops = far_ops();
    check(8, 5, PLAIN, &ops, comm);
    check(8, 70, LOADED, &ops, comm);
    check(1, 300, PLAIN, &ops, comm);
    check(0, YOCO_RETENTION_ROWS, LOADED, &ops, comm);
}

static void staged_over_mpi(void **state)
{
    (void)state;
    yoco_comm *part;
    assert_int_equal(world->ops->split(world, 0, &part), YOCO_OK);
    near = part->ops;
    yoco_comm_ops ops = *near;
    ops.send = near_send;
    ops.receive = near_receive;
    ops.all_max_f32 = near_max;
    ops.all_sum_i64 = near_sum;
    ops.broadcast = near_broadcast;
    part->ops = &ops;
    check_all(part);
    part->ops->close(part);
}

static void straight_over_nccl(void **state)
{
    (void)state;
    yoco_comm *part, *nccl;
    assert_int_equal(world->ops->split(world, 0, &part), YOCO_OK);
    assert_int_equal(yoco_transport_open("auto", true, part, &nccl), YOCO_OK);
    assert_string_equal(nccl->ops->name, "nccl");
    check_all(nccl);
    nccl->ops->close(nccl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(staged_over_mpi),
        cmocka_unit_test(straight_over_nccl),
    };
    yoco_comm_options options = {.deadline_s = 60};
    yoco_status status = yoco_comm_open_mpi(&options, 0, &world);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    strcpy(folder, "/tmp/yoco-device-memory.XXXXXX");
    if (world->rank == 0 && (!mkdtemp(folder) || rmdir(folder) != 0))
        world->ops->abort(world, 1);
    status = world->ops->broadcast(world, 0, folder, sizeof folder);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    if (cmocka_run_group_tests(tests, NULL, NULL) > 0)
        world->ops->abort(world, 1);
    world->ops->close(world);
    return 0;
}
