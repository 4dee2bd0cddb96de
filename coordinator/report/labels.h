/* The words of a report. */
#ifndef YOCO_LABELS_H
#define YOCO_LABELS_H

#include <stddef.h>
#include <stdint.h>

enum { YOCO_LABEL_BYTES = 32 };

/* "4K", "1M" for multiples of 1024, else "5,000". */
const char *yoco_label_size(int64_t n, char label[YOCO_LABEL_BYTES]);
/* "5,000" */
const char *yoco_label_count(int64_t n, char label[YOCO_LABEL_BYTES]);
/* "97.1" for 0.971; below 1 never "100.0". */
const char *yoco_label_percent(double share, int decimals, char label[YOCO_LABEL_BYTES]);
/* A copy of valid UTF-8 with at most `max_bytes`, "..." at its end where it was cut; `label` has
 * max_bytes + 1 bytes. */
const char *yoco_label_cut(const char *text, size_t max_bytes, char *label);

#endif
