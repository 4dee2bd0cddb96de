#include "coordinator/batch/task.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_BYTES = 1 << 14 }; /* above those of the worker's edges */

static const size_t PIECE_BYTES = (size_t)1 << 30;

typedef struct task_head {
    int64_t index, bytes, line, line_bytes, n_context, with_context, n_questions, branch_rows;
    char id[YOCO_HASH_TEXT_BYTES + 7];
} task_head;

static yoco_status reserve(yoco_bytes *bytes, size_t size)
{
    if (size <= bytes->capacity)
        return YOCO_OK;
    char *data = realloc(bytes->data, 2 * size);
    if (!data) {
        yoco_log_error("cannot allocate %zu bytes for jobs", 2 * size);
        return YOCO_ERR_MEMORY;
    }
    bytes->data = data;
    bytes->capacity = 2 * size;
    return YOCO_OK;
}

yoco_status yoco_bytes_add(yoco_bytes *bytes, const void *data, size_t size)
{
    YOCO_TRY(reserve(bytes, bytes->size + size));
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return YOCO_OK;
}

static yoco_status add_ids(yoco_bytes *bytes, const yoco_ids *ids)
{
    return yoco_bytes_add(bytes, ids->ids, (size_t)ids->n * sizeof *ids->ids);
}

static yoco_status pack(const yoco_batch_entry *entry, int64_t index, const yoco_ids *context,
                        yoco_bytes *bytes)
{
    const yoco_prompt *prompt = &entry->prompt;
    size_t begin = bytes->size;
    task_head head = {.index = index,
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

yoco_status yoco_batch_task_pack(const yoco_batch_entry *entry, int64_t index,
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

static yoco_status unpack(const yoco_bytes *bytes, size_t at, const task_head *head,
                          yoco_batch_task *task)
{
    yoco_batch_fault fault;
    size_t line = at;
    at += (size_t)head->line_bytes;
    YOCO_TRY(
        yoco_batch_job_parse(bytes->data + line, (size_t)head->line_bytes, &task->job, &fault));
    task->prompt.context.n = head->n_context;
    if (head->with_context)
        YOCO_TRY(take_ids(bytes, &at, head->n_context, &task->prompt.context));
    task->prompt.questions = calloc((size_t)head->n_questions, sizeof *task->prompt.questions);
    if (!task->prompt.questions) {
        yoco_log_error("cannot allocate a job");
        return YOCO_ERR_MEMORY;
    }
    task->prompt.n_questions = (int)head->n_questions;
    task->prompt.branch_rows = head->branch_rows;
    for (int i = 0; i < task->prompt.n_questions; i++) {
        int64_t n;
        take(bytes, &at, &n, sizeof n);
        YOCO_TRY(take_ids(bytes, &at, n, &task->prompt.questions[i].tokens));
    }
    return YOCO_OK;
}

yoco_status yoco_batch_task_unpack(const yoco_bytes *bytes, size_t *at, yoco_batch_task *out)
{
    task_head head;
    size_t begin = *at;
    take(bytes, &begin, &head, sizeof head);
    *at += (size_t)head.bytes;
    *out = (yoco_batch_task){.index = head.index, .line = head.line};
    memcpy(out->id, head.id, sizeof out->id);
    yoco_status status = unpack(bytes, begin, &head, out);
    if (status != YOCO_OK)
        yoco_batch_task_free(out);
    return status;
}

void yoco_batch_task_free(yoco_batch_task *task)
{
    yoco_batch_job_free(&task->job);
    yoco_prompt_free(&task->prompt);
}

yoco_status yoco_bytes_broadcast(yoco_comm *comm, yoco_bytes *bytes)
{
    int64_t size = (int64_t)bytes->size;
    YOCO_TRY(comm->ops->broadcast(comm, 0, &size, sizeof size));
    YOCO_TRY(comm->ops->agree(comm, reserve(bytes, (size_t)size)));
    bytes->size = (size_t)size;
    return comm->ops->broadcast(comm, 0, bytes->data, bytes->size);
}

static yoco_status send_one(yoco_comm *comm, int peer, const void *data, size_t size,
                            const char *what)
{
    yoco_request request = {0};
    YOCO_TRY(comm->ops->send(comm, peer, TAG_BYTES, data, size, &request));
    return comm->ops->wait(comm, &request, &(yoco_wait_for){what, -1, -1});
}

static yoco_status receive_one(yoco_comm *comm, int peer, void *data, size_t size, const char *what)
{
    yoco_request request = {0};
    YOCO_TRY(comm->ops->receive(comm, peer, TAG_BYTES, data, size, &request));
    return comm->ops->wait(comm, &request, &(yoco_wait_for){what, -1, -1});
}

yoco_status yoco_bytes_send(yoco_comm *comm, int peer, const yoco_bytes *bytes, const char *what)
{
    int64_t size = (int64_t)bytes->size;
    YOCO_TRY(send_one(comm, peer, &size, sizeof size, what));
    for (size_t at = 0; at < bytes->size; at += PIECE_BYTES) {
        size_t left = bytes->size - at;
        YOCO_TRY(
            send_one(comm, peer, bytes->data + at, left < PIECE_BYTES ? left : PIECE_BYTES, what));
    }
    return YOCO_OK;
}

yoco_status yoco_bytes_receive(yoco_comm *comm, int peer, yoco_bytes *bytes, const char *what)
{
    int64_t size;
    YOCO_TRY(receive_one(comm, peer, &size, sizeof size, what));
    if (reserve(bytes, (size_t)size) != YOCO_OK)
        comm->ops->abort(comm, yoco_status_exit_code(YOCO_ERR_STOPPED)); /* the peer waits */
    bytes->size = (size_t)size;
    for (size_t at = 0; at < bytes->size; at += PIECE_BYTES) {
        size_t left = bytes->size - at;
        YOCO_TRY(receive_one(comm, peer, bytes->data + at, left < PIECE_BYTES ? left : PIECE_BYTES,
                             what));
    }
    return YOCO_OK;
}
