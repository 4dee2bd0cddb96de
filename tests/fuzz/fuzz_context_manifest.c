#include "configs/context/manifest.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int partial = 0; partial < 2; partial++) {
        yoco_context_manifest m;
        if (yoco_context_manifest_parse("fuzz", (const char *)data, size, partial, &m) != YOCO_OK)
            continue;
        /* What a loader counts on. */
        const yoco_context_identity *id = &m.identity;
        if (id->n_tokens < 0 || id->chunk_rows < 1 ||
            m.n_chunks != yoco_div_up(id->n_tokens, id->chunk_rows) ||
            (m.chunks == NULL) != partial)
            abort();
        for (int64_t i = 0; !partial && i < m.n_chunks; i++)
            if (m.chunks[i].bytes < 1 || m.edges[i].bytes < 0)
                abort();
        if (!partial && m.n_chunks > 0 && m.edges[m.n_chunks - 1].bytes == 0)
            abort();
        yoco_context_manifest_free(&m);
    }
    return 0;
}
