/* comm_test SOURCE_FOLDER [TRANSPORT]: the comm table as the engine uses it; run under mpiexec with
 * several numbers of ranks. Every rank knows what the others send, so each checks its own results.
 * The ring and the collectives use the transport's kind of memory (memory.h), the rest the host's.
 */
#include "comm/comm.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/comm/memory.h"

static yoco_comm *comm;

static const yoco_wait_for message = {.what = "test message", .chunk = -1, .layer = -1};

static int right_of(int rank)
{
    return (rank + 1) % comm->n_ranks;
}

static int left_of(int rank)
{
    return (rank + comm->n_ranks - 1) % comm->n_ranks;
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static void fill(uint64_t *words, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        words[i] = mix(seed + i);
}

static bool filled(const uint64_t *words, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        if (words[i] != mix(seed + i))
            return false;
    return true;
}

static void *get_host_memory(size_t bytes)
{
    void *ptr;
    assert_int_equal(yoco_alloc(bytes, "a test", &ptr), YOCO_OK);
    return ptr;
}

static void knows_the_ranks(void **state)
{
    (void)state;
    assert_in_range(comm->rank, 0, comm->n_ranks - 1);
    assert_int_equal(comm->node_rank, comm->rank); /* the test runs on one machine */
    assert_int_equal(comm->node_n_ranks, comm->n_ranks);
    const char *ranks = getenv("PMI_SIZE");
    if (ranks)
        assert_int_equal(comm->n_ranks, atoi(ranks));
}

/* The first messages of all: a transport that connects at a first call must not wait there for a
 * receive, whose sender waits in the same way. */
static void receives_everywhere_before_anyone_sends(void **state)
{
    (void)state;
    enum { N = 100 };
    uint64_t *in = get_memory(N * sizeof *in), *out = get_memory(N * sizeof *out);
    yoco_request receiving = {.active = false}, sending = {.active = false};
    fill(out, N, (uint64_t)comm->rank);
    assert_int_equal(
        comm->ops->receive(comm, left_of(comm->rank), 1, in, N * sizeof *in, &receiving), YOCO_OK);
    assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK); /* all have */
    assert_int_equal(comm->ops->send(comm, right_of(comm->rank), 1, out, N * sizeof *out, &sending),
                     YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &receiving, &message), YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &sending, &message), YOCO_OK);
    assert_true(filled(in, N, (uint64_t)left_of(comm->rank)));
    free_memory(in);
    free_memory(out);
}

enum { N_LAYERS = 3, EDGE_WORDS = 20000 }; /* 160 KB: past what MPI sends without a handshake */

typedef struct ring {
    uint64_t *in[N_LAYERS], *out[N_LAYERS];
    yoco_request receiving[N_LAYERS], sending[N_LAYERS];
} ring;

static void ring_post(ring *r, int64_t chunk, int64_t n_chunks)
{
    for (int layer = 0; layer < N_LAYERS && chunk > 0 && chunk < n_chunks; layer++)
        assert_int_equal(comm->ops->receive(comm, left_of(comm->rank), layer, r->in[layer],
                                            EDGE_WORDS * sizeof(uint64_t), &r->receiving[layer]),
                         YOCO_OK);
}

/* The state of a layer after a chunk depends on all chunks before it: a lost, doubled or swapped
 * edge changes it. */
static uint64_t next_state(uint64_t before, int64_t chunk, int layer)
{
    return mix(before + mix((uint64_t)chunk * N_LAYERS + (uint64_t)layer));
}

