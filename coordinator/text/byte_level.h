/* GPT-2's alphabet, in which files spell tokens of any bytes: a character for each byte, itself
 * where it is printable, else from U+0100 on (bytes_to_unicode of GPT-2's encoder.py). */
#ifndef YOCO_BYTE_LEVEL_H
#define YOCO_BYTE_LEVEL_H

#include "base.h"

/* Writes the bytes that a text spells, at most `size`; false where it has other characters. */
bool yoco_byte_level_decode(const uint8_t *text, size_t size, uint8_t *out, size_t *n);

#endif
