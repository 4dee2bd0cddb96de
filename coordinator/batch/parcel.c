#include "coordinator/batch/parcel.h"

#include <stdlib.h>
#include <string.h>

typedef struct parcel_head {
    int64_t index, bytes, line, line_bytes, n_context, with_context, n_questions, branch_rows;
    char id[YOCO_HASH_TEXT_BYTES + 7];
} parcel_head;

static yoco_status add_ids(yoco_bytes *bytes, const yoco_ids *ids)
{
    return yoco_bytes_add(bytes, ids->ids, (size_t)ids->n * sizeof *ids->ids);
}

static yoco_status pack(const yoco_batch_entry *entry, int64_t index, const yoco_ids *context,
                        yoco_bytes *bytes)
{
    const yoco_prompt *prompt = &entry->prompt;
    size_t begin = bytes->size;
    parcel_head head = {.index = index,
                        .line = entry->line,
                        .line_bytes = (int64_t)entry->size,
                        .n_context = prompt->context.n,
                        .with_context = context != NULL,
                        .n_questions = prompt->n_questions,
                        .branch_rows = prompt->branch_rows};
    memcpy(head.id, entry->id, sizeof entry->id);
    YOCO_TRY(yoco_bytes_add(bytes, &head, sizeof head));
    YOCO_TRY(yoco_bytes_add(bytes, entry->text, entry->size));
    if (context)
        YOCO_TRY(add_ids(bytes, context));
    for (int i = 0; i < prompt->n_questions; i++) {
        YOCO_TRY(yoco_bytes_add(bytes, &prompt->questions[i].tokens.n, sizeof(int64_t)));
        YOCO_TRY(add_ids(bytes, &prompt->questions[i].tokens));
    }
    head.bytes = (int64_t)(bytes->size - begin);
    memcpy(bytes->data + begin, &head, sizeof head);
    return YOCO_OK;
}

yoco_status yoco_batch_parcel_pack(const yoco_batch_entry *entry, int64_t index,
                                   const yoco_ids *context, yoco_bytes *bytes)
{
    size_t before = bytes->size;
    yoco_status status = pack(entry, index, context, bytes);
    if (status != YOCO_OK)
        bytes->size = before;
    return status;
}

static void take(const yoco_bytes *bytes, size_t *at, void *out, size_t size)
{
    if (size > 0)
        memcpy(out, bytes->data + *at, size);
    *at += size;
}

static yoco_status take_ids(const yoco_bytes *bytes, size_t *at, int64_t n, yoco_ids *out)
{
    size_t size = (size_t)n * sizeof *out->ids;
    YOCO_TRY(yoco_alloc(size, "token ids", (void **)&out->ids));
    out->n = n;
    take(bytes, at, out->ids, size);
    return YOCO_OK;
}

static yoco_status unpack(const yoco_bytes *bytes, size_t at, const parcel_head *head,
                          yoco_batch_parcel *parcel)
{
    yoco_batch_fault fault;
    size_t line = at;
    at += (size_t)head->line_bytes;
    YOCO_TRY(
        yoco_batch_job_parse(bytes->data + line, (size_t)head->line_bytes, &parcel->job, &fault));
    parcel->prompt.context.n = head->n_context;
    if (head->with_context)
        YOCO_TRY(take_ids(bytes, &at, head->n_context, &parcel->prompt.context));
    parcel->prompt.questions = calloc((size_t)head->n_questions, sizeof *parcel->prompt.questions);
    if (!parcel->prompt.questions) {
        yoco_log_error("cannot allocate a job");
        return YOCO_ERR_MEMORY;
    }
    parcel->prompt.n_questions = (int)head->n_questions;
    parcel->prompt.branch_rows = head->branch_rows;
    for (int i = 0; i < parcel->prompt.n_questions; i++) {
        int64_t n;
        take(bytes, &at, &n, sizeof n);
        YOCO_TRY(take_ids(bytes, &at, n, &parcel->prompt.questions[i].tokens));
    }
    return YOCO_OK;
}

yoco_status yoco_batch_parcel_unpack(const yoco_bytes *bytes, size_t *at, yoco_batch_parcel *out)
{
    parcel_head head;
    size_t begin = *at;
    take(bytes, &begin, &head, sizeof head);
    *at += (size_t)head.bytes;
    *out = (yoco_batch_parcel){.index = head.index, .line = head.line};
    memcpy(out->id, head.id, sizeof out->id);
    yoco_status status = unpack(bytes, begin, &head, out);
    if (status != YOCO_OK)
        yoco_batch_parcel_free(out);
    return status;
}

yoco_batch_parcel yoco_batch_parcel_borrow(const yoco_batch_entry *entry, int64_t index,
                                           const yoco_ids *context)
{
    yoco_batch_parcel parcel = {.borrows = true,
                                .job = entry->job,
                                .prompt = entry->prompt,
                                .index = index,
                                .line = entry->line};
    parcel.prompt.context = *context;
    memcpy(parcel.id, entry->id, sizeof parcel.id);
    return parcel;
}

void yoco_batch_parcel_free(yoco_batch_parcel *parcel)
{
    if (parcel->borrows)
        return;
    yoco_batch_job_free(&parcel->job);
    yoco_prompt_free(&parcel->prompt);
}