static void ring_chunk(ring *r, int64_t chunk, int64_t n_chunks, uint64_t *last)
{
    for (int layer = 0; layer < N_LAYERS; layer++) {
        yoco_wait_for edge = {.what = "edge", .chunk = chunk, .layer = layer};
        uint64_t before = 0;
        if (chunk > 0) {
            assert_true(r->receiving[layer].active);
            assert_int_equal(comm->ops->wait(comm, &r->receiving[layer], &edge), YOCO_OK);
            assert_false(r->receiving[layer].active);
            before = r->in[layer][0];
            assert_true(filled(r->in[layer] + 1, EDGE_WORDS - 1, before));
        }
        assert_int_equal(comm->ops->wait(comm, &r->sending[layer], &edge), YOCO_OK);
        uint64_t after = next_state(before, chunk, layer);
        r->out[layer][0] = after;
        fill(r->out[layer] + 1, EDGE_WORDS - 1, after);
        last[layer] = after;
        if (chunk + 1 < n_chunks)
            assert_int_equal(comm->ops->send(comm, right_of(comm->rank), layer, r->out[layer],
                                             EDGE_WORDS * sizeof(uint64_t), &r->sending[layer]),
                             YOCO_OK);
    }
}

/* Prefill's pattern: receives posted a round ahead, one slot and one send buffer per layer, and at
 * the wrap-around (always, with one rank) an edge that waits for a whole round. */
static void passes_edges_around_the_ring(void **state)
{
    (void)state;
    ring r = {.receiving = {{.active = false}}};
    for (int layer = 0; layer < N_LAYERS; layer++) {
        r.in[layer] = get_memory(EDGE_WORDS * sizeof(uint64_t));
        r.out[layer] = get_memory(EDGE_WORDS * sizeof(uint64_t));
    }
    int64_t n_chunks = 4 * comm->n_ranks + 1;
    uint64_t last[N_LAYERS] = {0};
    ring_post(&r, comm->rank, n_chunks);
    for (int64_t chunk = comm->rank; chunk < n_chunks; chunk += comm->n_ranks) {
        ring_chunk(&r, chunk, n_chunks, last);
        ring_post(&r, chunk + comm->n_ranks, n_chunks);
    }
    int owner = (int)((n_chunks - 1) % comm->n_ranks);
    for (int layer = 0; layer < N_LAYERS; layer++) {
        assert_int_equal(comm->ops->wait(comm, &r.sending[layer], &message), YOCO_OK);
        uint64_t expected = 0;
        for (int64_t chunk = 0; chunk < n_chunks; chunk++)
            expected = next_state(expected, chunk, layer);
        if (comm->rank == owner)
            assert_true(last[layer] == expected);
        free_memory(r.in[layer]);
        free_memory(r.out[layer]);
    }
}

/* Many messages of one tag under way at once, of sizes from 0 bytes on, with receives posted before
 * or after the sends. */
static void keeps_the_order_of_a_tag(bool receive_first, void *(*get)(size_t),
                                     void (*release)(void *))
{
    enum { N = 24, TAG = 7 };
    static const size_t words[] = {0, 1, 100, 5000, 0, 40000};
    yoco_request receiving[N] = {{.active = false}}, sending[N] = {{.active = false}};
    uint64_t *in[N], *out[N];
    for (int i = 0; i < N; i++) {
        size_t n = words[i % 6];
        in[i] = get(n * sizeof(uint64_t));
        out[i] = get(n * sizeof(uint64_t));
        fill(out[i], n, (uint64_t)comm->rank * N + (uint64_t)i);
    }
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < N; i++) {
            size_t bytes = words[i % 6] * sizeof(uint64_t);
            yoco_status status =
                (pass == 0) == receive_first
                    ? comm->ops->receive(comm, left_of(comm->rank), TAG, in[i], bytes,
                                         &receiving[i])
                    : comm->ops->send(comm, right_of(comm->rank), TAG, out[i], bytes, &sending[i]);
            assert_int_equal(status, YOCO_OK);
        }
    for (int i = 0; i < N; i++) {
        assert_int_equal(comm->ops->wait(comm, &receiving[i], &message), YOCO_OK);
        assert_true(filled(in[i], words[i % 6], (uint64_t)left_of(comm->rank) * N + (uint64_t)i));
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(comm->ops->wait(comm, &sending[i], &message), YOCO_OK);
        release(in[i]);
        release(out[i]);
    }
}

static void keeps_the_order_when_receives_come_first(void **state)
{
    (void)state;
    keeps_the_order_of_a_tag(true, get_host_memory, yoco_free);
    keeps_the_order_of_a_tag(true, get_memory, free_memory);
}

