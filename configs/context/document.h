/* The token ids of a saved context, and its checks that need no model. */
#ifndef YOCO_CONTEXT_DOCUMENT_H
#define YOCO_CONTEXT_DOCUMENT_H

#include "configs/context/file.h"

/* Of the ids as 64-bit integers, which is the checksum of document.safetensors. */
yoco_status yoco_context_document_hash(const int32_t *ids, int64_t n_ids, yoco_hash *out);

/* ids: (identity->n_tokens) */
yoco_status yoco_context_document_save(const char *folder, const yoco_context_identity *identity,
                                       const int32_t *ids);
/* *ids is the caller's to free with yoco_free; NULL where there are no tokens. An id at or past
 * vocab_size is an error. */
yoco_status yoco_context_document_load(const char *folder, const yoco_context_identity *identity,
                                       int vocab_size, int32_t **ids);

/* Every file of a complete context: length, part, checksum. Logs each that fails and goes on. */
yoco_status yoco_context_verify(const char *folder, const yoco_context_manifest *manifest);

#endif
