#include "coordinator/scale_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/text_file.h"
#include "failpoint.h"

static yoco_status io_error(const yoco_scale_rows *r, const char *what)
{
    yoco_log_error("%s %s failed: %s", what, r->path, strerror(errno));
    return YOCO_ERR_IO;
}

/* NULL if there is none. */
static const char *text_of(const json_t *row, const char *name)
{
    return json_string_value(json_object_get(row, name));
}

/* The row's place, or the number of rows. */
static size_t find(const yoco_scale_rows *r, const char *key)
{
    size_t i;
    json_t *row;
    json_array_foreach(r->rows, i, row)
    {
        if (strcmp(text_of(row, "key"), key) == 0)
            break;
    }
    return i;
}

/* A later run of the same point replaces the earlier one. */
static void put(const yoco_scale_rows *r, json_t *row)
{
    size_t at = find(r, text_of(row, "key"));
    if (at < json_array_size(r->rows))
        json_array_set_new(r->rows, at, row);
    else
        json_array_append_new(r->rows, row);
}

static yoco_status add_line(const yoco_scale_rows *r, const char *line, size_t size, int64_t number)
{
    json_error_t error;
    json_t *row = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(row) || !text_of(row, "key") ||
        !json_is_object(json_object_get(row, "run"))) {
        yoco_log_error("%s, line %lld: not a run of yoco scale; give another folder or remove the "
                       "line",
                       r->path, (long long)number);
        json_decref(row);
        return YOCO_ERR_DATA;
    }
    put(r, row);
    return YOCO_OK;
}

static yoco_status read_rows(const yoco_scale_rows *r)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read(r->path, YOCO_FILE_DATA, &text));
    yoco_status status = YOCO_OK;
    size_t begin = 0;
    int64_t number = 1;
    for (const char *end; status == YOCO_OK && begin < text.size &&
                          (end = memchr(text.data + begin, '\n', text.size - begin));
         number++) {
        size_t size = (size_t)(end - (text.data + begin));
        status = add_line(r, text.data + begin, size, number);
        begin += size + 1;
    }
    bool torn = begin < text.size;
    begin += (size_t)(text.data - text.memory); /* in the file, whose mark was skipped */
    yoco_text_free(&text);
    if (status == YOCO_OK && torn) {
        yoco_log_warn("%s: the last line is cut short and will be run again", r->path);
        if (ftruncate(r->fd, (off_t)begin) != 0)
            status = io_error(r, "truncating");
    }
    return status;
}

yoco_status yoco_scale_rows_open(const char *folder, yoco_scale_rows *out)
{
    static const char name[] = "/scale.jsonl";
    yoco_scale_rows r = {.fd = -1, .rows = json_array()};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        yoco_log_error("cannot make the folder %s: %s", folder, strerror(errno));
        json_decref(r.rows);
        return YOCO_ERR_OPEN;
    }
    size_t n = strlen(folder);
    yoco_status status = yoco_alloc(n + sizeof name, "a path", (void **)&r.path);
    if (status == YOCO_OK) {
        memcpy(r.path, folder, n);
        memcpy(r.path + n, name, sizeof name);
        r.fd = open(r.path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (r.fd < 0) {
            yoco_log_error("cannot open %s: %s", r.path, strerror(errno));
            status = YOCO_ERR_OPEN;
        }
    }
    if (status == YOCO_OK && flock(r.fd, LOCK_EX | LOCK_NB) != 0) {
        yoco_log_error("%s is being written by another yoco scale", r.path);
        status = YOCO_ERR_OPEN;
    }
    if (status == YOCO_OK)
        status = read_rows(&r);
    if (status != YOCO_OK) {
        yoco_scale_rows_close(&r);
        return status;
    }
    *out = r;
    return YOCO_OK;
}

bool yoco_scale_rows_has(const yoco_scale_rows *r, const char *key, const char *settings)
{
    size_t at = find(r, key);
    const char *had = text_of(json_array_get(r->rows, at), "settings");
    return had && strcmp(had, settings) == 0;
}

yoco_status yoco_scale_rows_append(yoco_scale_rows *r, json_t *row)
{
    char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!text) {
        json_decref(row);
        yoco_log_error("cannot allocate a line of %s", r->path);
        return YOCO_ERR_MEMORY;
    }
    size_t size = strlen(text);
    text[size] = '\n'; /* in place of the NUL */
    bool written = yoco_write_all("file.write", r->fd, text, size + 1) && fsync(r->fd) == 0;
    free(text);
    put(r, row);
    return written ? YOCO_OK : io_error(r, "writing to");
}

void yoco_scale_rows_close(yoco_scale_rows *r)
{
    if (r->fd >= 0)
        close(r->fd);
    yoco_free(r->path);
    json_decref(r->rows);
    *r = (yoco_scale_rows){.fd = -1};
}
