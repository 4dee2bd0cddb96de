#include "configs/model/model_config.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yoco_model_config c;
    if (yoco_model_config_parse("fuzz", (const char *)data, size, &c) != YOCO_OK)
        return 0;
    /* What every later computation counts on. */
    if (c.n_layers < 2 || yoco_config_self_head_dim(&c) % 2 != 0 ||
        yoco_config_head_dim(&c) % 2 != 0 || c.n_attn_heads % c.n_attn_kv_heads != 0 ||
        c.max_seq_len < 1 || c.sliding_window < 0)
        abort();
    return 0;
}
