#include "coordinator/text/tokenizer.h"
#include "coordinator/text/utf8.h"

#include <string.h>

static const char replacement[3] = "\xef\xbf\xbd"; /* U+FFFD */

static size_t append(char *out, size_t used, const void *bytes, size_t size)
{
    memcpy(out + used, bytes, size);
    return used + size;
}

/* Takes from the front of what is pending all that is decided. */
static size_t settle(yoco_utf8_stream *stream, bool flush, char *out, size_t used)
{
    while (stream->n_pending > 0) {
        size_t length, n_pending = (size_t)stream->n_pending;
        yoco_utf8_kind kind = yoco_utf8_next(stream->pending, n_pending, &length);
        if (kind == YOCO_UTF8_UNFINISHED && !flush)
            break;
        if (kind == YOCO_UTF8_VALID)
            used = append(out, used, stream->pending, length);
        else
            used = append(out, used, replacement, sizeof replacement);
        memmove(stream->pending, stream->pending + length, n_pending - length);
        stream->n_pending -= (int)length;
    }
    return used;
}

size_t yoco_utf8_stream_push(yoco_utf8_stream *stream, const char *bytes, size_t size, bool flush,
                             char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        stream->pending[stream->n_pending++] = (unsigned char)bytes[i];
        used = settle(stream, false, out, used);
    }
    return flush ? settle(stream, true, out, used) : used;
}
