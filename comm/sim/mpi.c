/* MPI as the simulation has it, in front of SMPI's own calls (ld --wrap). Every call settles the
 * account first. Nobody dies in a simulation, so a wait may block: polling would cost one event for
 * each look. SMPI's non-blocking collectives send to every rank; those of a real MPI do not, so the
 * blocking ones stand in, with the algorithms that the command line names. */
#include <mpi.h>

#include "kernels/sim/sim.h"

int __real_MPI_Isend(const void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request);
int __wrap_MPI_Isend(const void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request);
int __real_MPI_Irecv(void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request);
int __wrap_MPI_Irecv(void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request);
int __wrap_MPI_Test(MPI_Request *request, int *done, MPI_Status *status);
int __wrap_MPI_Iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op,
                          MPI_Comm comm, MPI_Request *request);
int __wrap_MPI_Ibcast(void *data, int n, MPI_Datatype type, int root, MPI_Comm comm,
                      MPI_Request *request);
int __wrap_MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided);
double __wrap_yoco_now_s(void);

/* A rank has one thread only, so any level will do. */
int __wrap_MPI_Init_thread(int *argc, char ***argv, int wanted, int *provided)
{
    *provided = wanted;
    return MPI_Init(argc, argv);
}

int __wrap_MPI_Isend(const void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request)
{
    yoco_sim_settle();
    return __real_MPI_Isend(yoco_sim_message(data), n, type, peer, tag, comm, request);
}

int __wrap_MPI_Irecv(void *data, int n, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                     MPI_Request *request)
{
    return __real_MPI_Irecv(yoco_sim_message(data), n, type, peer, tag, comm, request);
}

int __wrap_MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
    yoco_sim_settle();
    *done = 1;
    return MPI_Wait(request, status);
}

int __wrap_MPI_Iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op,
                          MPI_Comm comm, MPI_Request *request)
{
    yoco_sim_settle();
    *request = MPI_REQUEST_NULL;
    return MPI_Allreduce(from, to, n, type, op, comm);
}

int __wrap_MPI_Ibcast(void *data, int n, MPI_Datatype type, int root, MPI_Comm comm,
                      MPI_Request *request)
{
    yoco_sim_settle();
    *request = MPI_REQUEST_NULL;
    return MPI_Bcast(data, n, type, root, comm);
}

double __wrap_yoco_now_s(void)
{
    yoco_sim_settle();
    return MPI_Wtime();
}
