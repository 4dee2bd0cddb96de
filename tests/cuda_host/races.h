/* What ThreadSanitizer is told (the preset "races"): a thread of a kernel is a fiber of its own,
 * and only what CUDA promises orders two of them: barriers of a block or a warp, a launch, its end.
 * So a race between threads of a grid shows whatever the order in which they ran. Without the
 * sanitizer these do nothing. */
#ifndef CUDA_HOST_RACES_H
#define CUDA_HOST_RACES_H

#include <stddef.h>

#ifdef CUDA_HOST_RACES
#include <sanitizer/tsan_interface.h>

extern "C" {
void __tsan_read16(void *address);
void __tsan_write16(void *address);
void AnnotateIgnoreReadsAndWritesBegin(const char *file, int line);
void AnnotateIgnoreReadsAndWritesEnd(const char *file, int line);
}

/* Inside of its scope the host works for itself: its memory is none that a GPU has. */
struct races_ignored {
    races_ignored()
    {
        AnnotateIgnoreReadsAndWritesBegin(__FILE__, __LINE__);
    }
    ~races_ignored()
    {
        AnnotateIgnoreReadsAndWritesEnd(__FILE__, __LINE__);
    }
};

#define RACES_NEW_FIBER() __tsan_create_fiber(0)
#define RACES_THIS_FIBER() __tsan_get_current_fiber()
#define RACES_SWITCH(fiber) __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync)
#define RACES_RELEASE(address) __tsan_release(address)
#define RACES_ACQUIRE(address) __tsan_acquire(address)
#define RACES_READ_16(address) __tsan_read16(const_cast<void *>(static_cast<const void *>(address)))
#define RACES_WRITE_16(address) __tsan_write16(address)
static const bool looks_for_races = true;
#else
struct races_ignored {
    ~races_ignored()
    {
    }
};
#define RACES_NEW_FIBER() nullptr
#define RACES_THIS_FIBER() nullptr
#define RACES_SWITCH(fiber) (void)(fiber)
#define RACES_RELEASE(address) (void)(address)
#define RACES_ACQUIRE(address) (void)(address)
#define RACES_READ_16(address) (void)(address)
#define RACES_WRITE_16(address) (void)(address)
static const bool looks_for_races = false;
#endif

#endif
