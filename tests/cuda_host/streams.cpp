/* Streams, events and graphs. Work runs in the order of its stream, and CUDA_HOST_STREAMS says
 * when:
 * - late, if it says nothing: when the host waits for it, and of several streams as late as may be:
 *   what another stream should have been made to wait for has then not happened yet;
 * - early: as soon as it may, so that it meets what it should have waited for;
 * - random: now and then. */
#include "tests/cuda_host/streams.h"

#include "tests/cuda_host/counts.h"
#include "tests/cuda_host/launch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

enum { N_ORDERS = 3, PATIENCE_S = 300 };

/* True when it is done; false: to be asked again. */
using work_step = std::function<bool()>;

struct item {
    bool is_lazy; /* runs only when the host waits */
    work_step step;
    std::vector<cuda_host_touch> touches;
    int64_t number; /* of the calls that put it there */
    bool begun;
};

struct CUstream_st {
    cuda_host_order order;
    std::deque<item> items;
};

/* How often it was recorded, and how many of these came to pass. */
struct CUevent_st {
    int64_t recorded, passed;
    bool asked;
};

/* A node of a graph: what kind of work it is, and the work. */
struct node {
    std::string kind;
    std::function<void()> work;
    std::vector<cuda_host_touch> touches;
};

struct CUgraph_st {
    std::vector<node> nodes;
};

struct CUgraphExec_st {
    std::vector<node> nodes;
};

cuda_host_counts cuda_host_counted;
bool cuda_host_only_counts;

static std::vector<cudaStream_t> streams;
static cudaGraph_t capture; /* of capturing_stream; NULL: nothing is captured */
static cudaStream_t capturing_stream;
static std::thread::id capturing_thread;

/* The thread of a snapshot has a stream of its own, and calls while the others do. */
static std::recursive_mutex all_streams;
using stream_lock = std::lock_guard<std::recursive_mutex>;

void cuda_host_check_no_capture(const char *what)
{
    stream_lock lock(all_streams);
    if (!capture || capturing_thread != std::this_thread::get_id())
        return;
    fprintf(stderr, "%s while a stream is being captured\n", what);
    abort();
}

cuda_host_order cuda_host_order_of(cudaStream_t stream)
{
    return stream->order;
}

enum pace { UNKNOWN, LATE, EARLY, RANDOM };

static pace chosen_pace()
{
    static pace chosen;
    const char *text = chosen == UNKNOWN ? getenv("CUDA_HOST_STREAMS") : nullptr;
    if (chosen == UNKNOWN)
        chosen = !text ? LATE : strcmp(text, "early") == 0 ? EARLY : RANDOM;
    return chosen;
}

static bool run_first(cudaStream_t stream);

/* After every call that put something on a stream. A snapshot's thread leaves kernels alone. */
static void go_on()
{
    static const std::thread::id first_thread = std::this_thread::get_id();
    static bool running;
    if (chosen_pace() == LATE || running || first_thread != std::this_thread::get_id())
        return;
    running = true;
    for (bool ran = true; ran;) {
        ran = false;
        for (size_t i = 0; i < streams.size(); i++)
            if (chosen_pace() == EARLY || cuda_host_coin())
                ran = run_first(streams[i]) || ran;
    }
    running = false;
}

static void append(cudaStream_t stream, bool is_lazy, work_step step,
                   const std::vector<cuda_host_touch> &touches = {})
{
    static int64_t n_items;
    stream->items.push_back({is_lazy, std::move(step), touches, n_items++, false});
}

static void push(cudaStream_t stream, std::function<void()> work,
                 const std::vector<cuda_host_touch> &touches)
{
    auto step = [work = std::move(work)] {
        work();
        return true;
    };
    append(stream, true, step, touches);
    go_on();
}

static bool overlap(const cuda_host_touch &a, const cuda_host_touch &b)
{
    uintptr_t a_begin = (uintptr_t)a.data, b_begin = (uintptr_t)b.data;
    return (a.writes || b.writes) && a_begin < b_begin + b.bytes && b_begin < a_begin + a.bytes;
}

/* Whatever comes later cannot be waited for by what came earlier: so what runs now, and meets
 * earlier work of another stream on the same memory, has no order with it. */
static void check_order(cudaStream_t stream, const item &now)
{
    for (cudaStream_t other : streams)
        for (const item &earlier : other->items)
            for (const cuda_host_touch &mine : now.touches)
                for (const cuda_host_touch &touch : earlier.touches) {
                    if (other == stream || earlier.number > now.number || !overlap(mine, touch))
                        continue;
                    fprintf(stderr,
                            "%zu bytes at %p: work on a stream does not wait for earlier work of "
                            "another stream on the same memory\n",
                            mine.bytes, mine.data);
                    abort();
                }
}

