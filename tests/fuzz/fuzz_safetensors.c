#include "configs/files/safetensors.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yoco_safetensors *file;
    if (yoco_safetensors_parse("fuzz", data, size, &file) != YOCO_OK)
        return 0;
    /* Tensors cover the end of the file without overlap, and each is found under its name. */
    const uint8_t *end = data + size;
    for (int i = yoco_safetensors_count(file) - 1; i >= 0; i--) {
        const yoco_tensor *tensor = yoco_safetensors_at(file, i);
        if ((const uint8_t *)tensor->data + tensor->bytes != end ||
            yoco_safetensors_find(file, tensor->name) != tensor)
            abort();
        end = tensor->data;
    }
    if (end < data + 8)
        abort();
    yoco_safetensors_close(file);
    return 0;
}
