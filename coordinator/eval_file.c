#include "coordinator/eval_file.h"

#include "configs/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static yoco_status differs(const yoco_eval_file *file, const char *what, const char *theirs,
                           const char *ours)
{
    yoco_log_error("%s was made with %s %s, this run has %s: give the same settings, another "
                   "folder with -o, or --overwrite",
                   file->path, what, theirs, ours);
    return YOCO_ERR_DATA;
}

static yoco_status same_number(const yoco_eval_file *file, const char *what, int64_t theirs,
                               int64_t ours)
{
    char a[32], b[32];
    snprintf(a, sizeof a, "%" PRId64, theirs);
    snprintf(b, sizeof b, "%" PRId64, ours);
    return theirs == ours ? YOCO_OK : differs(file, what, a, b);
}

static yoco_status same_text(const yoco_eval_file *file, const char *what, const char *theirs,
                             const char *ours)
{
    return strcmp(theirs, ours) == 0 ? YOCO_OK : differs(file, what, theirs, ours);
}

static yoco_eval_cell cell_of(const yoco_eval_sample *s)
{
    return (yoco_eval_cell){s->task, s->length, s->depth, (int)s->n, s->trial};
}

static yoco_status check_settings(const yoco_eval_file *file, const yoco_eval_settings *settings,
                                  const yoco_eval_sample *s)
{
    yoco_eval_cell cell = cell_of(s);
    YOCO_TRY(same_text(file, "the model", s->model, settings->model));
    YOCO_TRY(same_text(file, "the haystack", s->haystack, settings->haystack));
    YOCO_TRY(same_number(file, "--seed", s->seed, settings->seed));
    YOCO_TRY(same_number(file, "--chunk", s->chunk, settings->chunk));
    YOCO_TRY(same_text(file, "the arithmetic", s->arithmetic, settings->arithmetic));
    YOCO_TRY(same_text(file, "yoco", s->yoco, settings->yoco));
    return same_number(file, "answers of at most (tokens)", s->max_tokens,
                       yoco_eval_cell_answer_tokens(&cell, settings->max_tokens));
}

/* The document under way while the file is read. */
typedef struct reader {
    yoco_eval_file *file;
    const yoco_eval_settings *settings;
    const yoco_text *text;
    yoco_eval_cell cell;
    int64_t n_lines, n_read, n_expected; /* lines of the file, of the document, it should have */
    size_t kept;                         /* bytes up to the last complete document */
} reader;

static yoco_status add_done(reader *r)
{
    yoco_eval_file *file = r->file;
    if (yoco_eval_file_has(file, &r->cell)) {
        yoco_log_error("%s:%" PRId64 ": this document stands in the file already: remove one of "
                       "the two",
                       file->path, r->n_lines);
        return YOCO_ERR_DATA;
    }
    yoco_eval_cell *done = realloc(file->done, (size_t)(file->n_done + 1) * sizeof *done);
    if (!done) {
        yoco_log_error("cannot allocate a table of %" PRId64 " documents", file->n_done + 1);
        return YOCO_ERR_MEMORY;
    }
    file->done = done;
    file->done[file->n_done++] = r->cell;
    return YOCO_OK;
}

static yoco_status take_line(reader *r, const yoco_eval_sample *s)
{
    yoco_eval_cell cell = cell_of(s);
    YOCO_TRY(check_settings(r->file, r->settings, s));
    bool first = r->n_read == 0;
    if (s->question != r->n_read ||
        (!first && (!yoco_eval_cell_same(&cell, &r->cell) || s->n_questions != r->n_expected))) {
        yoco_log_error("%s:%" PRId64 ": the answers of a document do not stand together: restore "
                       "the file or use --overwrite",
                       r->file->path, r->n_lines);
        return YOCO_ERR_DATA;
    }
    r->cell = cell;
    r->n_expected = s->n_questions;
    r->n_read++;
    return YOCO_OK;
}