static void keeps_the_order_when_sends_come_first(void **state)
{
    (void)state;
    keeps_the_order_of_a_tag(false, get_host_memory, yoco_free);
    keeps_the_order_of_a_tag(false, get_memory, free_memory);
}

static void keeps_tags_apart(void **state)
{
    (void)state;
    enum { N = 3 };
    uint64_t in[N], out[N] = {10, 11, 12};
    yoco_request receiving[N] = {{.active = false}}, sending[N] = {{.active = false}};
    for (int tag = N - 1; tag >= 0; tag--)
        assert_int_equal(comm->ops->receive(comm, left_of(comm->rank), tag, &in[tag], sizeof in[0],
                                            &receiving[tag]),
                         YOCO_OK);
    for (int tag = 0; tag < N; tag++)
        assert_int_equal(comm->ops->send(comm, right_of(comm->rank), tag, &out[tag], sizeof out[0],
                                         &sending[tag]),
                         YOCO_OK);
    for (int tag = 0; tag < N; tag++) {
        assert_int_equal(comm->ops->wait(comm, &receiving[tag], &message), YOCO_OK);
        assert_int_equal(comm->ops->wait(comm, &sending[tag], &message), YOCO_OK);
        assert_true(in[tag] == out[tag]);
    }
}

static void carries_large_messages(void **state)
{
    (void)state;
    size_t n = 40000000 / sizeof(uint64_t);
    uint64_t *in = get_memory(n * sizeof *in), *out = get_memory(n * sizeof *out);
    yoco_request receiving = {.active = false}, sending = {.active = false};
    fill(out, n, (uint64_t)comm->rank);
    assert_int_equal(comm->ops->send(comm, right_of(comm->rank), 1, out, n * sizeof *out, &sending),
                     YOCO_OK);
    assert_int_equal(
        comm->ops->receive(comm, left_of(comm->rank), 1, in, n * sizeof *in, &receiving), YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &sending, &message), YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &receiving, &message), YOCO_OK);
    assert_true(filled(in, n, (uint64_t)left_of(comm->rank)));
    free_memory(in);
    free_memory(out);
}

/* A large message waits for its sender at some point: who waits in a collective meanwhile sends on.
 */
static void sends_while_it_waits_in_a_collective(void **state)
{
    (void)state;
    size_t n = 40000000 / sizeof(uint64_t);
    bool sends = comm->rank == 0, receives = comm->rank == right_of(0);
    uint64_t *in = get_memory(n * sizeof *in), *out = get_memory(n * sizeof *out);
    yoco_request receiving = {.active = false}, sending = {.active = false};
    fill(out, n, 5);
    if (sends)
        assert_int_equal(comm->ops->send(comm, right_of(0), 1, out, n * sizeof *out, &sending),
                         YOCO_OK);
    if (receives)
        assert_int_equal(comm->ops->receive(comm, 0, 1, in, n * sizeof *in, &receiving), YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &receiving, &message), YOCO_OK);
    assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK);
    assert_int_equal(comm->ops->wait(comm, &sending, &message), YOCO_OK);
    assert_true(!receives || filled(in, n, 5));
    free_memory(in);
    free_memory(out);
}

static void sends_to_itself(void **state)
{
    (void)state;
    enum { N = 4, WORDS = 50000 };
    uint64_t *in = get_host_memory(N * WORDS * sizeof *in);
    uint64_t *out = get_host_memory(N * WORDS * sizeof *out);
    yoco_request receiving[N] = {{.active = false}}, sending[N] = {{.active = false}};
    size_t bytes = WORDS * sizeof *in;
    fill(out, N * WORDS, (uint64_t)comm->rank);
    for (int i = 0; i < N; i++) {
        assert_int_equal(comm->ops->send(comm, comm->rank, i, out + i * WORDS, bytes, &sending[i]),
                         YOCO_OK);
        assert_int_equal(
            comm->ops->receive(comm, comm->rank, i, in + i * WORDS, bytes, &receiving[i]), YOCO_OK);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(comm->ops->wait(comm, &sending[i], &message), YOCO_OK);
        assert_int_equal(comm->ops->wait(comm, &receiving[i], &message), YOCO_OK);
    }
    assert_true(filled(in, N * WORDS, (uint64_t)comm->rank));
    yoco_free(in);
    yoco_free(out);
}

