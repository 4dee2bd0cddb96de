/* Fields of a job's body that ask for nothing, either at any value or at some: clients send them
 * unasked. */
#ifndef YOCO_BATCH_HARMLESS_H
#define YOCO_BATCH_HARMLESS_H

#include <jansson.h>
#include <stdbool.h>

/* True where there is such a field; `rule` is then what is right for it: "0 or false: the rest is
 * not supported". */
bool yoco_batch_harmless_find(const char *name, bool chat, char *rule, size_t size);
bool yoco_batch_harmless_is(const char *name, bool chat, const json_t *value);

#endif
