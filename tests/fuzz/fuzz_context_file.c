#include "configs/context/file.h"
#include "fuzz.h"

#include <stdlib.h>

/* As a loader reads a chunk, an edge and a document of one context. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const yoco_context_identity identity = {
        .arithmetic = "cpu", .dtype = YOCO_F32, .n_tokens = 3, .chunk_rows = 2};
    static const int n_dims[] = {1, 3, 4};
    yoco_safetensors *file;
    if (yoco_safetensors_parse("fuzz", data, size, &file) != YOCO_OK)
        return 0;
    for (int kind = YOCO_CONTEXT_DOCUMENT; kind <= YOCO_CONTEXT_EDGE; kind++) {
        const yoco_context_part part = {&identity, (yoco_context_kind)kind, 0};
        yoco_hash checksum;
        int n = yoco_safetensors_count(file);
        if (yoco_context_file_check("fuzz", file, &part, NULL, 0, &checksum) != YOCO_OK || n == 0)
            continue;
        /* The loader reads the tensors' bytes in one run. */
        const uint8_t *at = yoco_safetensors_at(file, 0)->data;
        for (int i = 0; i < n; i++) {
            const yoco_tensor *tensor = yoco_safetensors_at(file, i);
            if ((const uint8_t *)tensor->data != at || tensor->n_dims != n_dims[kind])
                abort();
            at += tensor->bytes;
        }
        if (at != data + size)
            abort();
    }
    yoco_safetensors_close(file);
    return 0;
}
