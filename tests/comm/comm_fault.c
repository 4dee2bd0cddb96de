/* comm_fault FOLDER FAULT EXPECTED_RANKS: the last rank commits a fault, the others wait for it
 * with a deadline of 2 s. Each rank leaves its process id in FOLDER. Run by faults.sh. */
#include "comm/comm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool leave_pid(const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/pid.%ld", folder, (long)getpid());
    FILE *file = fopen(path, "w");
    return file && fclose(file) == 0;
}

static yoco_status wait_for_the_last(yoco_comm *comm, const char *fault)
{
    int64_t number = 0;
    char bytes[16] = {0};
    yoco_request request = {.active = false};
    int last = comm->n_ranks - 1;
    bool is_last = comm->rank == last;
    size_t size = is_last ? 8 : sizeof bytes; /* fault "short": the sizes differ */
    if (strcmp(fault, "stop-sum") == 0 || strcmp(fault, "kill") == 0)
        return comm->ops->all_sum_i64(comm, &number, 1);
    if (strcmp(fault, "stop-broadcast") == 0)
        return comm->ops->broadcast(comm, last, bytes, sizeof bytes);
    if (is_last)
        for (int peer = 0; peer < last; peer++) {
            YOCO_TRY(comm->ops->send(comm, peer, 3, bytes, size, &request));
            YOCO_TRY(comm->ops->wait(comm, &request, &(yoco_wait_for){"edge", 17, 2}));
        }
    else {
        YOCO_TRY(comm->ops->receive(comm, last, 3, bytes, size, &request));
        YOCO_TRY(comm->ops->wait(comm, &request, &(yoco_wait_for){"edge", 17, 2}));
    }
    return comm->ops->agree(comm, YOCO_OK);
}

int main(int argc, char **argv)
{
    if (argc != 4 || !leave_pid(argv[1]))
        return 1;
    const char *fault = argv[2];
    yoco_comm *comm;
    yoco_comm_options options = {.deadline_s = 2};
    yoco_status status = yoco_comm_open_mpi(&options, atoi(argv[3]), &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    printf("rank %d was here\n", comm->rank);
    if (comm->rank == comm->n_ranks - 1) {
        if (strncmp(fault, "stop", 4) == 0)
            raise(SIGSTOP);
        if (strcmp(fault, "kill") == 0)
            raise(SIGKILL);
        if (strcmp(fault, "abort") == 0)
            comm->ops->abort(comm, 74);
    }
    if (strcmp(fault, "none") != 0)
        status = wait_for_the_last(comm, fault);
    comm->ops->close(comm);
    return yoco_status_exit_code(status);
}
