#include "coordinator/session/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "comm/tags.h"

static const size_t PIECE_BYTES = (size_t)1 << 30;

static yoco_status reserve(yoco_bytes *bytes, size_t size)
{
    if (size <= bytes->capacity)
        return YOCO_OK;
    char *data = realloc(bytes->data, 2 * size);
    if (!data) {
        yoco_log_error("cannot allocate %zu bytes", 2 * size);
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

yoco_status yoco_bytes_broadcast(yoco_comm *comm, yoco_bytes *bytes)
{
    int64_t size = (int64_t)bytes->size;
    YOCO_TRY(yoco_broadcast(comm, 0, &size, sizeof size));
    YOCO_TRY(yoco_agree(comm, reserve(bytes, (size_t)size)));
    bytes->size = (size_t)size;
    return yoco_broadcast(comm, 0, bytes->data, bytes->size);
}

static yoco_status send_one(yoco_comm *comm, int peer, const void *data, size_t size,
                            const char *what)
{
    yoco_request request = {0};
    YOCO_TRY(yoco_send(comm, peer, YOCO_TAG_BYTES, data, size, &request));
    return yoco_wait(comm, &request, &(yoco_wait_for){what, -1, -1});
}

static yoco_status receive_one(yoco_comm *comm, int peer, void *data, size_t size, const char *what)
{
    yoco_request request = {0};
    YOCO_TRY(yoco_receive(comm, peer, YOCO_TAG_BYTES, data, size, &request));
    return yoco_wait(comm, &request, &(yoco_wait_for){what, -1, -1});
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
        yoco_comm_abort(comm, yoco_status_exit_code(YOCO_ERR_STOPPED)); /* the peer waits */
    bytes->size = (size_t)size;
    for (size_t at = 0; at < bytes->size; at += PIECE_BYTES) {
        size_t left = bytes->size - at;
        YOCO_TRY(receive_one(comm, peer, bytes->data + at, left < PIECE_BYTES ? left : PIECE_BYTES,
                             what));
    }
    return YOCO_OK;
}
