#include "coordinator/text/byte_level.h"

#include <utf8proc.h>

static bool is_printable(int32_t c)
{
    return (c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xff && c != 0xad);
}

/* The byte that a character stands for, -1: none. The 68 others follow U+0100 in their order: 0 to
 * 0x20, 0x7f to 0xa0, 0xad. */
static int byte_of(int32_t c)
{
    if (is_printable(c))
        return c;
    if (c < 0x100 || c > 0x143)
        return -1;
    c -= 0x100;
    return c <= 0x20 ? c : c <= 0x42 ? c - 0x21 + 0x7f : 0xad;
}

bool yoco_byte_level_decode(const uint8_t *text, size_t size, uint8_t *out, size_t *n)
{
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length = utf8proc_iterate(text + at, (utf8proc_ssize_t)(size - at), &c);
        int byte = length < 1 ? -1 : byte_of(c);
        if (byte < 0)
            return false;
        out[used++] = (uint8_t)byte;
        at += (size_t)length;
    }
    *n = used;
    return true;
}
