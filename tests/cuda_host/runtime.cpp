/* The runtime: memory that starts as NaN, kernels, and what the device is. */
#include <stdio.h>
#include <stdlib.h>

#include <sys/mman.h>

#include <map>
#include <set>
#include <string>

#include "tests/cuda_host/counts.h"
#include "tests/cuda_host/launch.h"
#include "tests/cuda_host/races.h"
#include "tests/cuda_host/streams.h"

enum { MOST_DEVICES = 64 };

static const size_t TOTAL_BYTES = (size_t)8 << 30;

static size_t allocated_bytes;
static std::map<uintptr_t, size_t> allocations; /* device memory */
static unsigned char *shared;
static size_t shared_size;

unsigned char *cuda_host_shared()
{
    return shared;
}

size_t cuda_host_shared_bytes()
{
    return shared_size;
}

/* What ran: kernels, who launched them, with how many threads and how much shared memory; for the
 * check that none is left out, and for docs/GPU.md. */
static struct trace {
    std::set<std::string> lines;
    ~trace()
    {
        FILE *file = lines.empty() ? nullptr : fopen(CUDA_HOST_TRACE, "a");
        std::string text;
        for (auto &line : lines)
            text += line + "\n";
        if (!file)
            return;
        setvbuf(file, nullptr, _IONBF, 0); /* one write, whole beside those of other programs */
        fwrite(text.data(), 1, text.size(), file);
        fclose(file);
    }
} ran;

/* A block's shared memory, all NaN; exactly as long as it is, so that AddressSanitizer sees its
 * end. Where races are looked for, mapped: an unmapped page is forgotten, a freed one was accessed.
 */
static unsigned char *new_shared(size_t bytes)
{
    void *memory = nullptr;
    if (looks_for_races)
        memory =
            mmap(nullptr, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else if (posix_memalign(&memory, 16, bytes) != 0)
        memory = MAP_FAILED;
    if (memory == MAP_FAILED)
        cuda_host_fail("no memory for shared memory");
    memset(memory, 0xff, bytes);
    return static_cast<unsigned char *>(memory);
}

static void end_shared(unsigned char *memory, size_t bytes)
{
    if (looks_for_races)
        munmap(memory, bytes + 1);
    else
        free(memory);
}

void cuda_host_run_grid(const char *kernel, dim3 grid, dim3 shape, size_t shared_bytes,
                        cuda_host_order order, const std::function<void()> &body)
{
    gridDim = grid;
    blockDim = shape;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = dim3(x, y, z);
                shared = new_shared(shared_bytes);
                shared_size = shared_bytes;
                cuda_host_run_block(kernel, shape, order, body);
                end_shared(shared, shared_bytes);
            }
        }
    }
    cuda_host_end_grid();
}

static bool is_device_memory(uintptr_t address)
{
    auto after = allocations.upper_bound(address);
    if (after == allocations.begin())
        return false;
    auto found = std::prev(after);
    return address <= found->first + found->second; /* one past the end is legal */
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *out, const void *ptr)
{
    out->type =
        is_device_memory((uintptr_t)ptr) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    return cudaSuccess;
}

/* Heap and stacks lie above this on every system, two small integers in a word, and the sanitizer's
 * shadow, below. */
static const uintptr_t FIRST_HOST_ADDRESS = (uintptr_t)1 << 45;

void cuda_host_check_argument(const char *kernel, const void *argument, size_t bytes)
{
    for (size_t at = 0; at + sizeof(uintptr_t) <= bytes; at += sizeof(uintptr_t)) {
        uintptr_t word;
        unsigned char resident;
        memcpy(&word, static_cast<const char *>(argument) + at, sizeof word);
        void *page = (void *)(word & ~(uintptr_t)4095);
        if (word < FIRST_HOST_ADDRESS || is_device_memory(word) || mincore(page, 1, &resident) != 0)
            continue;
        fprintf(stderr, "kernel %s: byte %zu of an argument points to host memory\n", kernel, at);
        abort();
    }
}

