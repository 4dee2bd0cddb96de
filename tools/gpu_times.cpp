/* The time of every kernel of a program, which the driver loads this into: with
 * CUDA_INJECTION64_PATH=libgpu_times.so it writes, when the program ends, a line per kernel to
 * GPU_TIMES: launches, milliseconds in all, microseconds each, name. Built by tools/gpu_bundle.sh
 * where CUPTI is found. */
#include <cupti.h>
#include <stdio.h>
#include <stdlib.h>

#include <map>
#include <mutex>
#include <string>

struct sum {
    long n = 0;
    double ns = 0;
};

static std::mutex lock;
static std::map<std::string, sum> *sums; /* never freed: records may come until the end */

static const size_t BUFFER_BYTES = (size_t)8 << 20;

static void CUPTIAPI give_buffer(uint8_t **buffer, size_t *bytes, size_t *max_records)
{
    *buffer = static_cast<uint8_t *>(aligned_alloc(8, BUFFER_BYTES));
    *bytes = *buffer ? BUFFER_BYTES : 0;
    *max_records = 0;
}

static void CUPTIAPI take_buffer(CUcontext, uint32_t, uint8_t *buffer, size_t, size_t bytes)
{
    CUpti_Activity *record = nullptr;
    std::lock_guard<std::mutex> guard(lock);
    while (cuptiActivityGetNextRecord(buffer, bytes, &record) == CUPTI_SUCCESS) {
        if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL)
            continue;
        auto *kernel = reinterpret_cast<CUpti_ActivityKernel10 *>(record);
        sum &of = (*sums)[kernel->name ? kernel->name : "?"];
        of.n++;
        of.ns += (double)(kernel->end - kernel->start);
    }
    free(buffer);
}

static void print()
{
    const char *path = getenv("GPU_TIMES");
    cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
    FILE *file = path ? fopen(path, "w") : nullptr;
    if (!file)
        return;
    std::lock_guard<std::mutex> guard(lock);
    for (auto &[name, of] : *sums)
        fprintf(file, "%ld %.3f %.2f %s\n", of.n, of.ns / 1e6, of.ns / 1e3 / (double)of.n,
                name.c_str());
    fclose(file);
}

extern "C" int InitializeInjection()
{
    sums = new std::map<std::string, sum>;
    if (cuptiActivityRegisterCallbacks(give_buffer, take_buffer) != CUPTI_SUCCESS ||
        cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) != CUPTI_SUCCESS)
        return 0;
    atexit(print);
    return 1;
}
