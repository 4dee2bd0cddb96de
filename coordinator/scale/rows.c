#include "coordinator/scale/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "configs/files/json_text.h"
#include "configs/files/path.h"

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

static yoco_status add_line(void *data, const yoco_line *line)
{
    const yoco_scale_rows *r = data;
    yoco_json_problem problem;
    json_t *row = yoco_json_load(line->text, line->size, &problem);
    if (!json_is_object(row) || !text_of(row, "key") ||
        !json_is_object(json_object_get(row, "run"))) {
        yoco_log_error("%s, line %lld: not a run of yoco scale; give another folder or remove the "
                       "line",
                       r->file.path, (long long)line->number);
        json_decref(row);
        return YOCO_ERR_DATA;
    }
    put(r, row);
    return YOCO_OK;
}

static yoco_status open_rows(const char *folder, yoco_scale_rows *r)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(folder, "scale.jsonl", path));
    YOCO_TRY(yoco_journal_open(path, &r->file));
    return yoco_journal_read(&r->file, NULL, add_line, r);
}

yoco_status yoco_scale_rows_open(const char *folder, yoco_scale_rows *out)
{
    yoco_scale_rows r = {.file = {.fd = -1}, .rows = json_array()};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot make the folder %s: %s", folder, strerror(error));
        json_decref(r.rows);
        return yoco_status_of_errno(error);
    }
    yoco_status status = open_rows(folder, &r);
    if (status == YOCO_OK)
        *out = r;
    else
        yoco_scale_rows_close(&r);
    return status;
}

bool yoco_scale_rows_has(const yoco_scale_rows *r, const char *key, const char *settings)
{
    size_t at = find(r, key);
    const char *had = text_of(json_array_get(r->rows, at), "settings");
    return had && strcmp(had, settings) == 0;
}

yoco_status yoco_scale_rows_append(yoco_scale_rows *r, json_t *row)
{
    size_t size;
    char *line = yoco_json_line(row, JSON_REAL_PRECISION(12), &size);
    if (!line) {
        json_decref(row);
        yoco_log_error("cannot allocate a line of %s", r->file.path);
        return YOCO_ERR_MEMORY;
    }
    yoco_status status = yoco_journal_append(&r->file, line, size);
    free(line);
    put(r, row);
    return status;
}

void yoco_scale_rows_close(yoco_scale_rows *r)
{
    yoco_journal_close(&r->file);
    json_decref(r->rows);
    *r = (yoco_scale_rows){.file = {.fd = -1}};
}
