#include "coordinator/eval/pages.h"

#include "coordinator/text/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

const char *yoco_eval_label_count(int64_t n, char label[YOCO_EVAL_LABEL_BYTES])
{
    char digits[YOCO_EVAL_LABEL_BYTES];
    int n_digits = snprintf(digits, sizeof digits, "%" PRId64, n), used = 0;
    for (int i = 0; i < n_digits; i++) {
        label[used++] = digits[i];
        int n_left = n_digits - 1 - i;
        if (n_left > 0 && n_left % 3 == 0)
            label[used++] = ',';
    }
    label[used] = '\0';
    return label;
}

const char *yoco_eval_label_size(int64_t n, char label[YOCO_EVAL_LABEL_BYTES])
{
    if (n % 1024 != 0)
        return yoco_eval_label_count(n, label);
    bool is_mega = n % (1024 * 1024) == 0;
    snprintf(label, YOCO_EVAL_LABEL_BYTES, "%" PRId64 "%c", is_mega ? n / 1024 / 1024 : n / 1024,
             is_mega ? 'M' : 'K');
    return label;
}

const char *yoco_eval_label_percent(double share, int decimals, char label[YOCO_EVAL_LABEL_BYTES])
{
    double unit = decimals > 0 ? 0.1 : 1, percent = 100 * share;
    if (share < 1)
        percent = fmin(percent, 100 - unit);
    snprintf(label, YOCO_EVAL_LABEL_BYTES, "%.*f", decimals > 0 ? 1 : 0, percent);
    return label;
}

const char *yoco_eval_label_cut(const char *text, size_t max_bytes, char *label)
{
    size_t size = strlen(text), kept = size;
    if (size > max_bytes)
        kept = yoco_utf8_valid_bytes((const unsigned char *)text, max_bytes - 3);
    snprintf(label, max_bytes + 1, "%.*s%s", (int)kept, text, kept < size ? "..." : "");
    return label;
}
