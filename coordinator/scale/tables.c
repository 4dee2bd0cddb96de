/* The tables of one experiment, one for each series. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "coordinator/report/svg.h"
#include "coordinator/scale/report.h"

enum { LABEL = YOCO_SCALE_LABEL_BYTES };

const char *yoco_scale_label(const yoco_scale_result *r, char text[LABEL])
{
    int n = snprintf(text, LABEL, "%s, %s", r->kind, r->hardware);
    if (*r->what_if && n < LABEL)
        snprintf(text + n, (size_t)(LABEL - n), ", %s", r->what_if);
    return text;
}

const char *yoco_scale_count(int64_t n, char text[LABEL])
{
    if (n > 0 && n % (1 << 20) == 0)
        snprintf(text, LABEL, "%" PRId64 "M", n >> 20);
    else if (n > 0 && n % (1 << 10) == 0)
        snprintf(text, LABEL, "%" PRId64 "K", n >> 10);
    else
        snprintf(text, LABEL, "%" PRId64, n);
    return text;
}

const char *yoco_scale_seconds(double seconds, char text[LABEL])
{
    if (seconds >= 1)
        snprintf(text, LABEL, "%.3g s", seconds);
    else if (seconds >= 1e-3)
        snprintf(text, LABEL, "%.3g ms", seconds * 1e3);
    else
        snprintf(text, LABEL, "%.3g \xc2\xb5s", seconds * 1e6);
    return text;
}

static void print_spread(FILE *out, const yoco_spread *s, int n)
{
    char median[LABEL], min[LABEL], max[LABEL];
    fprintf(out, "<td>%s</td>", yoco_scale_seconds(s->median, median));
    if (n > 1)
        fprintf(out, "<td>%s &#8211; %s</td>", yoco_scale_seconds(s->min, min),
                yoco_scale_seconds(s->max, max));
    else
        fputs("<td>&#8211;</td>", out);
}

static void print_parts(FILE *out, const double *parts)
{
    double sum = 0;
    for (int part = 0; part < YOCO_N_PARTS; part++)
        sum += parts[part];
    for (int part = 0; part < YOCO_N_PARTS; part++)
        fprintf(out, "<td>%.1f&#160;%%</td>", sum > 0 ? 100 * parts[part] / sum : 0);
}

static void print_efficiency(FILE *out, double efficiency, bool has_efficiency)
{
    if (has_efficiency)
        fprintf(out, "<td>%.1f&#160;%%</td>", 100 * efficiency);
    else
        fputs("<td>&#8211;</td>", out);
}

static void print_row(FILE *out, const yoco_scale_result *r, bool has_efficiency)
{
    char tokens[LABEL], chunk[LABEL];
    fprintf(out, "<tr><td>%s</td><td>%d</td><td>%s</td><td>%s%s</td>", r->kind, r->n_ranks,
            yoco_scale_count(r->n_tokens, tokens), yoco_scale_count(r->chunk_rows, chunk),
            yoco_div_up(r->n_tokens, r->chunk_rows) < r->n_ranks ? " *" : "");
    print_spread(out, &r->prefill_s, r->n_prefills);
    print_efficiency(out, r->prefill_efficiency, has_efficiency);
    fprintf(out, "<td>%.0f</td>", yoco_scale_tokens_s_per_rank(r));
    print_parts(out, r->prefill_part_s);
    fprintf(out, "<td>%.4g</td>", r->sent_bytes / (1 << 20));
    print_spread(out, &r->step_s, r->n_steps);
    print_efficiency(out, r->step_efficiency, has_efficiency);
    print_parts(out, r->step_part_s);
    fprintf(out, "<td>%.3g</td>", r->memory_bytes / (1 << 30));
    if (r->prefill_limit && r->step_limit) {
        fputs("<td class=\"text\">", out);
        yoco_xml_text(out, r->prefill_limit);
        fputs(" / ", out);
        yoco_xml_text(out, r->step_limit);
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

static void print_note(FILE *out, const yoco_scale_result *rows, int n, bool has_efficiency)
{
    bool few_chunks = false;
    for (int i = 0; i < n; i++)
        few_chunks |= yoco_div_up(rows[i].n_tokens, rows[i].chunk_rows) < rows[i].n_ranks;
    fputs("<p class=\"faint\">", out);
    if (has_efficiency)
        fprintf(out, "Efficiency is against %d rank%s. ", rows->base_ranks,
                rows->base_ranks == 1 ? "" : "s");
    fputs("Medians, then the least and the greatest, of the prefills and steps of one run; one "
          "prefill "
          "or step has no spread. Machine: ",
          out);
    yoco_xml_text(out, rows->machine);
    fputs(". Commit: ", out);
    yoco_xml_text(out, rows->commit);
    fputs(few_chunks ? ". * fewer chunks than ranks.</p>\n" : ".</p>\n", out);
}

static void print_head(FILE *out, bool has_limits)
{
    static const char *const phases[] = {"prefill", "step"};
    fputs("<div class=\"scroll\"><table class=\"numbers\"><thead><tr><th>kind</th><th>ranks</th>"
          "<th>tokens</th><th>chunk</th>",
          out);
    for (int i = 0; i < 2; i++) {
        fprintf(out, "<th>%s</th><th>spread</th><th>efficiency</th>", phases[i]);
        if (i == 0)
            fputs("<th>tokens/s, rank</th>", out);
        for (int part = 0; part < YOCO_N_PARTS; part++)
            fprintf(out, "<th>%s</th>", yoco_scale_part_name(part));
        if (i == 0)
            fputs("<th>MiB sent, rank</th>", out);
    }
    fprintf(out, "<th>GiB, fullest rank</th>%s</tr></thead>\n<tbody>\n",
            has_limits ? "<th>limits: prefill / step</th>" : "");
}

void yoco_scale_print_tables(FILE *out, const yoco_scale_results *results, int first, int end)
{
    for (int i = first, next; i < end; i = next) {
        char label[LABEL];
        const yoco_scale_result *rows = &results->items[i];
        next = yoco_scale_run_end(results, i, yoco_scale_same_series);
        bool has_efficiency = yoco_scale_has_efficiency(results, i, next);
        fputs("<h3>", out);
        yoco_xml_text(out, yoco_scale_label(rows, label));
        fputs("</h3>\n", out);
        print_note(out, rows, next - i, has_efficiency);
        print_head(out, rows->prefill_limit && rows->step_limit);
        for (int j = i; j < next; j++)
            print_row(out, &results->items[j], has_efficiency);
        fputs("</tbody></table></div>\n", out);
    }
}
