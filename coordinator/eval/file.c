#include "coordinator/eval/file.h"

#include "configs/files/path.h"
#include "configs/files/text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "coordinator/eval/failure.h"

static yoco_status differs(const yoco_eval_file *file, const char *what, const char *theirs,
                           const char *ours)
{
    yoco_log_error("%s was made with %s %s, this run has %s: give the same settings, another "
                   "folder with -o, or --overwrite",
                   file->journal.path, what, theirs, ours);
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
    YOCO_TRY(same_text(file, "--chat", s->chat ? "on" : "off", settings->chat ? "on" : "off"));
    YOCO_TRY(same_text(file, "the arithmetic", s->arithmetic, settings->arithmetic));
    YOCO_TRY(same_text(file, "yoco", s->yoco, settings->yoco));
    return same_number(file, "answers of at most (tokens)", s->max_tokens,
                       yoco_eval_cell_answer_tokens(&cell, settings->max_tokens));
}

/* The document under way while the file is read. */
typedef struct reader {
    yoco_eval_file *file;
    const yoco_eval_settings *settings;
    yoco_eval_cell cell;
    int64_t line, n_read, n_expected; /* line of the file; lines of the document, and all of it */
    size_t kept;                      /* bytes up to the last complete document */
    size_t *failures;                 /* (n_failures): where their lines begin */
    size_t n_failures;
} reader;

static yoco_status add_done(reader *r)
{
    yoco_eval_file *file = r->file;
    if (yoco_eval_file_has(file, &r->cell)) {
        yoco_log_error("%s:%" PRId64 ": this document stands in the file already: remove one of "
                       "the two",
                       file->journal.path, r->line);
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
                       r->file->journal.path, r->line);
        return YOCO_ERR_DATA;
    }
    r->cell = cell;
    r->n_expected = s->n_questions;
    r->n_read++;
    return YOCO_OK;
}

static yoco_status add_failure(reader *r, size_t begin)
{
    size_t *failures = realloc(r->failures, (r->n_failures + 1) * sizeof *failures);
    if (!failures) {
        yoco_log_error("cannot allocate a table of %zu failures", r->n_failures + 1);
        return YOCO_ERR_MEMORY;
    }
    r->failures = failures;
    r->failures[r->n_failures++] = begin;
    return YOCO_OK;
}

static yoco_status read_line(void *data, const yoco_line *line)
{
    reader *r = data;
    yoco_eval_sample sample;
    r->line = line->number;
    if (yoco_eval_failure_is(line->text, line->size))
        return add_failure(r, line->begin);
    YOCO_TRY(yoco_eval_sample_parse(r->file->journal.path, line->number, line->text, line->size,
                                    &sample));
    yoco_status status = take_line(r, &sample);
    yoco_eval_sample_free(&sample);
    YOCO_TRY(status);
    if (r->n_read < r->n_expected)
        return YOCO_OK;
    r->n_read = 0;
    r->kept = line->end;
    return add_done(r);
}

static yoco_status resume(yoco_eval_file *file, const yoco_eval_settings *settings)
{
    reader r = {.file = file, .settings = settings};
    yoco_journal *journal = &file->journal;
    yoco_status status = yoco_journal_read(journal, NULL, read_line, &r);
    if (status == YOCO_OK && r.n_read > 0) {
        yoco_log_warn("%s: drops the last %lld bytes, an unfinished document", journal->path,
                      (long long)(journal->size - (int64_t)r.kept));
        status = yoco_journal_cut(journal, (int64_t)r.kept);
    }
    while (r.n_failures > 0 && r.failures[r.n_failures - 1] >= (size_t)journal->size)
        r.n_failures--;
    if (status == YOCO_OK && r.n_failures > 0) {
        yoco_log_info("%s: tries %zu documents again that had no answers", journal->path,
                      r.n_failures);
        status = yoco_journal_remove(journal, r.failures, r.n_failures);
    }
    free(r.failures);
    return status;
}

static yoco_status prepare(yoco_eval_file *file, yoco_eval_mode mode,
                           const yoco_eval_settings *settings)
{
    if (file->journal.size == 0)
        return YOCO_OK;
    if (mode == YOCO_EVAL_RESUME)
        return resume(file, settings);
    if (mode == YOCO_EVAL_OVERWRITE)
        return yoco_journal_cut(&file->journal, 0);
    yoco_log_error("%s holds the answers of a run: continue it with --resume, replace it with "
                   "--overwrite, or give another folder with -o",
                   file->journal.path);
    return YOCO_ERR_USAGE;
}

yoco_status yoco_eval_file_open(const char *folder, yoco_eval_mode mode,
                                const yoco_eval_settings *settings, yoco_eval_file *out)
{
    yoco_eval_file file = {.journal = {.fd = -1}};
    char path[PATH_MAX];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot make the folder %s: %s", folder, strerror(error));
        return yoco_status_of_errno(error);
    }
    YOCO_TRY(yoco_path_join(folder, "samples.jsonl", path));
    yoco_status status = yoco_journal_open(path, &file.journal);
    if (status == YOCO_OK)
        status = prepare(&file, mode, settings);
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
    return yoco_journal_append(&file->journal, lines, size);
}

void yoco_eval_file_close(yoco_eval_file *file)
{
    yoco_journal_close(&file->journal);
    free(file->done);
    *file = (yoco_eval_file){.journal = {.fd = -1}};
}
