/* A job on its way to the ranks that compute it: the line, its id and its token ids as bytes. */
#ifndef YOCO_BATCH_PARCEL_H
#define YOCO_BATCH_PARCEL_H

#include "coordinator/batch/input.h"
#include "coordinator/session/bytes.h"

typedef struct yoco_batch_parcel {
    bool borrows; /* job and prompt are an entry's */
    yoco_batch_job job;
    yoco_prompt prompt;
    char id[YOCO_HASH_TEXT_BYTES];
    int64_t index, line; /* of the entry */
} yoco_batch_parcel;

/* Appends an entry that was encoded, or leaves the bytes as they were. context NULL: every rank has
 * it, and prompt.context.ids will be NULL. */
yoco_status yoco_batch_parcel_pack(const yoco_batch_entry *entry, int64_t index,
                                   const yoco_ids *context, yoco_bytes *bytes);
/* Reads one parcel at *at and moves *at behind it, also where memory does not do for it; out->index
 * is then set all the same. */
yoco_status yoco_batch_parcel_unpack(const yoco_bytes *bytes, size_t *at, yoco_batch_parcel *out);
/* An entry that was encoded as a parcel on its own rank, as long as the entry and the ids live. */
yoco_batch_parcel yoco_batch_parcel_borrow(const yoco_batch_entry *entry, int64_t index,
                                           const yoco_ids *context);
void yoco_batch_parcel_free(yoco_batch_parcel *parcel);

#endif
