#include "tests/cuda_host/fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <vector>

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

enum { MAX_THREADS = 1024, STACK_BYTES = 256 * 1024 };

enum thread_state { UNSTARTED, READY, AT_WARP, AT_BLOCK, DONE };

/* ucontext makes a fiber; from then on it is left and entered by the compiler's own setjmp, which
 * makes no system call. */
struct fiber {
    ucontext_t context;
    void *place[5];
    void *stack;
    void *fake_stack; /* AddressSanitizer's */
};

struct warp_meeting {
    int n_here;
    cuda_host_warp_op *op;
    void *arguments[32];
};

/* The running block. */
static struct {
    const char *kernel;
    const std::function<void()> *body;
    dim3 shape;
    cuda_host_order order;
    int n_threads, n_done, n_at_block;
    int position;   /* in `turns` */
    bool from_main; /* no fiber has run yet */
    thread_state state[MAX_THREADS];
    fiber *fibers[MAX_THREADS]; /* of threads that wait */
    warp_meeting warps[MAX_THREADS / 32];
} block;

static int turns[MAX_THREADS]; /* threads in the order in which they get the processor */
static int current;            /* thread; the running fiber is its own */
static fiber *running;
static std::vector<fiber *> &idle = *new std::vector<fiber *>; /* never freed: no leak at the end */
static void *main_place[5];
static void *main_fake_stack;
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

static void order_turns()
{
    for (int i = 0; i < block.n_threads; i++)
        turns[i] = block.order == CUDA_HOST_DESCENDING ? block.n_threads - 1 - i : i;
    if (block.order != CUDA_HOST_SHUFFLED)
        return;
    for (int i = block.n_threads - 1; i > 0; i--) {
        shuffle_state = shuffle_state * 6364136223846793005u + 1442695040888963407u;
        int j = (int)((shuffle_state >> 33) % (uint64_t)(i + 1)), kept = turns[i];
        turns[i] = turns[j];
        turns[j] = kept;
    }
}

static int next_thread()
{
    for (int i = 0; i < block.n_threads; i++) {
        block.position++;
        if (block.position >= block.n_threads)
            block.position = 0;
        int thread = turns[block.position];
        if (block.state[thread] == UNSTARTED || block.state[thread] == READY)
            return thread;
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

[[noreturn]] SWITCHES static void enter(void **place)
{
    __builtin_longjmp(place, 1);
}

/* Leaves `from` for a place that was left before, or for a new fiber. */
SWITCHES static void leave(void **from, void **to, const ucontext_t *begin)
{
    if (__builtin_setjmp(from) != 0)
        return;
    if (begin)
        setcontext(begin);
    enter(to);
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
    leave(from->place, to->place, begins ? &to->context : nullptr);
    AFTER_SWITCH(from->fake_stack, nullptr, nullptr);
}

/* A fiber runs one thread after the other, as long as the next one in turn has not begun. */
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
        (*block.body)();
        if (!cuda_host_copies_done(current))
            cuda_host_fail("ends with copies of cp.async under way");
        block.state[current] = DONE;
        block.n_done++;
        if (block.n_done == block.n_threads)
            break;
        int next = next_thread();
        if (block.state[next] == UNSTARTED) {
            block.state[next] = READY;
            set_thread(next);
            continue;
        }
        idle.push_back(running);
        running = block.fibers[next];
        set_thread(next);
        BEFORE_SWITCH(nullptr, running->stack, STACK_BYTES);
        enter(running->place);
    }
    idle.push_back(running);
    BEFORE_SWITCH(nullptr, main_bottom, main_size);
    enter(main_place);
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

void __syncthreads()
{
    if (block.n_done > 0)
        cuda_host_fail("__syncthreads after a thread of the block has ended");
    if (++block.n_at_block < block.n_threads) {
        wait_as(AT_BLOCK);
        return;
    }
    block.n_at_block = 0;
    order_turns();
    meet(0, block.n_threads, AT_BLOCK);
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

void __syncwarp()
{
    cuda_host_warp(nothing, nullptr);
}

void cuda_host_run_block(const char *kernel, dim3 shape, cuda_host_order order,
                         const std::function<void()> &body)
{
    int n_threads = (int)(shape.x * shape.y * shape.z);
    block.kernel = kernel;
    if (n_threads > MAX_THREADS || n_threads % 32 != 0)
        cuda_host_fail("a block has whole warps, and at most 1024 threads");
    block.body = &body;
    block.shape = shape;
    block.order = order;
    block.n_threads = n_threads;
    block.n_done = block.n_at_block = 0;
    for (int i = 0; i < n_threads; i++)
        block.state[i] = UNSTARTED;
    for (int i = 0; i < n_threads / 32; i++)
        block.warps[i].n_here = 0;
    cuda_host_copies_begin(n_threads);
    order_turns();
    block.position = -1;
    block.from_main = true;
    int thread = next_thread();
    block.state[thread] = READY;
    set_thread(thread);
    running = new_fiber();
    BEFORE_SWITCH(&main_fake_stack, running->stack, STACK_BYTES);
    leave(main_place, nullptr, &running->context);
    AFTER_SWITCH(main_fake_stack, nullptr, nullptr);
}
