/* Work of other stand-ins on a stream. */
#ifndef CUDA_HOST_PUT_H
#define CUDA_HOST_PUT_H

#include <stdbool.h>
#include <stddef.h>

struct CUstream_st;

#ifdef __cplusplus
extern "C" {
#endif

/* Memory that work reads or writes. What runs while earlier work of another stream, which it did
 * not wait for, has still to touch the same memory ends the program. */
typedef struct cuda_host_touch {
    const void *data;
    size_t bytes;
    bool writes;
} cuda_host_touch;

/* `step` is called in the stream's order, again and again until it returns true. Not for a stream
 * that is being captured. */
void cuda_host_put(struct CUstream_st *stream, bool (*step)(void *context), void *context,
                   cuda_host_touch touch);

/* Libraries' work, events and waits for them go on as far as they can, as they do on a device while
 * the host does something else; kernels and copies stay where they are until the host waits. */
void cuda_host_progress(void);

/* Ends the program where this thread captures a stream: nothing that waits or allocates is legal
 * then. */
void cuda_host_check_no_capture(const char *what);

#ifdef __cplusplus
}
#endif

#endif
