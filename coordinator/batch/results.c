#include "coordinator/batch/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/files/journal.h"
#include "configs/files/json_text.h"
#include "coordinator/batch/line.h"

struct yoco_batch_results {
    yoco_journal file;
    json_t *errors; /* id of an error record found at the start: where its line begins */
    size_t *drops;  /* (n_drops): where lines begin that are to be removed */
    size_t n_drops;
};

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
        yoco_log_error("%s:%lld was made by another run: %s; %s", r->file.path, (long long)number,
                       changed, advice);
        return YOCO_ERR_DATA;
    }
    const json_t *place = json_object_get(input->places, custom_id);
    if (!place) {
        yoco_log_error("%s:%lld answers '%s', which is no job of %s; %s", r->file.path,
                       (long long)number, custom_id, input->name, advice);
        return YOCO_ERR_DATA;
    }
    yoco_batch_entry *entry = &input->entries[json_integer_value(place)];
    size_t prefix = strlen(YOCO_BATCH_ID_PREFIX);
    if (entry->bad || strncmp(id, YOCO_BATCH_ID_PREFIX, prefix) != 0 ||
        strcmp(id + prefix, entry->id) != 0) {
        yoco_log_error("%s:%lld answers '%s', but that job, or its document, has changed since "
                       "(%s:%lld); %s",
                       r->file.path, (long long)number, custom_id, input->name,
                       (long long)entry->line, advice);
        return YOCO_ERR_DATA;
    }
    if (entry->done) {
        yoco_log_error("%s:%lld answers '%s' a second time; %s", r->file.path, (long long)number,
                       custom_id, advice);
        return YOCO_ERR_DATA;
    }
    entry->done = true;
    return YOCO_OK;
}

static yoco_status add_drop(yoco_batch_results *r, size_t begin)
{
    size_t *drops = r->drops;
    if ((r->n_drops & (r->n_drops - 1)) == 0) /* 0 or a power of two */
        drops = realloc(drops, (2 * r->n_drops + 1) * sizeof *drops);
    if (!drops) {
        yoco_log_error("cannot allocate a table of the error records of %s", r->file.path);
        return YOCO_ERR_MEMORY;
    }
    r->drops = drops;
    r->drops[r->n_drops++] = begin;
    return YOCO_OK;
}

/* One record is enough of each. */
static yoco_status add_error(yoco_batch_results *r, const char *id, size_t begin)
{
    if (json_object_get(r->errors, id))
        return add_drop(r, begin);
    json_object_set_new(r->errors, id, json_integer((json_int_t)begin));
    return YOCO_OK;
}

typedef struct matching {
    yoco_batch_results *results;
    yoco_batch_input *input;
    const char *fingerprint;
} matching;

static yoco_status match_line(void *data, const yoco_line *text)
{
    const matching *m = data;
    yoco_batch_results *r = m->results;
    yoco_json_problem problem;
    json_t *line = yoco_json_load(text->text, text->size, &problem);
    yoco_status status;
    if (!line || !json_object_get(line, "response") || !json_object_get(line, "error")) {
        yoco_log_error("%s:%lld is no result of yoco batch: give another output file, or "
                       "--overwrite to replace this one",
                       r->file.path, (long long)text->number);
        status = YOCO_ERR_DATA;
    } else if (!json_is_null(json_object_get(line, "error"))) {
        status = add_error(r, string_at(line, "id"), text->begin);
    } else {
        status = match_answer(r, text->number, line, m->input, m->fingerprint);
    }
    json_decref(line);
    return status;
}

static yoco_status prepare(yoco_batch_results *r, bool overwrite, yoco_batch_input *input,
                           const char *fingerprint)
{
    if (overwrite)
        return yoco_journal_cut(&r->file, 0);
    return yoco_journal_read(&r->file, "{\"id\":\"" YOCO_BATCH_ID_PREFIX, match_line,
                             &(matching){r, input, fingerprint});
}

yoco_status yoco_batch_results_open(const char *path, bool overwrite, yoco_batch_input *input,
                                    const char *fingerprint, yoco_batch_results **out)
{
    yoco_batch_results *r = calloc(1, sizeof *r);
    if (r)
        *r = (yoco_batch_results){.file = {.fd = -1}, .errors = json_object()};
    yoco_status status = r && r->errors ? YOCO_OK : YOCO_ERR_MEMORY;
    if (status != YOCO_OK)
        yoco_log_error("cannot allocate the output file");
    else if (strcmp(path, "-") == 0)
        status = yoco_journal_open_stdout(&r->file);
    else
        status = yoco_journal_open(path, &r->file);
    if (status == YOCO_OK && !r->file.is_stdout)
        status = prepare(r, overwrite, input, fingerprint);
    if (status == YOCO_OK)
        *out = r;
    else
        yoco_batch_results_close(r);
    return status;
}

void yoco_batch_results_close(yoco_batch_results *r)
{
    if (!r)
        return;
    yoco_journal_close(&r->file);
    json_decref(r->errors);
    free(r->drops);
    free(r);
}

static int ascending(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

yoco_status yoco_batch_results_settle(yoco_batch_results *r, yoco_batch_input *input)
{
    char id[sizeof YOCO_BATCH_ID_PREFIX + YOCO_HASH_TEXT_BYTES];
    const char *key;
    json_t *begin;
    for (int64_t i = 0; i < input->n; i++) {
        yoco_batch_entry *entry = &input->entries[i];
        snprintf(id, sizeof id, "%s%s", YOCO_BATCH_ID_PREFIX, entry->id);
        if (entry->bad && json_object_del(r->errors, id) == 0)
            entry->done = true;
    }
    json_object_foreach(r->errors, key, begin)
        YOCO_TRY(add_drop(r, (size_t)json_integer_value(begin)));
    if (r->n_drops > 0)
        qsort(r->drops, r->n_drops, sizeof *r->drops, ascending);
    return yoco_journal_remove(&r->file, r->drops, r->n_drops);
}

yoco_status yoco_batch_results_append(yoco_batch_results *r, const char *lines, size_t size)
{
    return yoco_journal_append(&r->file, lines, size);
}
