/* scale.csv and scale.json, and the writing of all three files. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/atomic_file.h"
#include "configs/files/json_text.h"
#include "configs/files/path.h"
#include "coordinator/scale/report.h"

/* Quoted, with quotes doubled; texts come from the command line and from model names. */
static void csv_text(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    fputs("\",", out);
}

static void csv_spread(FILE *out, const yoco_spread *s)
{
    fprintf(out, "%.9g,%.9g,%.9g,", s->median, s->min, s->max);
}

static void csv_row(FILE *out, const yoco_scale_result *r)
{
    csv_text(out, r->kind);
    csv_text(out, r->weak ? "weak" : "strong");
    csv_text(out, r->model);
    csv_text(out, r->hardware);
    csv_text(out, r->what_if);
    fprintf(out, "%d,%" PRId64 ",%" PRId64 ",%" PRId64 ",%d,", r->n_ranks, r->n_tokens,
            r->n_branches, r->chunk_rows, r->n_prefills);
    csv_spread(out, &r->prefill_s);
    fprintf(out, "%.6g,%.9g,", r->prefill_efficiency, yoco_scale_tokens_s_per_rank(r));
    for (int part = 0; part < YOCO_N_PARTS; part++)
        fprintf(out, "%.9g,", r->prefill_part_s[part]);
    fprintf(out, "%.9g,%d,", r->sent_bytes, r->n_steps);
    csv_spread(out, &r->step_s);
    fprintf(out, "%.6g,", r->step_efficiency);
    for (int part = 0; part < YOCO_N_PARTS; part++)
        fprintf(out, "%.9g,", r->step_part_s[part]);
    fprintf(out, "%.9g,%d,", r->memory_bytes, r->base_ranks);
    csv_text(out, r->prefill_limit ? r->prefill_limit : "");
    csv_text(out, r->step_limit ? r->step_limit : "");
    csv_text(out, r->machine);
    csv_text(out, r->commit);
    fprintf(out, "\"%s\"\n", r->time);
}

void yoco_scale_print_csv(FILE *out, const yoco_scale_results *results)
{
    fputs("kind,scaling,model,hardware,what_if,ranks,tokens,branches,chunk,prefills,"
          "prefill_s,prefill_min_s,prefill_max_s,prefill_efficiency,prefill_tokens_s_per_rank,"
          "prefill_compute_s,prefill_edge_wait_s,prefill_reduce_s,prefill_wait_s,prefill_idle_s,"
          "prefill_sent_bytes_per_rank,steps,step_s,step_min_s,step_max_s,step_efficiency,"
          "step_compute_s,step_edge_wait_s,step_reduce_s,step_wait_s,step_idle_s,"
          "memory_bytes,base_ranks,prefill_limit,step_limit,machine,commit,time\n",
          out);
    for (int i = 0; i < results->n; i++)
        csv_row(out, &results->items[i]);
}

static yoco_status save(const char *folder, const char *name, const char *text, size_t size)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(folder, name, path));
    return yoco_atomic_file_save(path, text, size);
}

static yoco_status save_printed(const char *folder, const char *name,
                                const yoco_scale_results *results,
                                void (*print)(FILE *, const yoco_scale_results *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out != NULL;
    if (out) {
        print(out, results);
        ok = !ferror(out);
        ok = fclose(out) == 0 && ok;
    }
    if (!ok)
        yoco_log_error("cannot allocate %s", name);
    yoco_status status = ok ? save(folder, name, text, size) : YOCO_ERR_MEMORY;
    free(text);
    return status;
}

static yoco_status save_json(const char *folder, const json_t *rows)
{
    char *text = yoco_json_text(rows, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    if (!text) {
        yoco_log_error("cannot allocate scale.json");
        return YOCO_ERR_MEMORY;
    }
    yoco_status status = save(folder, "scale.json", text, strlen(text));
    free(text);
    return status;
}

yoco_status yoco_scale_report_write(const char *folder, const json_t *rows)
{
    yoco_scale_results results;
    YOCO_TRY(yoco_scale_results_make("scale.jsonl", rows, &results));
    yoco_status status = save_json(folder, rows);
    if (status == YOCO_OK)
        status = save_printed(folder, "scale.csv", &results, yoco_scale_print_csv);
    if (status == YOCO_OK)
        status = save_printed(folder, "report.html", &results, yoco_scale_print_html);
    yoco_scale_results_free(&results);
    return status;
}
