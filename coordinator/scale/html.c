/* report.html: one page without other files. */
#include <math.h>
#include <string.h>

#include "coordinator/report/svg.h"
#include "coordinator/scale/report.h"

enum { LABEL = YOCO_SCALE_LABEL_BYTES };

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1f2328;--faint:#57606a;--line:#d8dee4;--soft:#f4f6f8;"
    "--page:#fff}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa4af;--line:#343b44;"
    "--soft:#1b2027;--page:#11151a}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:110rem;background:var(--page);"
    "color:var(--ink);font:16px/1.5 system-ui,Helvetica,Arial,sans-serif}\n"
    "h1{margin:0;font-size:1.6rem}\n"
    "h2{margin:2.5rem 0 .5rem;font-size:1.25rem;overflow-wrap:anywhere}\n"
    "h3{margin:1.5rem 0 .4rem;font-size:1.05rem;overflow-wrap:anywhere}\n"
    "p{margin:.4rem 0;max-width:48rem;overflow-wrap:anywhere}\n"
    ".faint{color:var(--faint)}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr));"
    "gap:1rem;align-items:start}\n"
    "figure{margin:0;max-width:44rem}\n"
    "svg{display:block;width:100%;height:auto;border:1px solid var(--line);"
    "border-radius:8px}\n"
    ".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;margin:.6rem 0;"
    "max-width:max-content}\n"
    "table{border-collapse:collapse;font-size:.9rem}\n"
    "th,td{padding:.35rem .8rem;text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}\n"
    "th{font-weight:600;color:var(--faint)}\n"
    "thead th{background:var(--soft)}\n"
    "th:first-child,td:first-child,td.text{text-align:left}\n"
    "tr+tr>*,tbody tr:first-child>*{border-top:1px solid var(--line)}\n";

static void print_head(FILE *out)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<title>yoco scale</title>\n<style>\n",
          out);
    fputs(style, out);
    fputs("</style>\n</head>\n<body>\n<h1>Scaling of prefill and decode</h1>\n"
          "<p><strong>Measured</strong> rows ran on the machine that stands below their table. "
          "<strong>Simulated</strong> rows ran the same program on a simulated machine, where an "
          "op takes the time that the described device would need. <strong>Predicted</strong> rows "
          "come from the formula. docs/SCALING.md says what each stands for.</p>\n",
          out);
}

/* The distance of two kinds of the same point, the second from the first. */

static const yoco_scale_result *find(const yoco_scale_results *results, int first, int end,
                                     const char *kind, int n_ranks)
{
    for (int i = first; i < end; i++) {
        const yoco_scale_result *r = &results->items[i];
        if (r->n_ranks == n_ranks && strcmp(r->kind, kind) == 0 && *r->what_if == '\0')
            return r;
    }
    return NULL;
}

static void print_error(FILE *out, const yoco_scale_result *from, const yoco_scale_result *r)
{
    if (!r) {
        fputs("<td>&#8211;</td><td>&#8211;</td>", out);
        return;
    }
    fprintf(out, "<td>%+.1f&#160;%%</td><td>%+.1f&#160;%%</td>",
            100 * (r->prefill_s.median / from->prefill_s.median - 1),
            100 * (r->step_s.median / from->step_s.median - 1));
}

static void print_error_row(FILE *out, const yoco_scale_result *from,
                            const yoco_scale_result *const others[2])
{
    char prefill[LABEL], step[LABEL];
    fprintf(out, "<tr><td>%s</td><td>%d</td><td>%s</td><td>%s</td>", from->kind, from->n_ranks,
            yoco_scale_seconds(from->prefill_s.median, prefill),
            yoco_scale_seconds(from->step_s.median, step));
    print_error(out, from, others[0]);
    print_error(out, from, others[1]);
    fputs("</tr>\n", out);
}

static void print_errors(FILE *out, const yoco_scale_results *results, int first, int end)
{
    bool begun = false;
    for (int i = first; i < end; i++) {
        const yoco_scale_result *from = &results->items[i];
        bool measured = strcmp(from->kind, "measured") == 0;
        if (!measured && (strcmp(from->kind, "simulated") != 0 || *from->what_if ||
                          find(results, first, end, "measured", from->n_ranks)))
            continue;
        const yoco_scale_result *const others[2] = {
            measured ? find(results, first, end, "simulated", from->n_ranks) : NULL,
            find(results, first, end, "predicted", from->n_ranks)};
        if (!others[0] && !others[1])
            continue;
        if (!begun)
            fputs("<h3>How far simulation and formula are off</h3>\n<div class=\"scroll\"><table>"
                  "<thead><tr><th>against</th><th>ranks</th><th>prefill</th><th>step</th>"
                  "<th>simulated prefill</th><th>simulated step</th><th>predicted prefill</th>"
                  "<th>predicted step</th></tr></thead>\n<tbody>\n",
                  out);
        begun = true;
        print_error_row(out, from, others);
    }
    if (begun)
        fputs("</tbody></table></div>\n", out);
}

/* Simulations that change something, against the one that does not. */
static void print_what_ifs(FILE *out, const yoco_scale_results *results, int first, int end)
{
    bool begun = false;
    for (int i = first; i < end; i++) {
        const yoco_scale_result *r = &results->items[i];
        const yoco_scale_result *plain = find(results, first, end, r->kind, r->n_ranks);
        if (*r->what_if == '\0' || !plain)
            continue;
        if (!begun)
            fputs("<h3>What if</h3>\n<div class=\"scroll\"><table><thead><tr><th>change</th>"
                  "<th>ranks</th><th>prefill</th><th>step</th></tr></thead>\n<tbody>\n",
                  out);
        begun = true;
        fputs("<tr><td>", out);
        yoco_xml_text(out, r->what_if);
        fprintf(out, "</td><td>%d</td><td>%+.1f&#160;%%</td><td>%+.1f&#160;%%</td></tr>\n",
                r->n_ranks, 100 * (r->prefill_s.median / plain->prefill_s.median - 1),
                100 * (r->step_s.median / plain->step_s.median - 1));
    }
    if (begun)
        fputs("</tbody></table></div>\n", out);
}

static void print_experiment(FILE *out, const yoco_scale_results *results, int first, int end)
{
    const yoco_scale_result *r = &results->items[first];
    const char *name = strrchr(r->model, '/');
    char tokens[LABEL];
    fputs("<h2>", out);
    yoco_xml_text(out, name && name[1] ? name + 1 : r->model);
    fprintf(out, ": %s scaling, %s tokens%s, %lld branch%s</h2>\n", r->weak ? "weak" : "strong",
            yoco_scale_count(r->weak ? r->n_tokens / r->n_ranks : r->n_tokens, tokens),
            r->weak ? " per rank" : "", (long long)r->n_branches, r->n_branches == 1 ? "" : "es");
    yoco_scale_print_plots(out, results, first, end);
    print_errors(out, results, first, end);
    print_what_ifs(out, results, first, end);
    yoco_scale_print_tables(out, results, first, end);
}

void yoco_scale_print_html(FILE *out, const yoco_scale_results *results)
{
    print_head(out);
    if (results->n == 0)
        fputs("<p>No run has finished yet.</p>\n", out);
    for (int i = 0, end; i < results->n; i = end) {
        end = yoco_scale_run_end(results, i, yoco_scale_same_experiment);
        print_experiment(out, results, i, end);
    }
    fputs("</body>\n</html>\n", out);
}
