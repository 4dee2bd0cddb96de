/* JSON from strangers. Private to this folder, so that jansson.h stays here. */
#ifndef YOCO_JSON_TEXT_H
#define YOCO_JSON_TEXT_H

#include "base.h"

#include <jansson.h>

/* The whole text must be one object without duplicate keys or NUL bytes; `name` stands in error
 * lines. The caller releases it with json_decref. */
yoco_status yoco_json_parse(const char *name, const char *text, size_t size, json_t **out);

enum { YOCO_JSON_SHOWN_BYTES = 64 };

/* A value as it stands in error lines: cut after YOCO_JSON_SHOWN_BYTES - 1 bytes. */
const char *yoco_json_show(const json_t *value, char text[YOCO_JSON_SHOWN_BYTES]);

#endif
