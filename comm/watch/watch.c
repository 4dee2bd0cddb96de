/* Ranks learn of a hang without messages: the first one whose wait passes its deadline makes a mark
 * in the folder, which the thread of every rank looks for. Whoever is overdue waits for the files
 * of the others, then compares them and ends the job, rank 0 a little before the others. A rank
 * whose MPI call does not return is overdue as well, but its thread must not call MPI: it leaves,
 * and the launcher ends the rest. */
#include "comm/watch/watch.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "comm/over.h"

enum { N_OPS = 48, MAX_MPI_BYTES = 96 };

/* A slot of the ring; odd while the main thread writes it, so that a reader drops what it tore. */
typedef struct slot {
    _Atomic uint64_t version;
    yoco_hang_op op;
} slot;

static struct {
    const char *folder; /* NULL: not started */
    char mark[PATH_MAX];
    char mpi[MAX_MPI_BYTES];
    uint64_t job;
    int rank, n_ranks;
    double deadline_s, grace_s;
    yoco_hang_place *places; /* (n_ranks) */
    yoco_hang_state *states; /* (n_ranks), of the comparison */

    slot slots[N_OPS];
    _Atomic int64_t n_ops; /* begun so far; written by the main thread */
    int64_t n_collectives; /* of all ranks; main thread */
    atomic_bool reported;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping; /* under the lock */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static slot *slot_of(int64_t index)
{
    return &watch.slots[index % N_OPS];
}

/* Before every message that is waited for and every collective, quick ones included. */
static void wait_begin(yoco_comm *comm, const yoco_subject *subject)
{
    int64_t index = atomic_load_explicit(&watch.n_ops, memory_order_relaxed);
    slot *s = slot_of(index);
    if (subject->collective && !comm->is_group)
        watch.n_collectives++;
    atomic_fetch_add(&s->version, 1);
    s->op = (yoco_hang_op){.chunk = subject->wait.chunk,
                           .layer = subject->wait.layer,
                           .peer = subject->peer,
                           .incoming = subject->incoming,
                           .collective = subject->collective,
                           .group = comm->is_group,
                           .number = watch.n_collectives,
                           .bytes = (int64_t)subject->bytes,
                           .begin_s = yoco_now_s()};
    snprintf(s->op.what, sizeof s->op.what, "%s", subject->wait.what);
    atomic_fetch_add(&s->version, 1);
    atomic_store(&watch.n_ops, index + 1);
}

static void wait_end(void)
{
    slot *s = slot_of(atomic_load_explicit(&watch.n_ops, memory_order_relaxed) - 1);
    atomic_fetch_add(&s->version, 1);
    s->op.end_s = yoco_now_s();
    atomic_fetch_add(&s->version, 1);
}

/* Copies the last operations, oldest first, from any thread; returns how many there are. */
static int copy_ops(yoco_hang_op ops[N_OPS])
{
    int64_t end = atomic_load(&watch.n_ops);
    int n = 0;
    for (int64_t i = yoco_i64_max(end - N_OPS, 0); i < end; i++) {
        slot *s = slot_of(i);
        uint64_t version = atomic_load(&s->version);
        ops[n] = s->op;
        atomic_thread_fence(memory_order_acquire);
        n += version % 2 == 0 && version == atomic_load(&s->version);
    }
    return n;
}

static void report(void)
{
    if (atomic_exchange(&watch.reported, true))
        return;
    yoco_hang_op ops[N_OPS];
    int n_ops = copy_ops(ops);
    const yoco_hang_report r = {.job = watch.job,
                                .rank = watch.rank,
                                .n_ranks = watch.n_ranks,
                                .place = watch.places[watch.rank],
                                .mpi = watch.mpi,
                                .deadline_s = watch.deadline_s,
                                .now_s = yoco_now_s(),
                                .ops = ops,
                                .n_ops = n_ops};
    if (!yoco_hang_save(watch.folder, &r))
        yoco_log_warn("cannot write hang-%d.json in %s: %s", watch.rank, watch.folder,
                      strerror(errno));
}

static bool is_marked(void)
{
    DIR *folder = opendir(watch.folder); /* on NFS this asks the server for what is new */
    if (folder)
        closedir(folder);
    return access(watch.mark, F_OK) == 0;
}

static void make_mark(void)
{
    FILE *file = fopen(watch.mark, "w");
    if (file)
        fclose(file);
}

static bool load_all(void)
{
    int n_heard = 0;
    for (int rank = 0; rank < watch.n_ranks; rank++) {
        yoco_hang_load(watch.folder, watch.job, rank, &watch.states[rank]);
        n_heard += watch.states[rank].heard;
    }
    return n_heard == watch.n_ranks;
}

static void rest(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

/* Rank 0 speaks as soon as it has heard all, or at the end of the grace; the others after it, in
 * case it is rank 0 that hangs: the job is usually over by then. */
static void gather(void)
{
    double end_s =
        yoco_now_s() + watch.grace_s * (1.0 + 0.25 * (double)yoco_i64_min(watch.rank, 4));
    bool all = false;
    while (!all && yoco_now_s() < end_s) {
        rest(watch.grace_s / 20);
        all = watch.rank == 0 && load_all();
    }
    if (!all)
        load_all();
}

static void hung(char text[YOCO_HANG_TEXT_BYTES])
{
    make_mark();
    report();
    gather();
    yoco_hang_judge(watch.states, watch.places, watch.n_ranks, text);
    unlink(watch.mark);
}

/* How long the main thread has been in the operation that it is in; 0: in none. */
static double stuck_s(void)
{
    int64_t n = atomic_load(&watch.n_ops);
    if (n == 0)
        return 0;
    const slot *s = slot_of(n - 1);
    return s->op.end_s > 0 ? 0 : yoco_now_s() - s->op.begin_s;
}

/* Past the time in which a main thread that polls would have ended the job itself. */
static void look(void)
{
    if (stuck_s() > watch.deadline_s + 3 * watch.grace_s) {
        char text[YOCO_HANG_TEXT_BYTES];
        hung(text);
        yoco_log_error("stuck in a call of MPI for more than --deadline %g s; %s", watch.deadline_s,
                       text);
        _exit(YOCO_EXIT_STOPPED);
    }
    if (is_marked())
        report();
}

static void *run(void *unused)
{
    (void)unused;
    double tick_s = watch.grace_s / 10;
    pthread_mutex_lock(&watch.lock);
    while (!watch.stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (int64_t)(1e9 * tick_s);
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        if (pthread_cond_timedwait(&watch.wake, &watch.lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&watch.lock);
        look();
        pthread_mutex_lock(&watch.lock);
    }
    pthread_mutex_unlock(&watch.lock);
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&watch.wake, &clock);
    pthread_condattr_destroy(&clock);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&watch.thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

/* A rank's place, and rank 0's number for the job. */
typedef struct greeting {
    int64_t job;
    yoco_hang_place place;
} greeting;

enum { GREETING_WORDS = sizeof(greeting) / sizeof(int64_t) };
_Static_assert(sizeof(greeting) % sizeof(int64_t) == 0, "a greeting travels as words");

static yoco_status meet(yoco_comm *comm, greeting *all)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    greeting mine = {.job = ((int64_t)now.tv_sec << 30 | now.tv_nsec) ^ (int64_t)getpid() << 8,
                     .place.pid = getpid()};
    gethostname(mine.place.host, sizeof mine.place.host - 1);
    YOCO_TRY(yoco_over_gather(comm, (const int64_t *)&mine, GREETING_WORDS, (int64_t *)all));
    watch.job = (uint64_t)all[0].job;
    for (int rank = 0; rank < comm->n_ranks; rank++)
        watch.places[rank] = all[rank].place;
    return YOCO_OK;
}

static yoco_status allocate(yoco_comm *comm, greeting **all)
{
    size_t n = (size_t)comm->n_ranks;
    yoco_status status = yoco_alloc(n * sizeof **all, "the watchdog", (void **)all);
    if (status == YOCO_OK)
        status = yoco_alloc(n * sizeof *watch.places, "the watchdog", (void **)&watch.places);
    if (status == YOCO_OK)
        status = yoco_alloc(n * sizeof *watch.states, "the watchdog", (void **)&watch.states);
    return yoco_agree(comm, status);
}

static yoco_status begin(yoco_comm *comm, const char *folder, const char *mpi)
{
    const double grace_s = comm->deadline_s / 10; /* 2 to 30: files on NFS are seen late */
    watch.grace_s = grace_s < 2 ? 2 : grace_s > 30 ? 30 : grace_s;
    watch.deadline_s = comm->deadline_s;
    watch.rank = comm->rank;
    watch.n_ranks = comm->n_ranks;
    snprintf(watch.mpi, sizeof watch.mpi, "%s", mpi);
    if (snprintf(watch.mark, sizeof watch.mark, "%s/hang-%016" PRIx64 ".mark", folder, watch.job) >=
        (int)sizeof watch.mark) {
        yoco_log_error("the folder of --hang-dir has too long a name");
        return YOCO_ERR_USAGE;
    }
    static const yoco_wait_watcher watcher = {wait_begin, wait_end, hung};
    watch.folder = folder;
    int failed = start_thread();
    if (failed != 0) {
        watch.folder = NULL;
        yoco_log_error("cannot start the watchdog: %s", strerror(failed));
        return YOCO_ERR_INTERNAL;
    }
    yoco_wait_watch(&watcher);
    return YOCO_OK;
}

void yoco_watch_stop(void)
{
    yoco_wait_watch(NULL);
    if (watch.folder) {
        pthread_mutex_lock(&watch.lock);
        watch.stopping = true;
        pthread_cond_signal(&watch.wake);
        pthread_mutex_unlock(&watch.lock);
        pthread_join(watch.thread, NULL);
    }
    yoco_free(watch.places);
    yoco_free(watch.states);
    watch.places = NULL;
    watch.states = NULL;
    watch.folder = NULL;
}

yoco_status yoco_comm_watch(yoco_comm *comm, const char *hang_folder)
{
    char version[MAX_MPI_BYTES];
    greeting *all = NULL;
    yoco_comm_mpi_version(version, sizeof version);
    yoco_status status = allocate(comm, &all);
    if (status == YOCO_OK)
        status = meet(comm, all);
    if (status == YOCO_OK)
        status = yoco_agree(comm, begin(comm, hang_folder, version));
    yoco_free(all);
    if (status != YOCO_OK)
        yoco_watch_stop();
    return status;
}
