#include "comm/watch/hang.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JOB_BYTES = 17 };

static bool make_path(const char *folder, int rank, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/hang-%d.json", folder, rank) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static json_t *op_json(const yoco_hang_op *op, double now_s)
{
    json_t *json = json_pack("{s:s, s:b, s:b, s:I, s:I, s:f}", "what", op->what, "collective",
                             op->collective, "group", op->group, "number", (json_int_t)op->number,
                             "bytes", (json_int_t)op->bytes, "seconds_ago", now_s - op->begin_s);
    if (op->end_s > 0)
        json_object_set_new(json, "lasted_s", json_real(op->end_s - op->begin_s));
    if (op->chunk >= 0)
        json_object_set_new(json, "chunk", json_integer(op->chunk));
    if (op->layer >= 0)
        json_object_set_new(json, "layer", json_integer(op->layer));
    if (op->peer >= 0) {
        json_object_set_new(json, "peer", json_integer(op->peer));
        json_object_set_new(json, "incoming", json_boolean(op->incoming));
    }
    return json;
}

static json_t *report_json(const yoco_hang_report *r)
{
    char job[JOB_BYTES], at[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    bool waiting = false;
    double since_s = r->now_s;
    if (r->n_ops > 0) {
        const yoco_hang_op *last = &r->ops[r->n_ops - 1];
        waiting = last->end_s == 0;
        since_s = waiting ? last->begin_s : last->end_s;
    }
    snprintf(job, sizeof job, "%016" PRIx64, r->job);
    if (gmtime_r(&now, &utc))
        strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *ops = json_array();
    for (int i = 0; i < r->n_ops; i++)
        json_array_append_new(ops, op_json(&r->ops[i], r->now_s));
    return json_pack("{s:s, s:i, s:i, s:s, s:I, s:s, s:s, s:s, s:f, s:s, s:f, s:o?, s:o}", "job",
                     job, "rank", r->rank, "ranks", r->n_ranks, "host", r->place.host, "pid",
                     (json_int_t)r->place.pid, "yoco", YOCO_VERSION, "mpi", r->mpi, "time", at,
                     "deadline_s", r->deadline_s, "state", waiting ? "waiting" : "computing",
                     "seconds", r->now_s - since_s, "current",
                     waiting ? op_json(&r->ops[r->n_ops - 1], r->now_s) : NULL, "operations", ops);
}

/* Where its links lead: a report that is a link stays one. */
static void follow_links(char path[PATH_MAX])
{
    char real[PATH_MAX];
    if (realpath(path, real))
        memcpy(path, real, strlen(real) + 1);
}

static bool make_part(const char *path, char part[PATH_MAX])
{
    errno = ENAMETOOLONG;
    return snprintf(part, PATH_MAX, "%s.part", path) < PATH_MAX;
}

bool yoco_hang_save(const char *folder, const yoco_hang_report *report)
{
    char path[PATH_MAX], part[PATH_MAX];
    if (!make_path(folder, report->rank, path))
        return false;
    follow_links(path);
    if (!make_part(path, part))
        return false;
    json_t *json = report_json(report);
    errno = ENOMEM;
    bool saved = json && json_dump_file(json, part, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0 &&
                 rename(part, path) == 0;
    json_decref(json);
    return saved;
}

static int64_t get_integer(const json_t *json, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static void read_op(const json_t *json, yoco_hang_op *op)
{
    const char *what = json_string_value(json_object_get(json, "what"));
    *op = (yoco_hang_op){.chunk = get_integer(json, "chunk", -1),
                         .layer = (int)get_integer(json, "layer", -1),
                         .peer = (int)get_integer(json, "peer", -1),
                         .number = get_integer(json, "number", 0),
                         .incoming = json_is_true(json_object_get(json, "incoming")),
                         .collective = json_is_true(json_object_get(json, "collective")),
                         .group = json_is_true(json_object_get(json, "group"))};
    snprintf(op->what, sizeof op->what, "%s", what ? what : "");
}

void yoco_hang_load(const char *folder, uint64_t job, int rank, yoco_hang_state *out)
{
    char path[PATH_MAX], wanted[JOB_BYTES];
    *out = (yoco_hang_state){.op = {.chunk = -1, .layer = -1, .peer = -1}};
    if (!make_path(folder, rank, path))
        return;
    json_t *json = json_load_file(path, 0, NULL);
    const char *found = json_string_value(json_object_get(json, "job"));
    const char *state = json_string_value(json_object_get(json, "state"));
    snprintf(wanted, sizeof wanted, "%016" PRIx64, job);
    if (found && state && strcmp(found, wanted) == 0 && get_integer(json, "rank", -1) == rank) {
        const json_t *ops = json_object_get(json, "operations");
        out->heard = true;
        out->waiting = strcmp(state, "waiting") == 0;
        out->seconds = json_number_value(json_object_get(json, "seconds"));
        if (json_array_size(ops) > 0)
            read_op(json_array_get(ops, json_array_size(ops) - 1), &out->op);
    }
    json_decref(json);
}