void cuda_host_run(const cuda_host_kernel &kernel, dim3 grid, dim3 shape, size_t shared_bytes,
                   cudaStream_t stream, std::function<void()> body)
{
    const char *name = kernel.name;
    ran.lines.insert(std::string(name) + "|" + std::to_string(shape.x * shape.y * shape.z) + "|" +
                     std::to_string(shared_bytes) + "|" + kernel.caller);
    if (cuda_host_refuses(kernel, grid, shape, shared_bytes))
        return;
    cuda_host_order order = cuda_host_order_of(stream);
    cuda_host_enqueue(stream, name,
                      [=] { cuda_host_run_grid(name, grid, shape, shared_bytes, order, body); });
}

/* CUDA_HOST_DEVICES, or one for every rank. */
cudaError_t cudaGetDeviceCount(int *n)
{
    const char *text = getenv("CUDA_HOST_DEVICES");
    *n = text ? atoi(text) : MOST_DEVICES;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device)
{
    snprintf(text, (size_t)size, "0000:%02x:00.0", (unsigned)device & 0xff);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int)
{
    *out = {};
    snprintf(out->name, sizeof out->name, "host");
    out->totalGlobalMem = TOTAL_BYTES;
    out->sharedMemPerBlockOptin = cuda_host_this_gpu().shared_limit;
    out->major = cuda_host_this_gpu().major;
    out->minor = cuda_host_this_gpu().minor;
    out->multiProcessorCount = 4;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    int n;
    cudaGetDeviceCount(&n);
    return cuda_host_error(device >= 0 && device < n ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    *free_bytes = TOTAL_BYTES - allocated_bytes;
    *total_bytes = TOTAL_BYTES;
    return cudaSuccess;
}

/* The size stands in front of the memory. */
static const size_t HEADER = 256;

cudaError_t cudaMalloc(void **out, size_t bytes)
{
    cuda_host_check_no_capture("an allocation");
    cuda_host_drain(); /* it may wait for all that runs, as cudaFree does */
    void *base;
    if (bytes > TOTAL_BYTES - allocated_bytes || posix_memalign(&base, HEADER, HEADER + bytes) != 0)
        return cuda_host_error(cudaErrorMemoryAllocation);
    *static_cast<size_t *>(base) = bytes;
    allocated_bytes += bytes;
    *out = static_cast<char *>(base) + HEADER;
    allocations[(uintptr_t)*out] = bytes;
    memset(*out, 0xff, bytes);
    return cudaSuccess;
}

cudaError_t cudaFree(void *ptr)
{
    cuda_host_drain();
    if (!ptr)
        return cudaSuccess;
    allocations.erase((uintptr_t)ptr);
    void *base = static_cast<char *>(ptr) - HEADER;
    allocated_bytes -= *static_cast<size_t *>(base);
    free(base);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **out, size_t bytes)
{
    *out = malloc(bytes);
    return cuda_host_error(*out ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *ptr)
{
    cuda_host_drain();
    free(ptr);
    return cudaSuccess;
}

/* All host memory counts as pinned: a copy reads it, or writes it, when its turn comes. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream)
{
    if (!is_device_memory((uintptr_t)from)) {
        cuda_host_counted.uploads++;
        cuda_host_counted.upload_bytes += (int64_t)bytes;
    }
    cuda_host_enqueue(stream, "copy", [=] { memmove(to, from, bytes); },
                      {{to, bytes, true}, {from, bytes, false}});
    return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind, cudaStream_t stream)
{
    auto copy = [=] {
        for (size_t row = 0; row < height; row++)
            memmove(static_cast<char *>(to) + row * to_pitch,
                    static_cast<const char *>(from) + row * from_pitch, width);
    };
    cuda_host_enqueue(stream, "copy of rows", copy,
                      {{to, height * to_pitch, true}, {from, height * from_pitch, false}});
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *ptr, int value, size_t bytes, cudaStream_t stream)
{
    cuda_host_enqueue(stream, "memset", [=] { memset(ptr, value, bytes); }, {{ptr, bytes, true}});
    return cudaSuccess;
}
