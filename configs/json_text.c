#include "configs/json_text.h"

yoco_status yoco_json_parse(const char *name, const char *text, size_t size, json_t **out)
{
    json_error_t error;
    json_t *root = json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        yoco_log_error("%s: not valid JSON at line %d, column %d: %s", name, error.line,
                       error.column, error.text);
        return YOCO_ERR_DATA;
    }
    if (!json_is_object(root)) {
        yoco_log_error("%s: the JSON text is not an object", name);
        json_decref(root);
        return YOCO_ERR_DATA;
    }
    *out = root;
    return YOCO_OK;
}

const char *yoco_json_show(const json_t *value, char text[YOCO_JSON_SHOWN_BYTES])
{
    /* 15 digits show a number as its author wrote it. */
    size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15);
    size_t used = json_dumpb(value, text, YOCO_JSON_SHOWN_BYTES - 1, flags);
    text[used < YOCO_JSON_SHOWN_BYTES - 1 ? used : YOCO_JSON_SHOWN_BYTES - 1] = '\0';
    return text;
}
