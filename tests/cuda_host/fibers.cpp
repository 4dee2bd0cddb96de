#include "tests/cuda_host/fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <vector>

#include "tests/cuda_host/races.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define BEFORE_SWITCH(save, bottom, size) __sanitizer_start_switch_fiber(save, bottom, size)
#define AFTER_SWITCH(save, bottom, size) __sanitizer_finish_switch_fiber(save, bottom, size)
#else
#define BEFORE_SWITCH(save, bottom, size)                                                          \
    do {                                                                                           \
        (void)(save);                                                                              \
        (void)(bottom);                                                                            \
        (void)(size);                                                                              \
    } while (0)
#define AFTER_SWITCH(save, bottom, size) BEFORE_SWITCH(save, bottom, size)
#endif

enum { MAX_THREADS = 1024, WARP_THREADS = 32, STACK_BYTES = 256 * 1024 };

enum thread_state { UNSTARTED, READY, AT_WARP, AT_BLOCK, DONE };

/* ucontext makes a fiber; from then on it is left and entered by the compiler's own setjmp, which
 * makes no system call. */
struct fiber {
    ucontext_t context;
    void *place[5];
    void *stack;
    void *fake_stack; /* AddressSanitizer's */
    void *races;      /* ThreadSanitizer's fiber */
};

/* Where threads meet, again and again: two addresses in turns, since a thread may be at the next
 * meeting before another has left this one. */
struct meeting_point {
    uint64_t address[2];
    int turn;
};

struct warp_meeting {
    int n_here;
    cuda_host_warp_op *op;
    void *arguments[32];
};

struct cuda_host_meetings;

/* The running block. */
static struct {
    const char *kernel;
    const std::function<void()> *body;
    dim3 shape;
    cuda_host_order order;
    int n_threads, n_done, n_at_block;
    int position;    /* in `turns` */
    bool runs_ahead; /* warps do not go in step: each goes as far as it can */
    bool from_main;  /* no fiber has run yet */
    thread_state state[MAX_THREADS];
    fiber *fibers[MAX_THREADS]; /* of threads that wait */
    warp_meeting warps[MAX_THREADS / 32];
    cuda_host_meetings *meetings;
} block;

/* A block's, new for each block: what orders the threads of one does not order another's. */
struct cuda_host_meetings {
    uint64_t begin;
    meeting_point block, warps[MAX_THREADS / 32];
};

static int turns[MAX_THREADS]; /* threads in the order in which they get the processor */
static int current;            /* thread; the running fiber is its own */
static fiber *running;
static std::vector<fiber *> &idle = *new std::vector<fiber *>; /* never freed: no leak at the end */
static void *main_place[5];
static void *main_fake_stack;
static void *main_races;
static uint64_t grid_end; /* addresses: all threads of a grid are done, */
static uint64_t fences;   /* and their fences */
static std::vector<cuda_host_meetings *> &all_meetings = *new std::vector<cuda_host_meetings *>;
static const void *main_bottom;
static size_t main_size;
static uint64_t shuffle_state = 1;

dim3 threadIdx, blockIdx, blockDim, gridDim;

void cuda_host_fail(const char *what)
{
    fprintf(stderr, "kernel %s, block (%u, %u, %u), thread %d: %s\n",
            block.kernel ? block.kernel : "?", blockIdx.x, blockIdx.y, blockIdx.z, current, what);
    abort();
}

int cuda_host_thread()
{
    return current;
}

int cuda_host_lane()
{
    return current % 32;
}

static void set_thread(int thread)
{
    current = thread;
    threadIdx.x = (unsigned)thread % block.shape.x;
    threadIdx.y = (unsigned)thread / block.shape.x % block.shape.y;
    threadIdx.z = (unsigned)thread / block.shape.x / block.shape.y;
}

cuda_host_order cuda_host_running_order()
{
    return block.order;
}

static uint64_t shuffled_number()
{
    shuffle_state = shuffle_state * 6364136223846793005u + 1442695040888963407u;
    return shuffle_state >> 33;
}

bool cuda_host_coin()
{
    return shuffled_number() >> 30 & 1;
}

/* Groups of `unit` threads change places. */
static void shuffle_turns(int unit)
{
    for (int i = block.n_threads / unit - 1; i > 0; i--) {
        int j = (int)(shuffled_number() % (uint64_t)(i + 1));
        std::swap_ranges(turns + i * unit, turns + (i + 1) * unit, turns + j * unit);
    }
}

