/* The account of simulated time, and addresses without memory. Ranks are threads of one process
 * with globals of their own; what they share comes from SMPI_SHARED_CALL. */
#include <smpi/smpi.h>
#include <sys/mman.h>

#include "kernels/sim/sim.h"
#include "kernels/tally/tally.h"
#include "machine_limits.h"

static struct {
    yoco_hardware hardware;
    double pending_s, slowdown;
    size_t message_bytes;
    void *messages; /* SMPI copies nothing between such buffers */
    void *zeros;
} sim;

static const size_t ZERO_BYTES = (size_t)1 << 40;
static const double FLOPS_PER_S =
    1e9; /* of every simulated host, see coordinator/scale/platform.c */

/* In place of machine_limits.c: a simulated machine has what its ranks ask for. */
int64_t yoco_memory_available(void)
{
    return INT64_MAX;
}

int64_t yoco_group_memory_left(const char *root)
{
    (void)root;
    return INT64_MAX;
}

static void *map_zeros(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *map_messages(size_t bytes)
{
    return SMPI_SHARED_MALLOC(bytes);
}

static void *address(void *context, size_t bytes)
{
    (void)context;
    if (bytes > ZERO_BYTES)
        return NULL;
    return bytes <= sim.message_bytes ? sim.messages : sim.zeros;
}

void *yoco_sim_message(const void *at)
{
    const char *zeros = sim.zeros, *byte = at;
    return byte >= zeros && byte < zeros + ZERO_BYTES ? sim.messages : (void *)(uintptr_t)at;
}

static void charge(void *context, yoco_tally_part part, yoco_work work)
{
    (void)context;
    (void)part;
    sim.pending_s += yoco_work_s(&sim.hardware, work);
}

static void charge_host_copy(void *context, yoco_tally_part part, size_t bytes)
{
    (void)context;
    (void)part;
    sim.pending_s += yoco_host_copy_s(&sim.hardware, bytes);
}

void yoco_sim_settle(void)
{
    double flops = sim.pending_s * sim.slowdown * FLOPS_PER_S;
    sim.pending_s = 0;
    if (flops > 0)
        smpi_execute_flops(flops);
}

static void settle(void *context)
{
    (void)context;
    yoco_sim_settle();
}

yoco_status yoco_sim_describe(const yoco_hardware *hardware, size_t message_bytes, double slowdown)
{
    static const yoco_tally tally = {
        .work = charge, .host_copy = charge_host_copy, .settle = settle, .address = address};
    yoco_tally_begin(&tally);
    sim.slowdown = slowdown;
    sim.hardware = *hardware;
    sim.message_bytes = message_bytes > 0 ? message_bytes : 1;
    sim.zeros = SMPI_SHARED_CALL(map_zeros, "zeros", ZERO_BYTES);
    sim.messages = SMPI_SHARED_CALL(map_messages, "messages", sim.message_bytes);
    if (sim.zeros && sim.messages)
        return YOCO_OK;
    yoco_log_error("cannot reserve addresses for the simulation");
    return YOCO_ERR_MEMORY;
}

const void *yoco_sim_zeros(void)
{
    return sim.zeros;
}
