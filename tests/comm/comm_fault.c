/* comm_fault FOLDER TRANSPORT FAULT EXPECTED_RANKS: the last rank (all ranks: "all-stuck") commits
 * a fault, the others wait for it with a deadline of 2 s. Each rank leaves its process id in
 * FOLDER. Run by faults.sh. */
#include "comm/comm.h"
#include "tests/comm/memory.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_stuck;

/* In place of the library's: a call that never returns. */
int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
    while (is_stuck)
        pause();
    return PMPI_Test(request, done, status);
}

static bool leave_pid(const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/pid.%ld", folder, (long)getpid());
    FILE *file = fopen(path, "w");
    return file && fclose(file) == 0;
}

enum { BYTES = 16 };

/* The last rank's messages: to the rank right of it in the transport's memory, to the others from
 * the host's. */
static yoco_status message(yoco_comm *comm, const char *fault, int receiver, void *bytes)
{
    static char host_bytes[BYTES];
    int last = comm->n_ranks - 1;
    void *data = receiver == 0 ? bytes : host_bytes;
    yoco_request request = {.active = false};
    if (comm->rank == receiver)
        YOCO_TRY(comm->ops->receive(comm, last, 3, data, BYTES, &request));
    else
        YOCO_TRY(comm->ops->send(comm, receiver, 3, data, strcmp(fault, "short") == 0 ? 8 : BYTES,
                                 &request));
    return comm->ops->wait(comm, &request, &(yoco_wait_for){"edge", 17, 2});
}

static yoco_status wait_for_the_last(yoco_comm *comm, const char *fault)
{
    int last = comm->n_ranks - 1;
    void *bytes = get_memory(BYTES);
    memset(bytes, 0, BYTES);
    if (strcmp(fault, "stop-sum") == 0 || strcmp(fault, "kill") == 0)
        return comm->ops->all_sum_i64(comm, bytes, 1);
    if (strcmp(fault, "stop-broadcast") == 0)
        return comm->ops->broadcast(comm, last, bytes, BYTES);
    for (int receiver = 0; receiver < last; receiver++)
        if (comm->rank == receiver || comm->rank == last)
            YOCO_TRY(message(comm, fault, receiver, bytes));
    YOCO_TRY(comm->ops->agree(comm, YOCO_OK));
    free_memory(bytes);
    return YOCO_OK;
}

/* The last rank leaves the sum out, so that its agreement meets the others' sum. */
static yoco_status skip(yoco_comm *comm)
{
    int64_t one = 1;
    YOCO_TRY(comm->ops->agree(comm, YOCO_OK));
    if (comm->rank != comm->n_ranks - 1)
        YOCO_TRY(comm->ops->all_sum_i64(comm, &one, 1));
    char bytes[BYTES] = "";
    return comm->ops->broadcast(comm, 0, bytes, sizeof bytes);
}

/* Stuck in a call of MPI: all ranks in a sum, or the last one in a message while the others sum. */
static yoco_status stick(yoco_comm *control, bool all)
{
    int64_t value = 1;
    bool is_last = control->rank == control->n_ranks - 1;
    yoco_request request = {.active = false};
    is_stuck = all || is_last;
    if (all || !is_last)
        return control->ops->all_sum_i64(control, &value, 1);
    YOCO_TRY(control->ops->receive(control, 0, 3, &value, sizeof value, &request));
    return control->ops->wait(control, &request, &(yoco_wait_for){"edge", 17, 2});
}

static void compute_for_ever(void)
{
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    if (argc != 5 || !leave_pid(argv[1]))
        return 1;
    const char *fault = argv[3];
    yoco_comm *comm, *control;
    yoco_comm_options options = {.deadline_s = 2, .hang_folder = argv[1]};
    yoco_status status = yoco_comm_open_mpi(&options, atoi(argv[4]), &control);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    status = yoco_transport_open(argv[2], uses_device_memory(), control, &comm);
    if (status != YOCO_OK) {
        control->ops->close(control);
        return yoco_status_exit_code(status);
    }
    printf("rank %d was here\n", comm->rank);
    if (comm->rank == comm->n_ranks - 1) {
        if (strncmp(fault, "stop", 4) == 0)
            raise(SIGSTOP);
        if (strcmp(fault, "compute") == 0)
            compute_for_ever();
        if (strcmp(fault, "kill") == 0)
            raise(SIGKILL);
        if (strcmp(fault, "abort") == 0)
            comm->ops->abort(comm, 74);
    }
    if (strcmp(fault, "skip") == 0)
        status = skip(comm);
    else if (strcmp(fault, "stuck") == 0 || strcmp(fault, "all-stuck") == 0)
        status = stick(control, fault[0] == 'a');
    else if (strcmp(fault, "none") != 0)
        status = wait_for_the_last(comm, fault);
    comm->ops->close(comm);
    return yoco_status_exit_code(status);
}
