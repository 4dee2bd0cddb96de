#include "coordinator/batch_results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/atomic_file.h"
#include "configs/first_bytes.h"
#include "coordinator/batch_line.h"
#include "failpoint.h"
#include "streams.h"

struct yoco_batch_results {
    int fd;
    bool is_stdout;
    char *path;
    int64_t size;   /* of the whole lines */
    json_t *errors; /* id of an error record found at the start: where its line begins */
};

static yoco_status io_error(const yoco_batch_results *r, const char *what)
{
    yoco_log_error("%s %s failed: %s", what, r->path, strerror(errno));
    return YOCO_ERR_IO;
}

/* "model 1f2e; chunk 2048": tells the first part in which two fingerprints differ. */
static void compare(const char *old, const char *new, char *text, size_t size)
{
    while (*old && *new) {
        size_t a = strcspn(old, ";"), b = strcspn(new, ";");
        if (a != b || memcmp(old, new, a) != 0) {
            snprintf(text, size, "'%.*s' then, '%.*s' now", (int)a, old, (int)b, new);
            return;
        }
        old += a + strspn(old + a, "; ");
        new += b + strspn(new + b, "; ");
    }
    snprintf(text, size, "'%s' then, '%s' now", old, new);
}

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A line with an answer must answer a job of the input, asked the same way. */
static yoco_status match_answer(const yoco_batch_results *r, int64_t number, const json_t *line,
                                yoco_batch_input *input, const char *fingerprint)
{
    const char *custom_id = string_at(line, "custom_id"), *id = string_at(line, "id");
    const json_t *body = json_object_get(json_object_get(line, "response"), "body");
    const char *then = string_at(body, "system_fingerprint");
    const char *advice = "give another output file, or --overwrite to replace this one";
    if (strcmp(then, fingerprint) != 0) {
        char changed[512];
        compare(then, fingerprint, changed, sizeof changed);
        yoco_log_error("%s:%lld was made by another run: %s; %s", r->path, (long long)number,
                       changed, advice);
        return YOCO_ERR_DATA;
    }
    const json_t *place = json_object_get(input->places, custom_id);
    if (!place) {
        yoco_log_error("%s:%lld answers '%s', which is no job of %s; %s", r->path,
                       (long long)number, custom_id, input->name, advice);
        return YOCO_ERR_DATA;
    }
    yoco_batch_entry *entry = &input->entries[json_integer_value(place)];
    size_t prefix = strlen(YOCO_BATCH_ID_PREFIX);
    if (entry->bad || strncmp(id, YOCO_BATCH_ID_PREFIX, prefix) != 0 ||
        strcmp(id + prefix, entry->id) != 0) {
        yoco_log_error("%s:%lld answers '%s', but that job, or its document, has changed since "
                       "(%s:%lld); %s",
                       r->path, (long long)number, custom_id, input->name, (long long)entry->line,
                       advice);
        return YOCO_ERR_DATA;
    }
    if (entry->done) {
        yoco_log_error("%s:%lld answers '%s' a second time; %s", r->path, (long long)number,
                       custom_id, advice);
        return YOCO_ERR_DATA;
    }
    entry->done = true;
    return YOCO_OK;
}

static yoco_status match_line(yoco_batch_results *r, int64_t number, const char *text, size_t size,
                              int64_t offset, yoco_batch_input *input, const char *fingerprint)
{
    json_error_t error;
    json_t *line = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    yoco_status status = YOCO_OK;
    if (!line || !json_object_get(line, "response") || !json_object_get(line, "error")) {
        yoco_log_error("%s:%lld is no result of yoco batch: give another output file, or "
                       "--overwrite to replace this one",
                       r->path, (long long)number);
        status = YOCO_ERR_DATA;
    } else if (!json_is_null(json_object_get(line, "error"))) {
        json_object_set_new(r->errors, string_at(line, "id"), json_integer(offset));
    } else {
        status = match_answer(r, number, line, input, fingerprint);
    }
    json_decref(line);
    return status;
}

/* What a kill leaves of a line begins as every line does. */
static yoco_status check_torn(const yoco_batch_results *r, const char *text, size_t size)
{
    static const char begin[] = "{\"id\":\"" YOCO_BATCH_ID_PREFIX;
    size_t n = size < sizeof begin - 1 ? size : sizeof begin - 1;
    if (memcmp(text, begin, n) == 0)
        return YOCO_OK;
    yoco_log_error("%s is no output of yoco batch: give another output file, or --overwrite to "
                   "replace this one",
                   r->path);
    return YOCO_ERR_DATA;
}

static yoco_status match_lines(yoco_batch_results *r, const yoco_map *map, yoco_batch_input *input,
                               const char *fingerprint)
{
    const char *text = (const char *)map->data;
    int64_t number = 0;
    size_t at = 0;
    while (at < map->size) {
        const char *stop = memchr(text + at, '\n', map->size - at);
        if (!stop)
            break;
        size_t size = (size_t)(stop - (text + at));
        YOCO_TRY(match_line(r, ++number, text + at, size, (int64_t)at, input, fingerprint));
        at += size + 1;
    }
    r->size = (int64_t)at;
    if (at == map->size)
        return YOCO_OK;
    YOCO_TRY(check_torn(r, text + at, map->size - at));
    yoco_log_warn("%s: dropping its last line, which is not whole", r->path);
    return ftruncate(r->fd, r->size) == 0 ? YOCO_OK : io_error(r, "truncating");
}

