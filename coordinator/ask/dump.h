/* --dump: what a run computed, as a safetensors file that holds nothing that varies from run to
 * run. */
#ifndef YOCO_DUMP_H
#define YOCO_DUMP_H

#include "coordinator/ask/answer.h"
#include "coordinator/ask/prompt.h"
#include "coordinator/session/session.h"

/* Collective. For each question: prompt I64 (n_prompt), generated I64 (n), logits F32 (n,
 * vocab_size), then for each layer that keeps rows key_cache F32 (rows, n_kv_heads, k_dim) and
 * value_cache F32 (rows, n_kv_heads, v_dim), from the second such layer on with the suffix
 * ".layer<l>". All have the suffix ".<question>" where there are two questions or more. */
yoco_status yoco_dump_write(yoco_session *session, const char *path, const yoco_prompt *prompt,
                            const yoco_answer *answers);

#endif
