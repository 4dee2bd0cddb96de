#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/doctor/doctor.h"
#include "coordinator/session/bytes.h"
#include "streams.h"

static const char *const verdict_names[YOCO_N_VERDICTS] = {"ok", "warn", "bad"};

/* One line of the output. */
typedef struct line {
    yoco_finding finding;
    json_t *hosts; /* names, each once */
} line;

typedef struct lines {
    line *lines;
    int n;
} lines;

void yoco_doctor_say(yoco_doctor *d, yoco_verdict verdict, const char *area, const char *fix,
                     const char *format, ...)
{
    va_list args;
    if (d->n == YOCO_DOCTOR_FINDINGS)
        return;
    yoco_finding *f = &d->findings[d->n++];
    *f = (yoco_finding){.verdict = verdict};
    snprintf(f->area, sizeof f->area, "%s", area);
    snprintf(f->fix, sizeof f->fix, "%s", fix ? fix : "");
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

static void add_host(json_t *hosts, const char *name)
{
    size_t i;
    json_t *host;
    json_array_foreach(hosts, i, host) if (strcmp(json_string_value(host), name) == 0) return;
    json_array_append_new(hosts, json_string(name));
}

static yoco_status add_finding(lines *all, const yoco_finding *f, const char *host)
{
    for (int i = 0; i < all->n; i++)
        if (memcmp(&all->lines[i].finding, f, sizeof *f) == 0) {
            add_host(all->lines[i].hosts, host);
            return YOCO_OK;
        }
    line *more = realloc(all->lines, ((size_t)all->n + 1) * sizeof *more);
    if (!more) {
        yoco_log_error("cannot allocate %d findings", all->n + 1);
        return YOCO_ERR_MEMORY;
    }
    all->lines = more;
    more[all->n] = (line){.finding = *f, .hosts = json_array()};
    add_host(more[all->n++].hosts, host);
    return YOCO_OK;
}

static yoco_status add_findings(lines *all, const yoco_doctor *d)
{
    for (int i = 0; i < d->n; i++)
        YOCO_TRY(add_finding(all, &d->findings[i], d->host));
    return YOCO_OK;
}

/* Rank 0 goes on receiving after an error, so that no sender waits for ever. */
static yoco_status gather(const yoco_doctor *d, lines *all)
{
    yoco_comm *comm = d->comm;
    yoco_bytes bytes = {0};
    if (comm->rank != 0) {
        yoco_status packed = yoco_bytes_add(&bytes, d, sizeof *d);
        yoco_status sent = yoco_bytes_send(comm, 0, &bytes, "findings");
        free(bytes.data);
        return packed != YOCO_OK ? packed : sent;
    }
    yoco_status status = add_findings(all, d);
    for (int rank = 1; rank < comm->n_ranks; rank++) {
        yoco_bytes theirs = {0};
        yoco_doctor other;
        YOCO_TRY(yoco_bytes_receive(comm, rank, &theirs, "findings"));
        if (status == YOCO_OK && theirs.size == sizeof other) {
            memcpy(&other, theirs.data, sizeof other);
            status = add_findings(all, &other);
        }
        free(theirs.data);
    }
    return status;
}

static void print_hosts(const json_t *hosts)
{
    enum { MAX_SHOWN = 3 };
    size_t n = json_array_size(hosts);
    for (size_t i = 0; i < n && i < MAX_SHOWN; i++)
        yoco_print("%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(hosts, i)));
    if (n > MAX_SHOWN)
        yoco_print(" and %zu more", n - MAX_SHOWN);
}

static void print_text(const lines *all, int n_hosts, const int *counts)
{
    for (int i = 0; i < all->n; i++) {
        const yoco_finding *f = &all->lines[i].finding;
        yoco_print("%-5s%-11s", verdict_names[f->verdict], f->area);
        if (n_hosts > 1 && json_array_size(all->lines[i].hosts) < (size_t)n_hosts) {
            print_hosts(all->lines[i].hosts);
            yoco_print(": ");
        }
        yoco_print("%s\n", f->text);
        if (f->fix[0])
            yoco_print("                -> %s\n", f->fix);
    }
    yoco_print("%d ok, %d warn, %d bad\n", counts[YOCO_FINE], counts[YOCO_WARN], counts[YOCO_BAD]);
}

static yoco_status print_json(const lines *all, const int *counts)
{
    json_t *findings = json_array();
    for (int i = 0; i < all->n; i++) {
        const yoco_finding *f = &all->lines[i].finding;
        json_array_append_new(findings,
                              json_pack("{s:s, s:s, s:s, s:s, s:O}", "area", f->area, "verdict",
                                        verdict_names[f->verdict], "text", f->text, "fix", f->fix,
                                        "hosts", all->lines[i].hosts));
    }
    json_t *root =
        json_pack("{s:s, s:o, s:i, s:i, s:i}", "version", YOCO_VERSION, "findings", findings, "ok",
                  counts[YOCO_FINE], "warn", counts[YOCO_WARN], "bad", counts[YOCO_BAD]);
    return yoco_json_to_stdout(root, JSON_INDENT(2));
}

static yoco_status print(const lines *all, bool json, int *n_bad)
{
    json_t *hosts = json_array();
    int counts[YOCO_N_VERDICTS] = {0};
    yoco_status status = YOCO_OK;
    for (int i = 0; i < all->n; i++) {
        size_t j;
        json_t *host;
        counts[all->lines[i].finding.verdict]++;
        json_array_foreach(all->lines[i].hosts, j, host) add_host(hosts, json_string_value(host));
    }
    *n_bad = counts[YOCO_BAD];
    if (json)
        status = print_json(all, counts);
    else
        print_text(all, (int)json_array_size(hosts), counts);
    json_decref(hosts);
    return status;
}

yoco_status yoco_doctor_print(const yoco_doctor *d, bool json, bool *bad)
{
    lines all = {0};
    int n_bad = 0;
    yoco_status status = gather(d, &all);
    if (status == YOCO_OK && d->comm->rank == 0)
        status = print(&all, json, &n_bad);
    for (int i = 0; i < all.n; i++)
        json_decref(all.lines[i].hosts);
    free(all.lines);
    YOCO_TRY(yoco_agree(d->comm, status));
    YOCO_TRY(yoco_broadcast(d->comm, 0, &n_bad, sizeof n_bad));
    *bad = n_bad > 0;
    return YOCO_OK;
}
