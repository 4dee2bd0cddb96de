/* Decode steps as CUDA graphs. While a step is recorded, what comes between two flushes is a
 * section: it is captured, becomes a graph, and starts at once at the flush: before the host waits,
 * and after every layer, so that the device computes one while the host captures the next. The same
 * section of the next step differs in arguments and grids only, so its graph is updated and not
 * made anew. The first step is not captured: what libraries load or allocate, they do
 * then. */
#include "kernels/cuda/device.cuh"

void yoco_cuda_graph_resume(yoco_device *device)
{
    section_recorder *r = &device->recorder;
    if (r->on && r->next < MAX_SECTIONS)
        r->capturing = yoco_cuda_check(
            device, cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal),
            "capturing a step");
}

static bool is_empty(yoco_device *device, cudaGraph_t graph)
{
    size_t n_nodes = 0;
    yoco_cuda_check(device, cudaGraphGetNodes(graph, NULL, &n_nodes), "a step's graph");
    return n_nodes == 0;
}

/* An update fails where the section has other work than in the step before. */
static bool prepare(yoco_device *device, cudaGraph_t graph, cudaGraphExec_t *section)
{
    cudaGraphExecUpdateResultInfo info;
    if (*section && cudaGraphExecUpdate(*section, graph, &info) == cudaSuccess)
        return true;
    (void)cudaGetLastError(); /* the update's: it is no failure */
    if (*section)
        yoco_cuda_check(device, cudaGraphExecDestroy(*section), "a step's graph");
    *section = NULL;
    return yoco_cuda_check(device, cudaGraphInstantiate(section, graph, 0), "a step's graph");
}

void yoco_cuda_graph_flush(yoco_device *device)
{
    section_recorder *r = &device->recorder;
    cudaGraph_t graph = NULL;
    yoco_cuda_check_launches(device);
    if (!r->capturing)
        return;
    r->capturing = false;
    if (!yoco_cuda_check(device, cudaStreamEndCapture(device->stream, &graph), "capturing a step"))
        return;
    if (!is_empty(device, graph) && prepare(device, graph, &r->sections[r->next])) {
        yoco_cuda_check(device, cudaGraphLaunch(r->sections[r->next], device->stream),
                        "starting a step");
        r->next++;
    }
    yoco_cuda_check(device, cudaGraphDestroy(graph), "a step's graph");
}

static void record(yoco_device *device, bool on)
{
    section_recorder *r = &device->recorder;
    yoco_cuda_graph_flush(device);
    r->on = on && r->warm;
    r->warm = true;
    r->next = 0;
    yoco_cuda_graph_resume(device);
}

void yoco_cuda_graph_close(yoco_device *device)
{
    for (int i = 0; i < MAX_SECTIONS; i++) {
        if (device->recorder.sections[i])
            (void)cudaGraphExecDestroy(device->recorder.sections[i]);
    }
}

static void hold(yoco_device *device, bool on)
{
    (on ? yoco_cuda_graph_flush : yoco_cuda_graph_resume)(device);
}

static void *handle(yoco_device *device)
{
    return device->stream;
}

const yoco_stream_ops yoco_cuda_stream = {
    .handle = handle,
    .record = record,
    .hold = hold,
    .merge_flags = yoco_cuda_merge_flags,
};
