#include "configs/files/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/files/atomic_file.h"
#include "configs/files/first_bytes.h"
#include "configs/files/lock.h"
#include "failpoint.h"
#include "streams.h"

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!memchr(" \t\r\x1a", text[i], 4))
            return false;
    return true;
}

bool yoco_line_next(const char *text, size_t size, yoco_line *line)
{
    while (line->end < size) {
        const char *begin = text + line->end, *stop = memchr(begin, '\n', size - line->end);
        *line = (yoco_line){.text = begin,
                            .size = stop ? (size_t)(stop - begin) : size - line->end,
                            .number = line->number + 1,
                            .begin = line->end,
                            .whole = stop != NULL};
        line->end = line->begin + line->size + line->whole;
        if (!is_blank(line->text, line->size))
            return true;
    }
    return false;
}

static yoco_status io_error(const yoco_journal *j, const char *what)
{
    yoco_log_error("%s %s failed: %s", what, j->path, strerror(errno));
    return YOCO_ERR_IO;
}

static yoco_status open_file(yoco_journal *j)
{
    struct stat info;
    j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (j->fd < 0 || fstat(j->fd, &info) != 0) {
        int error = errno;
        yoco_log_error("cannot open %s: %s", j->path, strerror(error));
        return yoco_status_of_errno(error);
    }
    if (!S_ISREG(info.st_mode)) {
        yoco_log_error("%s is not a regular file: give a file, or - for stdout", j->path);
        return YOCO_ERR_OPEN;
    }
    YOCO_TRY(yoco_lock_file(j->fd, j->path));
    j->size = info.st_size;
    /* A new file is durable before the first line is. */
    return j->size > 0 ? YOCO_OK : yoco_atomic_file_sync_folder(j->path);
}

static yoco_status name_file(const char *path, yoco_journal *j)
{
    *j = (yoco_journal){.fd = -1, .path = strdup(path)};
    if (j->path)
        return YOCO_OK;
    yoco_log_error("cannot allocate the path %s", path);
    return YOCO_ERR_MEMORY;
}

yoco_status yoco_journal_open(const char *path, yoco_journal *out)
{
    yoco_journal j;
    YOCO_TRY(name_file(path, &j));
    yoco_status status = open_file(&j);
    if (status == YOCO_OK)
        *out = j;
    else
        yoco_journal_close(&j);
    return status;
}

yoco_status yoco_journal_open_stdout(yoco_journal *out)
{
    yoco_journal j;
    YOCO_TRY(name_file("-", &j));
    j.is_stdout = true;
    j.fd = fileno(yoco_stdout());
    *out = j;
    return YOCO_OK;
}

void yoco_journal_close(yoco_journal *j)
{
    if (j->fd >= 0 && !j->is_stdout)
        close(j->fd);
    free(j->path);
    *j = (yoco_journal){.fd = -1};
}

/* What a kill leaves of a line begins as every line does. */
static yoco_status drop_torn(yoco_journal *j, const char *begin, const char *text, size_t size)
{
    size_t n = begin ? strlen(begin) : 0;
    if (!is_blank(text, size)) {
        if (memcmp(text, begin ? begin : "", size < n ? size : n) != 0) {
            yoco_log_error("%s is no output of yoco: give another output file, or --overwrite to "
                           "replace this one",
                           j->path);
            return YOCO_ERR_DATA;
        }
        yoco_log_warn("%s: dropping its last line, which is not whole", j->path);
    }
    return yoco_journal_cut(j, j->size);
}

static yoco_status read_lines(yoco_journal *j, const yoco_map *map, const char *begin,
                              yoco_journal_each each, void *data)
{
    const char *text = (const char *)map->data;
    yoco_line line = {.end = yoco_first_bytes_mark(text, map->size)};
    while (yoco_line_next(text, map->size, &line) && line.whole)
        YOCO_TRY(each(data, &line));
    const char *last = map->size > 0 ? memrchr(text, '\n', map->size) : NULL;
    j->size = last ? last + 1 - text : 0;
    if ((size_t)j->size == map->size)
        return YOCO_OK;
    return drop_torn(j, begin, text + j->size, map->size - (size_t)j->size);
}

yoco_status yoco_journal_read(yoco_journal *j, const char *begin, yoco_journal_each each,
                              void *data)
{
    yoco_map map;
    YOCO_TRY(yoco_map_open(j->path, &map));
    yoco_status status = yoco_first_bytes_check(j->path, YOCO_FILE_DATA, map.data, map.size);
    if (status == YOCO_OK)
        status = read_lines(j, &map, begin, each, data);
    yoco_map_close(&map);
    return status;
}

yoco_status yoco_journal_cut(yoco_journal *j, int64_t size)
{
    j->size = size;
    return ftruncate(j->fd, size) == 0 ? YOCO_OK : io_error(j, "truncating");
}

/* Lines of a file without a name are lost when it is closed. */
static yoco_status check_name(const yoco_journal *j)
{
    struct stat info;
    if (j->is_stdout || fstat(j->fd, &info) != 0 || info.st_nlink > 0)
        return YOCO_OK;
    yoco_log_error("%s was removed or replaced while it was written: what this run has computed is "
                   "lost; give another path",
                   j->path);
    return YOCO_ERR_IO;
}

/* One write in all but odd cases; what a failed one leaves is taken back. */
yoco_status yoco_journal_append(yoco_journal *j, const char *lines, size_t size)
{
    if (!yoco_write_all("results.append", j->fd, lines, size)) {
        yoco_status status = io_error(j, "writing to");
        if (!j->is_stdout && ftruncate(j->fd, j->size) != 0)
            yoco_log_warn("%s ends with a line that is not whole", j->path);
        return status;
    }
    j->size += (int64_t)size;
    if (!j->is_stdout && (!yoco_failpoint("results.sync") || fdatasync(j->fd) != 0))
        return io_error(j, "syncing");
    return check_name(j);
}

static yoco_status copy_rest(yoco_atomic_file *file, const yoco_map *map, const size_t *begins,
                             size_t n)
{
    const char *text = (const char *)map->data;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        YOCO_TRY(yoco_atomic_file_write(file, text + at, begins[i] - at));
        const char *stop = memchr(text + begins[i], '\n', map->size - begins[i]);
        at = stop ? (size_t)(stop + 1 - text) : map->size;
    }
    return yoco_atomic_file_write(file, text + at, map->size - at);
}

static yoco_status write_rest(const yoco_journal *j, const size_t *begins, size_t n)
{
    yoco_atomic_file *file;
    yoco_map map;
    YOCO_TRY(yoco_atomic_file_check_names(j->path));
    YOCO_TRY(yoco_map_open(j->path, &map));
    yoco_status status = yoco_atomic_file_create_locked(j->path, &file);
    if (status == YOCO_OK) {
        status = copy_rest(file, &map, begins, n);
        if (status == YOCO_OK)
            status = yoco_atomic_file_finish(file);
        else
            yoco_atomic_file_discard(file);
    }
    yoco_map_close(&map);
    return status;
}

yoco_status yoco_journal_remove(yoco_journal *j, const size_t *begins, size_t n)
{
    if (n == 0)
        return YOCO_OK;
    YOCO_TRY(write_rest(j, begins, n));
    close(j->fd); /* the new file has another inode */
    return open_file(j);
}