static void order_turns()
{
    block.runs_ahead = block.order == CUDA_HOST_DESCENDING ||
                       (block.order == CUDA_HOST_SHUFFLED && cuda_host_coin());
    for (int i = 0; i < block.n_threads; i++)
        turns[i] = block.order == CUDA_HOST_DESCENDING ? block.n_threads - 1 - i : i;
    if (block.order == CUDA_HOST_SHUFFLED)
        shuffle_turns(block.runs_ahead ? WARP_THREADS : 1);
}

static bool can_run(int position)
{
    thread_state state = block.state[turns[position]];
    return state == UNSTARTED || state == READY;
}

static int next_thread()
{
    int first = block.position / WARP_THREADS * WARP_THREADS, last = block.position - first;
    for (int i = 1; i <= WARP_THREADS && block.runs_ahead; i++) {
        int position = first + (last + i) % WARP_THREADS;
        if (can_run(position))
            return turns[block.position = position];
    }
    for (int i = 0; i < block.n_threads; i++) {
        block.position++;
        if (block.position >= block.n_threads)
            block.position = 0;
        if (can_run(block.position))
            return turns[block.position];
    }
    cuda_host_fail("every thread waits: a barrier that not all of them reach");
}

static void fiber_main();

static fiber *new_fiber()
{
    fiber *f;
    if (!idle.empty()) {
        f = idle.back();
        idle.pop_back();
    } else {
        f = new fiber();
        f->stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (f->stack == MAP_FAILED)
            cuda_host_fail("no memory for a fiber's stack");
        f->races = RACES_NEW_FIBER();
    }
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = nullptr;
    f->fake_stack = nullptr;
    makecontext(&f->context, fiber_main, 0);
    return f;
}

/* Not instrumented: AddressSanitizer would take a jump for the end of the frames below. */
#define SWITCHES __attribute__((noinline, no_sanitize("address")))

[[noreturn]] SWITCHES static void enter(void **place, void *races)
{
    RACES_SWITCH(races);
    __builtin_longjmp(place, 1);
}

/* Leaves `from` for a place that was left before, or for a new fiber. */
SWITCHES static void leave(void **from, void **to, const ucontext_t *begin, void *races)
{
    if (__builtin_setjmp(from) != 0)
        return;
    RACES_SWITCH(races);
    if (begin)
        setcontext(begin);
    __builtin_longjmp(to, 1);
}

/* The running fiber, which comes back later, gives the processor to `thread`. */
static void switch_to(int thread)
{
    fiber *from = running;
    bool begins = block.state[thread] == UNSTARTED;
    fiber *to = begins ? new_fiber() : block.fibers[thread];
    block.state[thread] = READY;
    set_thread(thread);
    running = to;
    BEFORE_SWITCH(&from->fake_stack, to->stack, STACK_BYTES);
    leave(from->place, to->place, begins ? &to->context : nullptr, to->races);
    AFTER_SWITCH(from->fake_stack, nullptr, nullptr);
}

static void run_thread()
{
    RACES_ACQUIRE(&block.meetings->begin);
    (*block.body)();
    RACES_RELEASE(&grid_end);
}

/* The running fiber is at its end, and `thread` goes on. */
[[noreturn]] SWITCHES static void end_fiber(int thread)
{
    fiber *last = running;
    bool begins = block.state[thread] == UNSTARTED;
    running = begins ? new_fiber() : block.fibers[thread];
    block.state[thread] = READY;
    set_thread(thread);
    idle.push_back(last); /* not before new_fiber: it stands on its stack */
    BEFORE_SWITCH(nullptr, running->stack, STACK_BYTES);
    if (!begins)
        enter(running->place, running->races);
    RACES_SWITCH(running->races);
    setcontext(&running->context);
    cuda_host_fail("a fiber does not begin");
}

/* A fiber runs one thread after the other, as long as the next one in turn has not begun; but one
 * alone where races are looked for, as its accesses are in order. */
static void fiber_main()
{
    const void *bottom = nullptr;
    size_t size = 0;
    AFTER_SWITCH(nullptr, &bottom, &size);
    if (block.from_main) {
        main_bottom = bottom;
        main_size = size;
        block.from_main = false;
    }
    for (;;) {
        run_thread();
        if (!cuda_host_copies_done(current))
            cuda_host_fail("ends with copies of cp.async under way");
        block.state[current] = DONE;
        block.n_done++;
        if (block.n_done == block.n_threads)
            break;
        int next = next_thread();
        if (block.state[next] == UNSTARTED && !looks_for_races) {
            block.state[next] = READY;
            set_thread(next);
            continue;
        }
        end_fiber(next);
    }
    cuda_host_products_end();
    cuda_host_bulk_end();
    idle.push_back(running);
    BEFORE_SWITCH(nullptr, main_bottom, main_size);
    enter(main_place, main_races);
}

static void wait_as(thread_state state)
{
    int self = current;
    block.state[self] = state;
    block.fibers[self] = running;
    int next = next_thread();
    if (next != self)
        switch_to(next);
}