static yoco_status read_lines(reader *r)
{
    const char *data = r->text->data, *end;
    for (size_t at = 0; at < r->text->size; at = (size_t)(end - data) + 1) {
        yoco_eval_sample sample;
        end = memchr(data + at, '\n', r->text->size - at);
        if (!end)
            break;
        r->n_lines++;
        YOCO_TRY(yoco_eval_sample_parse(r->file->path, r->n_lines, data + at,
                                        (size_t)(end - data) - at, &sample));
        yoco_status status = take_line(r, &sample);
        yoco_eval_sample_free(&sample);
        YOCO_TRY(status);
        if (r->n_read < r->n_expected)
            continue;
        YOCO_TRY(add_done(r));
        r->n_read = 0;
        r->kept = (size_t)(end - data) + 1;
    }
    return YOCO_OK;
}

static yoco_status io_failed(const yoco_eval_file *file, const char *what)
{
    yoco_log_error("cannot %s %s: %s", what, file->path, strerror(errno));
    return YOCO_ERR_IO;
}

static yoco_status resume(yoco_eval_file *file, const yoco_eval_settings *settings)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read(file->path, YOCO_FILE_DATA, &text));
    reader r = {.file = file, .settings = settings, .text = &text};
    yoco_status status = read_lines(&r);
    size_t size = text.size;
    yoco_text_free(&text);
    YOCO_TRY(status);
    if (r.kept < size) {
        yoco_log_warn("%s: drops the last %zu bytes, an unfinished document", file->path,
                      size - r.kept);
        if (ftruncate(file->fd, (off_t)r.kept) != 0)
            return io_failed(file, "shorten");
    }
    return YOCO_OK;
}

static yoco_status prepare(yoco_eval_file *file, yoco_eval_mode mode,
                           const yoco_eval_settings *settings)
{
    struct stat info;
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        yoco_log_error("%s is being written by another run", file->path);
        return YOCO_ERR_OPEN;
    }
    if (fstat(file->fd, &info) != 0)
        return io_failed(file, "inspect");
    if (info.st_size == 0)
        return YOCO_OK;
    if (mode == YOCO_EVAL_RESUME)
        return resume(file, settings);
    if (mode == YOCO_EVAL_OVERWRITE)
        return ftruncate(file->fd, 0) == 0 ? YOCO_OK : io_failed(file, "shorten");
    yoco_log_error("%s holds the answers of a run: continue it with --resume, replace it with "
                   "--overwrite, or give another folder with -o",
                   file->path);
    return YOCO_ERR_USAGE;
}

yoco_status yoco_eval_file_open(const char *folder, yoco_eval_mode mode,
                                const yoco_eval_settings *settings, yoco_eval_file *out)
{
    yoco_eval_file file = {.fd = -1};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        yoco_log_error("cannot make the folder %s: %s", folder, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    if (asprintf(&file.path, "%s/samples.jsonl", folder) < 0) {
        yoco_log_error("cannot allocate a path");
        return YOCO_ERR_MEMORY;
    }
    file.fd = open(file.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    yoco_status status = YOCO_OK;
    if (file.fd < 0) {
        yoco_log_error("cannot open %s: %s", file.path, strerror(errno));
        status = YOCO_ERR_OPEN;
    } else {
        status = prepare(&file, mode, settings);
    }
    if (status != YOCO_OK) {
        yoco_eval_file_close(&file);
        return status;
    }
    *out = file;
    return YOCO_OK;
}

bool yoco_eval_file_has(const yoco_eval_file *file, const yoco_eval_cell *cell)
{
    for (int64_t i = 0; i < file->n_done; i++)
        if (yoco_eval_cell_same(&file->done[i], cell))
            return true;
    return false;
}

yoco_status yoco_eval_file_append(yoco_eval_file *file, const char *lines, size_t size)
{
    while (size > 0) {
        ssize_t n = write(file->fd, lines, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_failed(file, "write");
        lines += n;
        size -= (size_t)n;
    }
    return fsync(file->fd) == 0 ? YOCO_OK : io_failed(file, "write");
}

void yoco_eval_file_close(yoco_eval_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->done);
    *file = (yoco_eval_file){.fd = -1};
}
