#include <stdlib.h>

#include "base.h"
#include "tests/comm/memory.h"

bool uses_device_memory(void)
{
    return false;
}

void *get_memory(size_t bytes)
{
    void *ptr;
    if (yoco_alloc(bytes, "a test", &ptr) != YOCO_OK)
        exit(1);
    return ptr;
}

void free_memory(void *ptr)
{
    yoco_free(ptr);
}