static void refuses_messages_past_the_limit(void **state)
{
    (void)state;
    char byte = 0;
    yoco_request request = {.active = false};
    size_t bytes = (size_t)1 << 31;
    assert_int_equal(comm->ops->send(comm, 0, 1, &byte, bytes, &request), YOCO_ERR_INTERNAL);
    assert_int_equal(comm->ops->receive(comm, 0, 1, &byte, bytes, &request), YOCO_ERR_INTERNAL);
    assert_false(request.active);
}

static void waits_for_nothing_at_once(void **state)
{
    (void)state;
    yoco_request request = {.active = false};
    assert_int_equal(comm->ops->wait(comm, &request, &message), YOCO_OK);
}

/* Neighbouring floats, so that any rounding shows; -inf where a rank has no rows. */
static float max_input(int rank, int64_t i)
{
    if (i % 5 == 0 || (i % 5 == 1 && rank != i % comm->n_ranks))
        return -INFINITY;
    float value = (float)((int64_t)(mix((uint64_t)i) % 4000) - 2000);
    for (int step = 0; step < (rank + i) % comm->n_ranks; step++)
        value = nextafterf(value, FLT_MAX);
    return value;
}

static void takes_the_maximum(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 24, 100003};
    for (int s = 0; s < 4; s++) {
        float *data = get_memory((size_t)sizes[s] * sizeof *data);
        for (int64_t i = 0; i < sizes[s]; i++)
            data[i] = max_input(comm->rank, i);
        assert_int_equal(comm->ops->all_max_f32(comm, data, sizes[s]), YOCO_OK);
        int64_t n_wrong = 0;
        for (int64_t i = 0; i < sizes[s]; i++) {
            float expected = -INFINITY;
            for (int rank = 0; rank < comm->n_ranks; rank++)
                expected = fmaxf(expected, max_input(rank, i));
            n_wrong += memcmp(&data[i], &expected, sizeof expected) != 0;
        }
        assert_int_equal(n_wrong, 0);
        free_memory(data);
    }
}

/* Of both signs; the first values add up to nearly 2^62. */
static int64_t sum_input(int rank, int64_t i)
{
    int64_t limit = ((int64_t)1 << 62) / comm->n_ranks - 1;
    if (i < 2)
        return i == 0 ? limit : -limit;
    return (int64_t)(mix((uint64_t)(i * comm->n_ranks + rank)) % (uint64_t)limit) - limit / 2;
}

static void adds_integers(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3096, 100003};
    for (int s = 0; s < 5; s++) {
        int64_t *data = get_memory((size_t)sizes[s] * sizeof *data);
        for (int64_t i = 0; i < sizes[s]; i++)
            data[i] = sum_input(comm->rank, i);
        assert_int_equal(comm->ops->all_sum_i64(comm, data, sizes[s]), YOCO_OK);
        int64_t n_wrong = 0;
        for (int64_t i = 0; i < sizes[s]; i++) {
            int64_t expected = 0;
            for (int rank = 0; rank < comm->n_ranks; rank++)
                expected += sum_input(rank, i);
            n_wrong += data[i] != expected;
        }
        assert_int_equal(n_wrong, 0);
        free_memory(data);
    }
}

static void broadcasts_from_any_root(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 333, 400000};
    for (int root = 0; root < comm->n_ranks; root++)
        for (int s = 0; s < 4; s++) {
            uint64_t *data = get_memory(sizes[s] * sizeof *data);
            fill(data, sizes[s], (uint64_t)comm->rank);
            assert_int_equal(comm->ops->broadcast(comm, root, data, sizes[s] * sizeof *data),
                             YOCO_OK);
            assert_true(filled(data, sizes[s], (uint64_t)root));
            free_memory(data);
        }
}

