/* JSON from strangers, and JSON for strangers. */
#ifndef YOCO_JSON_TEXT_H
#define YOCO_JSON_TEXT_H

#include "base.h"

#include <jansson.h>
#include <stdio.h>

enum { YOCO_JSON_PLACE_BYTES = 64 };

/* Why a text is no JSON. */
typedef struct yoco_json_problem {
    json_error_t error;
    char place[YOCO_JSON_PLACE_BYTES]; /* "body.metadata": the members around it, two at most */
} yoco_json_problem;

/* json_loadb without duplicate keys or NULs, on numbers as their values are: 3.0 and 3e0 are the
 * integer 3, an integer of more than 64 bits is a real, a real beyond the doubles is 1e308. NULL,
 * not logged, with *problem otherwise. */
json_t *yoco_json_load(const char *text, size_t size, yoco_json_problem *problem);

/* The text of a member, keys[n - 1] of keys[n - 2] of ..., in a text that need not be valid. */
bool yoco_json_find(const char *text, size_t size, const char *const *keys, int n,
                    const char **value, size_t *value_size);

/* The whole text must be one object; `name` stands in error lines. The caller releases it with
 * json_decref. */
yoco_status yoco_json_parse(const char *name, const char *text, size_t size, json_t **out);

/* The same of a file that a folder has: a regular one (yoco_text_read_data), of at most max_bytes.
 */
yoco_status yoco_json_read(const char *path, size_t max_bytes, json_t **out);

enum { YOCO_JSON_SHOWN_BYTES = 64 };

/* A value as it stands in error lines, at most YOCO_JSON_SHOWN_BYTES - 1 bytes: what is longer is
 * cut between characters and ends with an ellipsis, a string with its quote too. */
const char *yoco_json_show(const json_t *value, char text[YOCO_JSON_SHOWN_BYTES]);
/* The same in `size` bytes, at least 16, by jansson's flags. */
const char *yoco_json_show_as(const json_t *value, size_t flags, char *text, size_t size);

/* json_dumps with U+0085, U+2028 and U+2029 escaped, at which many readers end a line. The caller
 * frees it with free(). NULL, not logged: no memory, or `root` is NULL. */
char *yoco_json_text(const json_t *root, size_t flags);
/* The same on one line, its newline included. */
char *yoco_json_line(const json_t *root, size_t flags, size_t *size);
/* The same to a stream, a newline behind it. */
bool yoco_json_print(const json_t *root, size_t flags, FILE *file);
/* To this program's stdout. Releases root, which may be NULL: no memory. */
yoco_status yoco_json_to_stdout(json_t *root, size_t flags);
/* As a file, all of it or nothing, without a newline. Releases root, which may be NULL. */
yoco_status yoco_json_save(const char *path, json_t *root, size_t flags);

#endif
