/* Ranks, the way between them, and their clocks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "coordinator/doctor/doctor.h"

enum { N_WARM = 5, N_REDUCTIONS = 40, REDUCED_WORDS = 8, N_PINGS = 5, EDGE_BYTES = 4 << 20 };
enum { N_EDGES = 6 };

static const double slow_reduction_s = 5e-3, slow_bytes_s = 100e6, large_skew_s = 1.0;

static const yoco_wait_for ping = {.what = "clock of a rank", .chunk = -1, .layer = -1};

static void say_ucx(yoco_doctor *d, bool several_hosts)
{
    char version[32], names[YOCO_DOCTOR_TEXT - 64];
    if (!yoco_transport_built("ucx")) {
        yoco_doctor_say(d, YOCO_FINE, "ucx", NULL, "not built in: messages go over MPI");
        return;
    }
    yoco_comm_ucx_version(version, sizeof version, names, sizeof names);
    bool fast = strstr(names, "rc_") || strstr(names, "dc_") || strstr(names, "ud_");
    bool lacks = several_hosts && !fast;
    yoco_doctor_say(d, lacks ? YOCO_WARN : YOCO_FINE, "ucx",
                    lacks ? "if the machines have InfiniBand or RoCE, look at ibv_devinfo and at "
                            "the container's /dev/infiniband"
                          : NULL,
                    "UCX %s: %s%s", version, names, lacks ? "; between machines only TCP" : "");
}

/* One process in a batch script, outside of srun, is no mistake by itself. */
static void check_tasks(yoco_doctor *d)
{
    const char *tasks = getenv("SLURM_NTASKS");
    if (tasks && atoi(tasks) > 1)
        yoco_doctor_say(d, YOCO_WARN, "launcher", "start it with srun --mpi=pmi2 or mpiexec",
                        "Slurm gave the job %s tasks, but this is a single rank", tasks);
}

yoco_status yoco_doctor_ranks(yoco_doctor *d)
{
    yoco_comm *comm = d->comm;
    char mpi[YOCO_DOCTOR_TEXT / 2];
    int64_t n_hosts = comm->node_rank == 0;
    YOCO_TRY(yoco_all_sum_i64(comm, &n_hosts, 1));
    yoco_comm_mpi_version(mpi, sizeof mpi);
    if (comm->rank == 0)
        yoco_doctor_say(d, YOCO_FINE, "ranks", NULL, "%d rank%s on %lld host%s", comm->n_ranks,
                        comm->n_ranks == 1 ? "" : "s", (long long)n_hosts, n_hosts == 1 ? "" : "s");
    if (comm->n_ranks == 1)
        check_tasks(d);
    if (comm->node_rank != 0)
        return YOCO_OK;
    yoco_doctor_say(d, YOCO_FINE, "mpi", NULL, "%s", mpi);
    say_ucx(d, n_hosts > 1);
    return YOCO_OK;
}

static double wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static yoco_status send_clock(yoco_comm *comm, int peer, double *clock)
{
    yoco_request request = {.active = false};
    YOCO_TRY(yoco_send(comm, peer, 0, clock, sizeof *clock, &request));
    return yoco_wait(comm, &request, &ping);
}

static yoco_status receive_clock(yoco_comm *comm, int peer, double *clock)
{
    yoco_request request = {.active = false};
    YOCO_TRY(yoco_receive(comm, peer, 0, clock, sizeof *clock, &request));
    return yoco_wait(comm, &request, &ping);
}

/* Rank 0: how far a rank's clock is ahead, from the quickest of a few questions. */
static yoco_status ask_clock(yoco_comm *comm, int rank, double *ahead_s)
{
    double best_s = HUGE_VAL;
    for (int i = 0; i < N_PINGS; i++) {
        double begin_s = wall_s(), theirs_s = begin_s;
        YOCO_TRY(send_clock(comm, rank, &theirs_s));
        YOCO_TRY(receive_clock(comm, rank, &theirs_s));
        double end_s = wall_s();
        if (end_s - begin_s < best_s) {
            best_s = end_s - begin_s;
            *ahead_s = theirs_s - (begin_s + end_s) / 2;
        }
    }
    return YOCO_OK;
}

static yoco_status answer_clock(yoco_comm *comm)
{
    for (int i = 0; i < N_PINGS; i++) {
        double clock;
        YOCO_TRY(receive_clock(comm, 0, &clock));
        clock = wall_s();
        YOCO_TRY(send_clock(comm, 0, &clock));
    }
    return YOCO_OK;
}