static void agrees_on_the_worst_status(void **state)
{
    (void)state;
    assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK);
    for (int failing = 0; failing < comm->n_ranks; failing++) {
        yoco_status mine = comm->rank == failing ? YOCO_ERR_IO : YOCO_OK;
        assert_int_equal(comm->ops->agree(comm, mine), YOCO_ERR_IO);
    }
    yoco_status mine = comm->rank == 0 ? YOCO_ERR_DATA : YOCO_ERR_OPEN;
    assert_int_equal(comm->ops->agree(comm, mine),
                     comm->n_ranks == 1 ? YOCO_ERR_DATA : YOCO_ERR_OPEN);
}

/* Odd and even ranks apart; then every rank alone. All ranks meet again afterwards. */
static void splits_into_groups(void **state)
{
    (void)state;
    for (int n_groups = 2; n_groups <= comm->n_ranks + 1; n_groups += comm->n_ranks) {
        yoco_comm *group;
        int mine = comm->rank % n_groups;
        assert_int_equal(comm->ops->split(comm, mine, &group), YOCO_OK);
        assert_int_equal(group->n_ranks, (comm->n_ranks - mine + n_groups - 1) / n_groups);
        assert_int_equal(group->rank, comm->rank / n_groups);
        assert_true(group->node_rank < group->node_n_ranks);
        assert_true(group->node_n_ranks <= group->n_ranks);

        int64_t sum = comm->rank, expected = 0, in = -1;
        for (int rank = mine; rank < comm->n_ranks; rank += n_groups)
            expected += rank;
        assert_int_equal(group->ops->all_sum_i64(group, &sum, 1), YOCO_OK);
        assert_int_equal(sum, expected);

        yoco_request receiving = {.active = false}, sending = {.active = false};
        int64_t out = comm->rank;
        int left = (group->rank + group->n_ranks - 1) % group->n_ranks;
        int right = (group->rank + 1) % group->n_ranks;
        assert_int_equal(group->ops->receive(group, left, 1, &in, sizeof in, &receiving), YOCO_OK);
        assert_int_equal(group->ops->send(group, right, 1, &out, sizeof out, &sending), YOCO_OK);
        assert_int_equal(group->ops->wait(group, &receiving, &message), YOCO_OK);
        assert_int_equal(group->ops->wait(group, &sending, &message), YOCO_OK);
        assert_int_equal(in, mine + left * n_groups);

        assert_int_equal(group->ops->agree(group, YOCO_OK), YOCO_OK);
        group->ops->close(group);
        assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_ranks),
        cmocka_unit_test(receives_everywhere_before_anyone_sends),
        cmocka_unit_test(passes_edges_around_the_ring),
        cmocka_unit_test(keeps_the_order_when_receives_come_first),
        cmocka_unit_test(keeps_the_order_when_sends_come_first),
        cmocka_unit_test(keeps_tags_apart),
        cmocka_unit_test(carries_large_messages),
        cmocka_unit_test(sends_while_it_waits_in_a_collective),
        cmocka_unit_test(sends_to_itself),
        cmocka_unit_test(refuses_messages_past_the_limit),
        cmocka_unit_test(waits_for_nothing_at_once),
        cmocka_unit_test(takes_the_maximum),
        cmocka_unit_test(adds_integers),
        cmocka_unit_test(broadcasts_from_any_root),
        cmocka_unit_test(agrees_on_the_worst_status),
        cmocka_unit_test(splits_into_groups),
    };
    yoco_comm_options options = {.deadline_s = 30};
    yoco_comm *control;
    const char *transport = argc > 2 ? argv[2] : "mpi";
    bool is_self = strcmp(transport, "self") == 0;
    yoco_status status = is_self ? yoco_comm_open_self(&options, &control)
                                 : yoco_comm_open_mpi(&options, 0, &control);
    if (status == YOCO_OK)
        status =
            yoco_transport_open(is_self ? "mpi" : transport, uses_device_memory(), control, &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    /* The ranks are not in step any more: others may wait for what this one did not send. */
    if (n_failed > 0)
        comm->ops->abort(comm, 1);
    comm->ops->close(comm);
    return 0;
}