void cuda_host_enqueue(cudaStream_t stream, const std::string &kind, std::function<void()> work,
                       const std::vector<cuda_host_touch> &touches)
{
    stream_lock lock(all_streams);
    bool copies = kind == "copy" || kind == "copy of rows", zeroes = kind == "memset";
    (copies   ? cuda_host_counted.copies
     : zeroes ? cuda_host_counted.zeroings
              : cuda_host_counted.kernels)++;
    if (cuda_host_only_counts && !copies && !zeroes)
        work = [] {};
    if (capture && stream == capturing_stream)
        capture->nodes.push_back({kind, std::move(work), touches});
    else
        push(stream, std::move(work), touches);
}

void cuda_host_put(cudaStream_t stream, bool (*step)(void *), void *context, cuda_host_touch touch)
{
    stream_lock lock(all_streams);
    cuda_host_check_no_capture("a library's work");
    append(stream, false, [=] { return step(context); }, {touch});
    cuda_host_progress();
    go_on();
}

static bool run_first(cudaStream_t stream)
{
    if (stream->items.empty())
        return false;
    item &first = stream->items.front();
    if (!first.begun)
        check_order(stream, first);
    first.begun = true;
    if (!first.step())
        return false;
    stream->items.pop_front();
    return true;
}

void cuda_host_progress()
{
    stream_lock lock(all_streams);
    for (size_t i = 0; i < streams.size(); i++)
        while (!streams[i]->items.empty() && !streams[i]->items.front().is_lazy)
            if (!run_first(streams[i]))
                break;
}

/* What holds `first` up decides which other streams go on: all by one step. */
static bool run_some(cudaStream_t first)
{
    bool ran = first && run_first(first);
    for (size_t i = 0; i < streams.size() && !(ran && first); i++)
        if (streams[i] != first)
            ran = run_first(streams[i]) || ran;
    return ran;
}

static void run_until(cudaStream_t first, const std::function<bool()> &done)
{
    cuda_host_check_no_capture("a wait");
    time_t limit = time(nullptr) + PATIENCE_S;
    for (;;) {
        {
            stream_lock lock(all_streams);
            if (done())
                return;
            if (run_some(first))
                continue;
        }
        sched_yield(); /* another rank has to go on */
        if (time(nullptr) > limit)
            cuda_host_fail("work on a stream never ends");
    }
}

void cuda_host_drain()
{
    run_until(nullptr, [] {
        return std::all_of(streams.begin(), streams.end(),
                           [](cudaStream_t stream) { return stream->items.empty(); });
    });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned)
{
    static int n_streams;
    stream_lock lock(all_streams);
    *out = new CUstream_st{(cuda_host_order)(n_streams++ % N_ORDERS), {}};
    streams.push_back(*out);
    return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned flags, int)
{
    return cudaStreamCreateWithFlags(out, flags);
}

/* What is left on it goes with it. */
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    stream_lock lock(all_streams);
    streams.erase(std::find(streams.begin(), streams.end(), stream));
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    cuda_host_counted.waits++;
    run_until(stream, [=] { return stream->items.empty(); });
    return cudaSuccess;
}

/* What comes later on the stream waits for the event as it was last recorded. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    stream_lock lock(all_streams);
    cuda_host_check_no_capture("a wait for an event");
    int64_t n = event->recorded;
    append(stream, false, [=] { return event->passed >= n; });
    go_on();
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned)
{
    *out = new CUevent_st{};
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    run_until(nullptr, [=] { return event->passed == event->recorded; });
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    stream_lock lock(all_streams);
    if (stream == capturing_stream)
        cuda_host_check_no_capture("an event that the host waits for");
    event->recorded++;
    event->asked = false;
    append(stream, false, [=] {
        event->passed++;
        return true;
    });
    go_on();
    return cudaSuccess;
}

/* Never at the first question. */
cudaError_t cudaEventQuery(cudaEvent_t event)
{
    stream_lock lock(all_streams);
    cuda_host_check_no_capture("a question to an event");
    bool first = !event->asked;
    event->asked = true;
    if (!first)
        run_some(nullptr);
    bool passed = !first && event->passed == event->recorded;
    return cuda_host_error(passed ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    run_until(nullptr, [=] { return event->passed == event->recorded; });
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
    stream_lock lock(all_streams);
    cuda_host_check_no_capture("a second capture");
    capture = new CUgraph_st;
    capturing_stream = stream;
    capturing_thread = std::this_thread::get_id();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *out)
{
    stream_lock lock(all_streams);
    *out = capture;
    capture = nullptr;
    capturing_stream = nullptr;
    return cuda_host_error(*out ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *, size_t *n)
{
    *n = graph->nodes.size();
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    *out = new CUgraphExec_st{graph->nodes};
    return cudaSuccess;
}

/* Arguments may differ, the work may not. */
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo *)
{
    auto same = [](const node &a, const node &b) { return a.kind == b.kind; };
    if (!std::equal(exec->nodes.begin(), exec->nodes.end(), graph->nodes.begin(),
                    graph->nodes.end(), same))
        return cuda_host_error(cudaErrorGraphExecUpdateFailure);
    exec->nodes = graph->nodes;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    stream_lock lock(all_streams);
    cuda_host_counted.graphs++;
    cuda_host_check_no_capture("a graph's start");
    for (auto &node : exec->nodes)
        push(stream, node.work, node.touches);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}