/* The next one of all that can run, whatever the order. */
void cuda_host_give_way()
{
    int self = current;
    block.fibers[self] = running;
    for (int i = 0; i < block.n_threads; i++) {
        block.position = (block.position + 1) % block.n_threads;
        if (can_run(block.position))
            break;
    }
    if (turns[block.position] != self)
        switch_to(turns[block.position]);
}

static void release(int first, int n, thread_state state)
{
    for (int i = first; i < first + n; i++) {
        if (block.state[i] == state)
            block.state[i] = READY;
    }
}

/* The last to come stays where it is in the order: it may be anywhere. */
static void meet(int first, int n, thread_state state)
{
    block.state[current] = READY;
    block.fibers[current] = running;
    release(first, n, state);
    int self = current, next = next_thread();
    if (next != self)
        switch_to(next);
}

/* Before and after a meeting. */
static uint64_t *arrive(meeting_point *point)
{
    uint64_t *address = &point->address[point->turn];
    RACES_RELEASE(address);
    return address;
}

void __syncthreads()
{
    meeting_point *point = &block.meetings->block;
    if (block.n_done > 0)
        cuda_host_fail("__syncthreads after a thread of the block has ended");
    uint64_t *address = arrive(point);
    if (++block.n_at_block < block.n_threads) {
        wait_as(AT_BLOCK);
    } else {
        block.n_at_block = 0;
        point->turn ^= 1;
        order_turns();
        meet(0, block.n_threads, AT_BLOCK);
    }
    RACES_ACQUIRE(address);
}

void cuda_host_warp(cuda_host_warp_op *op, void *argument)
{
    int first = current / 32 * 32;
    warp_meeting *warp = &block.warps[current / 32];
    if (warp->n_here > 0 && warp->op != op)
        cuda_host_fail("lanes of a warp meet in different operations");
    warp->op = op;
    warp->arguments[current % 32] = argument;
    if (++warp->n_here < 32) {
        wait_as(AT_WARP);
        return;
    }
    warp->n_here = 0;
    op(warp->arguments);
    meet(first, 32, AT_WARP);
}

static void nothing(void *(&)[32])
{
}

/* Other operations of a warp order nothing in memory. */
void __syncwarp()
{
    meeting_point *point = &block.meetings->warps[current / 32];
    uint64_t *address = arrive(point);
    bool is_last = block.warps[current / 32].n_here == 31;
    if (is_last)
        point->turn ^= 1;
    cuda_host_warp(nothing, nullptr);
    RACES_ACQUIRE(address);
}

/* What was written before one thread's fence is there after another's later one: blocks run one
 * after the other. */
void __threadfence()
{
    RACES_RELEASE(&fences);
    RACES_ACQUIRE(&fences);
}

void cuda_host_end_grid()
{
    RACES_ACQUIRE(&grid_end);
    for (cuda_host_meetings *meetings : all_meetings)
        free(meetings);
    all_meetings.clear();
}

void cuda_host_run_block(const char *kernel, dim3 shape, cuda_host_order order,
                         const std::function<void()> &body)
{
    int n_threads = (int)(shape.x * shape.y * shape.z);
    idle.reserve(MAX_THREADS + 1); /* it must not grow on a fiber: that would be taken for a race */
    block.kernel = kernel;
    if (n_threads > MAX_THREADS || n_threads % 32 != 0)
        cuda_host_fail("a block has whole warps, and at most 1024 threads");
    block.body = &body;
    block.shape = shape;
    block.order = order;
    block.n_threads = n_threads;
    block.n_done = block.n_at_block = 0;
    if (looks_for_races || all_meetings.empty())
        all_meetings.push_back(
            static_cast<cuda_host_meetings *>(calloc(1, sizeof *block.meetings)));
    block.meetings = all_meetings.back();
    RACES_RELEASE(&block.meetings->begin);
    for (int i = 0; i < n_threads; i++)
        block.state[i] = UNSTARTED;
    for (int i = 0; i < n_threads / 32; i++)
        block.warps[i].n_here = 0;
    cuda_host_copies_begin(n_threads);
    cuda_host_products_begin(n_threads);
    cuda_host_bulk_begin();
    order_turns();
    block.position = -1;
    block.from_main = true;
    int thread = next_thread();
    block.state[thread] = READY;
    set_thread(thread);
    running = new_fiber();
    main_races = RACES_THIS_FIBER();
    BEFORE_SWITCH(&main_fake_stack, running->stack, STACK_BYTES);
    leave(main_place, nullptr, &running->context, running->races);
    AFTER_SWITCH(main_fake_stack, nullptr, nullptr);
}
