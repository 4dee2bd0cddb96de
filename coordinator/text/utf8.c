#include "coordinator/text/utf8.h"

#include <string.h>

/* Bytes in the character that `lead` begins, 0 where none does. */
static size_t length_of(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The second byte alone keeps out overlong forms, surrogates and what is above U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

yoco_utf8_kind yoco_utf8_next(const unsigned char *bytes, size_t size, size_t *length)
{
    size_t wanted = length_of(bytes[0]), have = 1;
    while (have < wanted && have < size &&
           (have == 1 ? second_fits(bytes[0], bytes[1]) : (bytes[have] & 0xc0) == 0x80))
        have++;
    *length = have;
    if (have == wanted)
        return YOCO_UTF8_VALID;
    return wanted > 0 && have == size ? YOCO_UTF8_UNFINISHED : YOCO_UTF8_INVALID;
}

int32_t yoco_utf8_at(const uint8_t *text, size_t size, size_t *length)
{
    static const uint8_t payload[] = {0, 0x7f, 0x1f, 0x0f, 0x07}; /* of a first byte, by size */
    yoco_utf8_next(text, size, length);
    int32_t c = text[0] & payload[*length];
    for (size_t i = 1; i < *length; i++)
        c = c << 6 | (text[i] & 0x3f);
    return c;
}

int32_t yoco_utf8_before(const uint8_t *text, size_t at, size_t *length)
{
    size_t begin = at - 1;
    while (begin > 0 && (text[begin] & 0xc0) == 0x80)
        begin--;
    return yoco_utf8_at(text + begin, at - begin, length);
}

bool yoco_utf8_is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

size_t yoco_utf8_valid_bytes(const unsigned char *bytes, size_t size)
{
    size_t at = 0, length;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof eight) {
            memcpy(&eight, bytes + at, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) { /* all ASCII */
                at += sizeof eight;
                continue;
            }
        }
        if (yoco_utf8_next(bytes + at, size - at, &length) != YOCO_UTF8_VALID)
            break;
        at += length;
    }
    return at;
}
