#include "coordinator/text/words.h"

#include <ctype.h>

#include <utf8proc.h>

enum { REPLACEMENT = 0xfffd, NEXT_LINE = 0x85, ZERO_WIDTH_SPACE = 0x200b };

typedef enum kind { SPACE, BREAK, LETTER, MARK, INVISIBLE } kind;

static kind kind_of(utf8proc_int32_t c)
{
    if (c < 0x80)
        return isalnum(c) ? LETTER : isspace(c) ? SPACE : BREAK;
    if (c == NEXT_LINE || c == ZERO_WIDTH_SPACE)
        return SPACE;
    if (c == REPLACEMENT)
        return LETTER;
    const utf8proc_property_t *property = utf8proc_get_property(c);
    if (property->ignorable)
        return INVISIBLE;
    switch (property->category) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return SPACE;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return MARK;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
        return BREAK;
    default:
        return LETTER;
    }
}

/* The class of the character at text, which has *bytes of at most size. */
static kind kind_at(const char *text, size_t size, size_t *bytes)
{
    utf8proc_int32_t c;
    *bytes = 1;
    if ((unsigned char)*text < 0x80)
        return kind_of(*text);
    utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &c);
    if (n < 1)
        return LETTER;
    *bytes = (size_t)n;
    return kind_of(c);
}

yoco_word yoco_word_next(const char *text, size_t size, size_t *at, bool hyphens)
{
    size_t start = size, end = size, i = *at, bytes;
    for (; i < size; i += bytes) {
        kind k = kind_at(text + i, size - i, &bytes);
        if (hyphens && text[i] == '-')
            k = LETTER;
        bool within = start < size;
        if (within && (k == SPACE || k == BREAK))
            break;
        if (!within && k == LETTER)
            start = i;
        if (start < size && k != INVISIBLE)
            end = i + bytes;
    }
    *at = i;
    return (yoco_word){text + start, end - start};
}

yoco_word yoco_word_trim(const char *text, size_t size)
{
    size_t start = size, end = size, bytes;
    for (size_t i = 0; i < size; i += bytes) {
        kind k = kind_at(text + i, size - i, &bytes);
        if (k == SPACE || k == INVISIBLE)
            continue;
        if (start == size)
            start = i;
        end = i + bytes;
    }
    return (yoco_word){text + start, end - start};
}
