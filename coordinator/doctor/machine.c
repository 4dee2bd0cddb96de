/* Processor and GPUs. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/doctor/doctor.h"
#include "machine_limits.h"

/* More than a quarter of the machine at work for others, in the last minute. */
static void check_load(yoco_doctor *d, int n_online)
{
    double load;
    if (getloadavg(&load, 1) != 1)
        return;
    bool busy = load > 0.25 * n_online;
    yoco_doctor_say(d, busy ? YOCO_WARN : YOCO_FINE, "load",
                    busy ? "find what else runs there (top): yoco is as slow as its slowest rank"
                         : NULL,
                    "load %.1f on %d cores in the last minute", load, n_online);
}

/* A launcher that binds each rank to its own cores leaves too few for the default of --threads. */
static void check_cores(yoco_doctor *d, int n_cores, int n_online)
{
    int n_ranks = d->comm->node_n_ranks;
    if (n_ranks > n_cores && n_ranks * n_cores > n_online)
        yoco_doctor_say(d, YOCO_WARN, "cores", "start at most one rank per core",
                        "%d ranks share %d cores", n_ranks, n_cores);
    else if (n_ranks > 1 && n_cores < n_online && n_ranks * n_cores <= n_online)
        yoco_doctor_say(d, YOCO_WARN, "cores",
                        "give --threads the number of cores of a rank, or start with "
                        "--cpu-bind=none (srun), -bind-to none (mpiexec)",
                        "each of %d ranks is bound to %d of %d cores, and by default shares them "
                        "with the others",
                        n_ranks, n_cores, n_online);
    else
        yoco_doctor_say(d, YOCO_FINE, "cores", NULL, "%d of %d cores for %d rank%s", n_cores,
                        n_online, n_ranks, n_ranks == 1 ? "" : "s");
}

/* A group that has used its share of a period stands still until the next one. */
static void check_quota(yoco_doctor *d, int n_cores)
{
    double cpus = yoco_group_cpus("");
    if (cpus < n_cores)
        yoco_doctor_say(d, YOCO_WARN, "quota",
                        "ask for more processors (--cpus-per-task of sbatch, --cpus of docker); "
                        "--threads beyond the quota would only wait",
                        "a limit of the control group: %.2f of %d cores; the default of --threads "
                        "heeds it",
                        cpus, n_cores);
    else
        yoco_doctor_say(d, YOCO_FINE, "quota", NULL, "no quota of processors");
}

static void check_openmp(yoco_doctor *d, int n_cores)
{
    const char *threads = getenv("OMP_NUM_THREADS"), *bind = getenv("OMP_PROC_BIND");
    const char *wait = getenv("OMP_WAIT_POLICY"), *affinity = getenv("GOMP_CPU_AFFINITY");
    int n_ranks = d->comm->node_n_ranks;
    if (threads && atoi(threads) * n_ranks > n_cores)
        yoco_doctor_say(d, YOCO_WARN, "openmp", "unset OMP_NUM_THREADS; --threads sets them",
                        "OMP_NUM_THREADS %s times %d ranks are more threads than %d cores", threads,
                        n_ranks, n_cores);
    else if (n_ranks > 1 && (affinity || (bind && strcasecmp(bind, "false") != 0)))
        yoco_doctor_say(d, YOCO_WARN, "openmp",
                        "unset OMP_PROC_BIND and GOMP_CPU_AFFINITY, or have the launcher bind each "
                        "rank to its own cores",
                        "the threads of all %d ranks may be bound to the same cores (%s)", n_ranks,
                        affinity ? "GOMP_CPU_AFFINITY" : "OMP_PROC_BIND");
    else if (n_ranks > 1 && wait && strcasecmp(wait, "active") == 0)
        yoco_doctor_say(d, YOCO_WARN, "openmp", "unset OMP_WAIT_POLICY",
                        "OMP_WAIT_POLICY active: threads that wait take the cores of others");
    else
        yoco_doctor_say(d, YOCO_FINE, "openmp", NULL, "no setting of OpenMP is in the way");
}

void yoco_doctor_cpu(yoco_doctor *d)
{
    int n_online = (int)sysconf(_SC_NPROCESSORS_ONLN), n_cores = yoco_cores_bound();
    yoco_isa isa = yoco_isa_detect();
    bool plain = isa == YOCO_ISA_PORTABLE;
    yoco_doctor_say(d, plain ? YOCO_WARN : YOCO_FINE, "cpu",
                    plain ? "use a processor with AVX2 or AVX-512: portable code is slow" : NULL,
                    "instruction set %s", yoco_isa_name(isa));
    check_cores(d, n_cores, n_online);
    check_quota(d, n_cores);
    check_openmp(d, n_cores);
    check_load(d, n_online);
}

static int count_gpus(void)
{
    glob_t found;
    int n = glob("/dev/nvidia[0-9]*", 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    globfree(&found);
    return n;
}

void yoco_doctor_gpu(yoco_doctor *d)
{
    char version[YOCO_DOCTOR_TEXT / 2] = "";
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    int n_gpus = count_gpus();
    bool built = yoco_ops_find("cuda") != NULL;
    if (file && !fgets(version, sizeof version, file))
        version[0] = '\0';
    if (file)
        fclose(file);
    version[strcspn(version, "\n")] = '\0';
    if (n_gpus == 0 && !version[0])
        yoco_doctor_say(d, YOCO_FINE, "gpu", NULL, "none%s",
                        built ? "" : ", and this yoco was built without CUDA: it runs on CPUs");
    else if (!version[0])
        yoco_doctor_say(d, YOCO_WARN, "gpu", "load the driver (modprobe nvidia; nvidia-smi)",
                        "%d GPUs, but no driver", n_gpus);
    else if (n_gpus == 0)
        yoco_doctor_say(d, YOCO_WARN, "gpu",
                        "ask the batch system for GPUs (--gpus), or give the container access",
                        "a driver, but no GPU that this process may use: %s", version);
    else
        yoco_doctor_say(d, built ? YOCO_FINE : YOCO_WARN, "gpu",
                        built ? NULL : "build with the CUDA toolkit to use them", "%d GPUs%s: %s",
                        n_gpus, built ? "" : ", but yoco was built without CUDA", version);
}
