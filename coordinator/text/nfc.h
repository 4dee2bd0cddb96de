/* Unicode's normalization form C, in time linear in the text. */
#ifndef YOCO_NFC_H
#define YOCO_NFC_H

#include "coordinator/text/normalizer.h"

/* Appends the normalized text. text is valid UTF-8. */
yoco_status yoco_nfc_append(const uint8_t *text, size_t size, yoco_buffer *out);

#endif