static bool is_same_file(int fd, const char *path)
{
    struct stat a, b;
    int found = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &b) : stat(path, &b);
    return found == 0 && fstat(fd, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* A new file is durable before the first line is. */
static yoco_status make_file(const char *path)
{
    yoco_atomic_file *file;
    struct stat info;
    if (stat(path, &info) == 0 || errno != ENOENT)
        return YOCO_OK;
    YOCO_TRY(yoco_atomic_file_create(path, &file));
    return yoco_atomic_file_finish(file);
}

static yoco_status open_file(yoco_batch_results *r, const char *input_path)
{
    struct stat info;
    YOCO_TRY(make_file(r->path));
    r->fd = open(r->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &info) != 0) {
        yoco_log_error("cannot open %s: %s", r->path, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    if (!S_ISREG(info.st_mode)) {
        yoco_log_error("%s is not a regular file: give a file, or - for stdout", r->path);
        return YOCO_ERR_OPEN;
    }
    if (is_same_file(r->fd, input_path)) {
        yoco_log_error("%s is the input file itself: give another output file", r->path);
        return YOCO_ERR_USAGE;
    }
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        yoco_log_error("another yoco batch is writing to %s", r->path);
        return YOCO_ERR_OPEN;
    }
    return YOCO_OK;
}

static yoco_status resume(yoco_batch_results *r, yoco_batch_input *input, const char *fingerprint)
{
    yoco_map map;
    YOCO_TRY(yoco_map_open(r->path, &map));
    yoco_status status = yoco_first_bytes_check(r->path, YOCO_FILE_DATA, map.data, map.size);
    if (status == YOCO_OK)
        status = match_lines(r, &map, input, fingerprint);
    yoco_map_close(&map);
    return status;
}

static yoco_status prepare(yoco_batch_results *r, bool overwrite, const char *input_path,
                           yoco_batch_input *input, const char *fingerprint)
{
    YOCO_TRY(open_file(r, input_path));
    if (!overwrite)
        return resume(r, input, fingerprint);
    return ftruncate(r->fd, 0) == 0 ? YOCO_OK : io_error(r, "truncating");
}

yoco_status yoco_batch_results_open(const char *path, bool overwrite, const char *input_path,
                                    yoco_batch_input *input, const char *fingerprint,
                                    yoco_batch_results **out)
{
    yoco_batch_results *r = calloc(1, sizeof *r);
    if (!r) {
        yoco_log_error("cannot allocate the output file");
        return YOCO_ERR_MEMORY;
    }
    *r = (yoco_batch_results){.fd = -1,
                              .is_stdout = strcmp(path, "-") == 0,
                              .path = strdup(path),
                              .errors = json_object()};
    yoco_status status = r->path && r->errors ? YOCO_OK : YOCO_ERR_MEMORY;
    if (status == YOCO_OK && r->is_stdout)
        r->fd = fileno(yoco_stdout());
    else if (status == YOCO_OK)
        status = prepare(r, overwrite, input_path, input, fingerprint);
    if (status != YOCO_OK) {
        yoco_batch_results_close(r);
        return status;
    }
    *out = r;
    return YOCO_OK;
}

void yoco_batch_results_close(yoco_batch_results *r)
{
    if (!r)
        return;
    if (r->fd >= 0 && !r->is_stdout)
        close(r->fd);
    json_decref(r->errors);
    free(r->path);
    free(r);
}

/* The file anew, without the error records that are left in r->errors. */
static yoco_status drop_errors(yoco_batch_results *r, const yoco_map *map)
{
    yoco_atomic_file *file;
    const char *text = (const char *)map->data, *key;
    json_t *offset;
    size_t at = 0;
    YOCO_TRY(yoco_atomic_file_create(r->path, &file));
    while (at < map->size) {
        const char *stop = memchr(text + at, '\n', map->size - at);
        size_t size = stop ? (size_t)(stop + 1 - (text + at)) : map->size - at;
        bool dropped = false;
        json_object_foreach(r->errors, key, offset) dropped =
            dropped || (size_t)json_integer_value(offset) == at;
        yoco_status status = dropped ? YOCO_OK : yoco_atomic_file_write(file, text + at, size);
        if (status != YOCO_OK) {
            yoco_atomic_file_discard(file);
            return status;
        }
        at += size;
    }
    return yoco_atomic_file_finish(file);
}

yoco_status yoco_batch_results_settle(yoco_batch_results *r, yoco_batch_input *input)
{
    char id[sizeof YOCO_BATCH_ID_PREFIX + YOCO_HASH_TEXT_BYTES];
    for (int64_t i = 0; i < input->n; i++) {
        yoco_batch_entry *entry = &input->entries[i];
        snprintf(id, sizeof id, "%s%s", YOCO_BATCH_ID_PREFIX, entry->id);
        if (entry->bad && json_object_del(r->errors, id) == 0)
            entry->done = true;
    }
    if (json_object_size(r->errors) == 0)
        return YOCO_OK;
    yoco_map map;
    YOCO_TRY(yoco_map_open(r->path, &map));
    yoco_status status = drop_errors(r, &map);
    yoco_map_close(&map);
    YOCO_TRY(status);
    close(r->fd); /* the new file has another inode */
    YOCO_TRY(open_file(r, "/"));
    r->size = lseek(r->fd, 0, SEEK_END);
    return r->size >= 0 ? YOCO_OK : io_error(r, "reading");
}

/* One write in all but odd cases; what a failed one leaves is taken back. */
yoco_status yoco_batch_results_append(yoco_batch_results *r, const char *line, size_t size)
{
    if (!yoco_write_all("results.append", r->fd, line, size)) {
        yoco_status status = io_error(r, "writing to");
        if (!r->is_stdout && ftruncate(r->fd, r->size) != 0)
            yoco_log_warn("%s ends with a line that is not whole", r->path);
        return status;
    }
    r->size += (int64_t)size;
    if (!r->is_stdout && (!yoco_failpoint("results.sync") || fdatasync(r->fd) != 0))
        return io_error(r, "syncing");
    return YOCO_OK;
}