yoco_status yoco_doctor_clocks(yoco_doctor *d)
{
    yoco_comm *comm = d->comm;
    double worst_s = 0;
    int worst = 0;
    if (comm->rank != 0)
        return answer_clock(comm);
    for (int rank = 1; rank < comm->n_ranks; rank++) {
        double ahead_s = 0;
        YOCO_TRY(ask_clock(comm, rank, &ahead_s));
        if (fabs(ahead_s) > fabs(worst_s)) {
            worst_s = ahead_s;
            worst = rank;
        }
    }
    bool skewed = fabs(worst_s) > large_skew_s;
    if (comm->n_ranks > 1)
        yoco_doctor_say(d, skewed ? YOCO_WARN : YOCO_FINE, "clocks",
                        skewed ? "set the clocks by chrony or ntpd, or times in logs and files "
                                 "mislead"
                               : NULL,
                        "at most %.3f ms apart (rank %d from rank 0)", 1e3 * fabs(worst_s), worst);
    return YOCO_OK;
}

static yoco_status time_reductions(yoco_comm *comm, double *seconds)
{
    int64_t words[REDUCED_WORDS] = {0};
    double begin_s = 0;
    for (int i = -N_WARM; i < N_REDUCTIONS; i++) {
        if (i == 0)
            begin_s = yoco_now_s();
        YOCO_TRY(yoco_all_sum_i64(comm, words, REDUCED_WORDS));
    }
    *seconds = (yoco_now_s() - begin_s) / N_REDUCTIONS;
    return YOCO_OK;
}

/* All ranks send to their right neighbour at once, as a ring of edges does. */
static yoco_status pass_edge(yoco_comm *comm, char *in, const char *out)
{
    static const yoco_wait_for edge = {.what = "a neighbour's bytes", .chunk = -1, .layer = -1};
    int right = (comm->rank + 1) % comm->n_ranks;
    int left = (comm->rank + comm->n_ranks - 1) % comm->n_ranks;
    yoco_request receiving = {.active = false}, sending = {.active = false};
    YOCO_TRY(yoco_receive(comm, left, 1, in, EDGE_BYTES, &receiving));
    YOCO_TRY(yoco_send(comm, right, 1, out, EDGE_BYTES, &sending));
    YOCO_TRY(yoco_wait(comm, &receiving, &edge));
    return yoco_wait(comm, &sending, &edge);
}

static yoco_status time_edges(yoco_comm *comm, double *bytes_s)
{
    char *buffers = NULL;
    YOCO_TRY(yoco_agree(comm, yoco_alloc((size_t)2 * EDGE_BYTES, "edges", (void **)&buffers)));
    memset(buffers, 1, (size_t)2 * EDGE_BYTES);
    yoco_status status = pass_edge(comm, buffers, buffers + EDGE_BYTES);
    double begin_s = yoco_now_s();
    for (int i = 0; status == YOCO_OK && i < N_EDGES; i++)
        status = pass_edge(comm, buffers, buffers + EDGE_BYTES);
    float slowest_s = (float)(yoco_now_s() - begin_s);
    yoco_free(buffers);
    YOCO_TRY(yoco_agree(comm, status));
    YOCO_TRY(yoco_all_max_f32(comm, &slowest_s, 1));
    *bytes_s = (double)N_EDGES * EDGE_BYTES / (double)slowest_s;
    return YOCO_OK;
}

yoco_status yoco_doctor_messages(yoco_doctor *d)
{
    static const char fix[] = "look at load, cores and ucx above; messages between machines should "
                              "not share a busy network";
    double reduction_s, bytes_s;
    if (d->comm->n_ranks == 1)
        return YOCO_OK;
    YOCO_TRY(time_reductions(d->comm, &reduction_s));
    YOCO_TRY(time_edges(d->comm, &bytes_s));
    if (d->comm->rank != 0)
        return YOCO_OK;
    bool slow = reduction_s > slow_reduction_s;
    yoco_doctor_say(d, slow ? YOCO_WARN : YOCO_FINE, "reduce", slow ? fix : NULL,
                    "a sum of %d numbers over all ranks takes %.1f us", REDUCED_WORDS,
                    1e6 * reduction_s);
    slow = bytes_s < slow_bytes_s;
    yoco_doctor_say(d, slow ? YOCO_WARN : YOCO_FINE, "neighbours", slow ? fix : NULL,
                    "%.2f GB/s from each rank to the next, all at once", bytes_s / 1e9);
    return YOCO_OK;
}
