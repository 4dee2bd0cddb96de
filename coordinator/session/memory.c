#include "coordinator/session/memory.h"

#include <sys/resource.h>

yoco_status yoco_memory_measure(const yoco_session *session, yoco_memory *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    float kib[] = {(float)usage.ru_maxrss,
                   (float)yoco_worker_device_memory(session->worker) / 1024.0f};
    YOCO_TRY(yoco_all_max_f32(session->comm, kib, 2));
    *out =
        (yoco_memory){.peak_bytes = (size_t)kib[0] * 1024, .device_bytes = (size_t)kib[1] * 1024};
    return YOCO_OK;
}
