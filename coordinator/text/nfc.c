#include "coordinator/text/nfc.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Parts of about this size are normalized by themselves. */
enum { PART_BYTES = 1 << 16, N_CLASSES = 256 };

/* Characters below U+0300, whose first bytes are below 0xcc, are normalized wherever they stand. */
static bool is_plain(const uint8_t *text, size_t size)
{
    uint8_t most = 0;
    for (size_t i = 0; i < size; i++)
        most = text[i] > most ? text[i] : most;
    return most < 0xcc;
}

static size_t combining_class(int32_t c)
{
    return c < 0x300 ? 0 : utf8proc_get_property(c)->combining_class;
}

/* Orders the marks of one run by their class, equals as they stood. A counting sort: runs may be as
 * long as a document. */
static void order_marks(int32_t *marks, size_t n, int32_t *scratch)
{
    size_t starts[N_CLASSES + 1] = {0};
    for (size_t i = 0; i < n; i++)
        starts[combining_class(marks[i]) + 1]++;
    for (size_t i = 0; i < N_CLASSES; i++)
        starts[i + 1] += starts[i];
    for (size_t i = 0; i < n; i++)
        scratch[starts[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, scratch, n * sizeof *marks);
}

static void order(int32_t *codes, size_t n, int32_t *scratch)
{
    for (size_t at = 0; at < n;) {
        size_t end = at;
        bool ordered = true;
        while (end < n && combining_class(codes[end]) > 0) {
            ordered = ordered &&
                      (end == at || combining_class(codes[end - 1]) <= combining_class(codes[end]));
            end++;
        }
        if (!ordered)
            order_marks(codes + at, end - at, scratch);
        at = end + 1;
    }
}

/* Canonical decompositions of all characters: at most 4 for one. */
static size_t decompose(const uint8_t *text, size_t size, int32_t *codes)
{
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c;
        int boundary = 0;
        at += (size_t)utf8proc_iterate(text + at, (utf8proc_ssize_t)(size - at), &c);
        if (c < 0xc0)
            codes[n++] = c;
        else
            n += (size_t)utf8proc_decompose_char(c, codes + n, 4, UTF8PROC_DECOMPOSE, &boundary);
    }
    return n;
}

static yoco_status append_part(const uint8_t *text, size_t size, yoco_buffer *out)
{
    if (is_plain(text, size))
        return yoco_buffer_append(out, text, size);
    int32_t *codes; /* (4 * size + 1), then scratch of the same size */
    size_t bytes = SIZE_MAX;
    if (size < SIZE_MAX / 8)
        yoco_size_mul(8 * size + 2, sizeof *codes, &bytes);
    YOCO_TRY(yoco_alloc(bytes, "normalization of text", (void **)&codes));
    size_t n = decompose(text, size, codes);
    order(codes, n, codes + 4 * size + 1);
    utf8proc_ssize_t n_bytes =
        utf8proc_reencode(codes, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    yoco_status status = yoco_buffer_append(out, codes, n_bytes < 0 ? 0 : (size_t)n_bytes);
    yoco_free(codes);
    return status;
}

/* Nothing composes with an ASCII character that follows it: text may be cut in front of one. */
yoco_status yoco_nfc_append(const uint8_t *text, size_t size, yoco_buffer *out)
{
    for (size_t at = 0; at < size;) {
        size_t end = size - at > PART_BYTES ? at + PART_BYTES : size;
        while (end < size && text[end] >= 0x80)
            end++;
        YOCO_TRY(append_part(text + at, end - at, out));
        at = end;
    }
    return YOCO_OK;
}
