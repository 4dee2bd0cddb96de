#include "configs/files/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/atomic_file.h"
#include "configs/files/text_file.h"
#include "streams.h"

/* The text need not end with a NUL. */
static bool is_blank(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && memchr(" \t\r\n", text[i], 4))
        i++;
    return i == size;
}

yoco_status yoco_json_parse(const char *name, const char *text, size_t size, json_t **out)
{
    yoco_json_problem problem;
    if (is_blank(text, size)) {
        yoco_log_error("%s is empty, and a JSON object is wanted", name);
        return YOCO_ERR_DATA;
    }
    json_t *root = yoco_json_load(text, size, &problem);
    if (!root) {
        yoco_log_error("%s: not valid JSON at line %d, column %d: %s", name, problem.error.line,
                       problem.error.column, problem.error.text);
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

yoco_status yoco_json_read(const char *path, size_t max_bytes, json_t **out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read_data(path, false, max_bytes, &text));
    yoco_status status = yoco_json_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}

/* The start of a text that jansson gives piece by piece. */
typedef struct shown_text {
    char *text;
    size_t used, room;
    bool cut;
} shown_text;

/* Ends the dump when full. A piece is one escape, or whole characters without any. */
static int show_piece(const char *piece, size_t size, void *data)
{
    shown_text *out = data;
    size_t left = out->room - out->used;
    out->cut = size > left;
    if (out->cut)
        size = piece[0] == '\\' ? 0 : left;
    while (out->cut && size > 0 && ((uint8_t)piece[size] & 0xc0) == 0x80)
        size--;
    memcpy(out->text + out->used, piece, size);
    out->used += size;
    return out->cut ? -1 : 0;
}

/* Whether it is there in whole. */
static bool show(const json_t *value, size_t flags, char *text, size_t room)
{
    shown_text out = {.text = text, .room = room};
    /* 15 digits show a number as its author wrote it. */
    flags |= JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15);
    json_dump_callback(value, show_piece, &out, flags);
    text[out.used] = '\0';
    return !out.cut;
}

const char *yoco_json_show_as(const json_t *value, size_t flags, char *text, size_t size)
{
    static const char quote[] = "\xe2\x80\xa6\"", plain[] = "\xe2\x80\xa6";
    if (show(value, flags, text, size - 1))
        return text;
    show(value, flags, text, size - sizeof quote);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", json_is_string(value) ? quote : plain);
    return text;
}

const char *yoco_json_show(const json_t *value, char text[YOCO_JSON_SHOWN_BYTES])
{
    return yoco_json_show_as(value, 0, text, YOCO_JSON_SHOWN_BYTES);
}

/* The escape of a line separator in UTF-8 at `text`, and its bytes there; NULL: there is none. */
static const char *escape_of(const char *text, size_t *size)
{
    static const char *const separators[][2] = {
        {"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}};
    for (size_t i = 0; i < sizeof separators / sizeof *separators; i++) {
        *size = strlen(separators[i][0]);
        if (strncmp(text, separators[i][0], *size) == 0)
            return separators[i][1];
    }
    return NULL;
}

/* Takes `text`; NULL where it is NULL or there is no memory. */
static char *escape_separators(char *text)
{
    size_t n = 0, size;
    for (const char *at = text; at && *at; at++)
        n += escape_of(at, &size) != NULL;
    if (n == 0)
        return text;
    char *out = malloc(strlen(text) + n * strlen("\\u2028") + 1), *to = out;
    for (const char *at = text; out && *at;) {
        const char *escape = escape_of(at, &size);
        if (escape) {
            to = stpcpy(to, escape);
            at += size;
        } else {
            *to++ = *at++;
        }
    }
    if (out)
        *to = '\0';
    free(text);
    return out;
}

char *yoco_json_text(const json_t *root, size_t flags)
{
    return escape_separators(json_dumps(root, flags));
}

char *yoco_json_line(const json_t *root, size_t flags, size_t *size)
{
    char *text = yoco_json_text(root, flags | JSON_COMPACT);
    *size = text ? strlen(text) + 1 : 0;
    char *line = text ? realloc(text, *size + 1) : NULL;
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + *size - 1, "\n", 2);
    return line;
}

bool yoco_json_print(const json_t *root, size_t flags, FILE *file)
{
    char *text = yoco_json_text(root, flags);
    bool printed = text && fputs(text, file) != EOF && fputc('\n', file) != EOF;
    free(text);
    return printed;
}

yoco_status yoco_json_to_stdout(json_t *root, size_t flags)
{
    bool printed = yoco_json_print(root, flags, yoco_stdout());
    json_decref(root);
    if (printed)
        return YOCO_OK;
    yoco_log_error("cannot write JSON to stdout");
    return YOCO_ERR_IO;
}

yoco_status yoco_json_save(const char *path, json_t *root, size_t flags)
{
    char *text = yoco_json_text(root, flags);
    json_decref(root);
    if (!text) {
        yoco_log_error("cannot write %s: no memory for its text", path);
        return YOCO_ERR_MEMORY;
    }
    yoco_status status = yoco_atomic_file_save(path, text, strlen(text));
    free(text);
    return status;
}
