#include "coordinator/eval/pages.h"

#include "coordinator/eval/tables.h"
#include "coordinator/report/svg.h"

#include <inttypes.h>

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1f2328;--faint:#57606a;--line:#d8dee4;--soft:#f4f6f8;"
    "--page:#fff;--mark:#0072b2;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#9aa4af;--line:#343b44;"
    "--soft:#1b2027;--page:#11151a;--mark:#56b4e9;--bad:#ff8a80}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:110rem;background:var(--page);"
    "color:var(--ink);font:16px/1.5 system-ui,Helvetica,Arial,sans-serif}\n"
    "h1{margin:0;font-size:1.6rem;overflow-wrap:anywhere}\n"
    "h2{margin:2.5rem 0 .5rem;font-size:1.25rem}\n"
    "h3{margin:1.5rem 0 .4rem;font-size:1.05rem}\n"
    "p{margin:.4rem 0;max-width:48rem}\n"
    ".verdict{font-size:1.15rem}\n"
    ".faint,figcaption,em{color:var(--faint)}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:.8rem;"
    "margin:1.2rem 0}\n"
    ".card{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;"
    "background:var(--soft)}\n"
    ".card b.big{display:block;font-size:1.8rem;line-height:1.3}\n"
    ".card .bar{display:block;width:100%;margin:.3rem 0 .5rem}\n"
    ".plots{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}\n"
    "figure{margin:0;max-width:100%}\n"
    "svg{display:block;max-width:100%;height:auto;border:1px solid var(--line);"
    "border-radius:8px}\n"
    ".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;margin:.6rem 0;"
    "max-width:max-content}\n"
    "table{border-collapse:collapse;font-size:.9rem}\n"
    "th,td{padding:.35rem .8rem;text-align:left;vertical-align:top;unicode-bidi:isolate}\n"
    "th{font-weight:600;color:var(--faint);white-space:nowrap}\n"
    "thead th{background:var(--soft)}\n"
    "tr+tr>*,tbody tr:first-child>*{border-top:1px solid var(--line)}\n"
    ".settings tr:first-child>*{border-top:0}\n"
    ".settings td{overflow-wrap:anywhere}\n"
    ".numbers th,.numbers td{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}\n"
    ".sum td{background:var(--soft)}\n"
    ".texts td{white-space:nowrap}\n"
    ".texts td.text{white-space:pre-wrap;overflow-wrap:anywhere;min-width:13rem;max-width:26rem}\n"
    ".texts td.values{white-space:pre-wrap;overflow-wrap:anywhere;min-width:6rem}\n"
    ".missed{color:var(--bad);font-weight:600}\n"
    ".bar{display:inline-block;position:relative;width:8rem;height:.8rem;border-radius:3px;"
    "background:var(--line);vertical-align:middle}\n"
    ".bar i{position:absolute;top:.2rem;height:.4rem;border-radius:2px;background:var(--mark);"
    "opacity:.45;min-width:1px}\n"
    ".bar b{position:absolute;top:0;width:3px;height:100%;margin-left:-1.5px;"
    "background:var(--mark)}\n";

/* The tasks that are ours, without the authors' protocol. */
static const yoco_eval_task last_task = YOCO_EVAL_MULTIVALUE;

static const char *about(yoco_eval_task task)
{
    static const char *const texts[YOCO_EVAL_N_TASKS] = {
        [YOCO_EVAL_NEEDLE] = "One needle in the document; the question asks for it.",
        [YOCO_EVAL_MULTIKEY] = "Several needles with different keys; the question asks for one.",
        [YOCO_EVAL_MULTIQUERY] = "Several needles; each is asked for in a question of its own, all "
                                 "questions of a document are answered together.",
        [YOCO_EVAL_MULTIVALUE] = "One key with several values; the answer must give all of them. "
                                 "Each value counts on its own.",
        [YOCO_EVAL_COMPAT] =
            "The protocol of the YOCO authors&#8217; evaluation, rebuilt with their words, city "
            "list, depths and score, to compare with published figures. Its known defects: the "
            "list of 100 cities has only 69 distinct names, so two needles of a document may name "
            "the same city; its &#8220;multi-needle&#8221; runs ask for one needle only; an answer "
            "counts as right if the expected text stands anywhere in it. Not to be compared with "
            "the figures of the other tasks.",
    };
    return texts[task];
}

static void print_effective(FILE *out, const yoco_eval_task_stats *task)
{
    char length[YOCO_EVAL_LABEL_BYTES];
    if (task->effective_length > 0)
        fprintf(out, "%s tokens", yoco_eval_label_size(task->effective_length, length));
    else
        fputs("none", out);
}

/* Verdict: the first task that was run speaks for the model, the cards for the others. */

static void print_verdict(FILE *out, const yoco_eval_stats *stats)
{
    yoco_eval_task t = 0;
    while (t < last_task && stats->tasks[t].all.n_samples == 0)
        t++;
    const yoco_eval_task_stats *task = &stats->tasks[t];
    const double least = 100 * YOCO_EVAL_EFFECTIVE_MEAN;
    char mean[YOCO_EVAL_LABEL_BYTES], length[YOCO_EVAL_LABEL_BYTES];
    fputs("<p class=\"verdict\">", out);
    if (task->all.n_samples == 0) {
        fputs("Only the authors&#8217; protocol was run.</p>\n", out);
        return;
    }
    fprintf(out,
            "In the task <strong>%s</strong>, <strong>%s&nbsp;%%</strong> of all %s are right. ",
            yoco_eval_task_name(task->task),
            yoco_eval_label_percent(yoco_eval_group_mean(&task->all), 1, mean),
            task->task == YOCO_EVAL_MULTIVALUE ? "values" : "answers");
    if (task->effective_length > 0)
        fprintf(out,
                "Its effective length is <strong>%s tokens</strong>: up to there, every length "
                "has at least %g&nbsp;%% right.</p>\n",
                yoco_eval_label_size(task->effective_length, length), least);
    else
        fprintf(out,
                "It has no effective length: already the shortest one has less than "
                "%g&nbsp;%% right.</p>\n",
                least);
}

static void print_card(FILE *out, const yoco_eval_task_stats *task)
{
    char mean[YOCO_EVAL_LABEL_BYTES], count[YOCO_EVAL_LABEL_BYTES];
    fprintf(out, "<div class=\"card\">%s<b class=\"big\">%s&nbsp;%%</b>",
            yoco_eval_task_name(task->task),
            yoco_eval_label_percent(yoco_eval_group_mean(&task->all), 1, mean));
    yoco_eval_print_bar(out, &task->all);
    fputs("<div class=\"faint\">effective length: ", out);
    print_effective(out, task);
    fprintf(out, "<br/>answers: %s</div></div>\n",
            yoco_eval_label_count(task->all.n_samples, count));
}

static void print_head(FILE *out, const yoco_eval_stats *stats)
{
    const char *name = stats->set->samples[0].model_name;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          out);
    yoco_xml_text(out, name);
    fprintf(out, ": yoco eval</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    yoco_xml_text(out, name);
    fputs("</h1>\n<p class=\"faint\">Long-context retrieval, measured by yoco eval</p>\n", out);
    print_verdict(out, stats);
}

static void print_cards(FILE *out, const yoco_eval_stats *stats)
{
    fputs("<div class=\"cards\">\n", out);
    for (yoco_eval_task t = 0; t <= last_task; t++)
        if (stats->tasks[t].all.n_samples > 0)
            print_card(out, &stats->tasks[t]);
    fputs("</div>\n", out);
}

/* Sections. */

static yoco_status print_plots(FILE *out, const yoco_eval_stats *stats)
{
    fputs("<div class=\"plots\">\n", out);
    if (stats->tasks[YOCO_EVAL_NEEDLE].all.n_samples > 0) {
        fputs("<figure>\n", out);
        YOCO_TRY(yoco_eval_print_heatmap(out, stats));
        fputs("</figure>\n", out);
    }
    for (yoco_eval_task task = YOCO_EVAL_MULTIKEY; task <= YOCO_EVAL_MULTIVALUE; task++) {
        if (stats->tasks[task].all.n_samples == 0)
            continue;
        fputs("<figure>\n", out);
        YOCO_TRY(yoco_eval_print_recall_panel(out, stats, task));
        fputs("</figure>\n", out);
    }
    fputs("</div>\n", out);
    return YOCO_OK;
}

static void print_task(FILE *out, const yoco_eval_task_stats *task)
{
    fprintf(out, "<h3>%s</h3>\n<p>%s Effective length: ", yoco_eval_task_name(task->task),
            about(task->task));
    print_effective(out, task);
    fputs(".</p>\n", out);
    yoco_eval_print_far(out, task);
    yoco_eval_print_task_table(out, task);
}

static void print_tasks(FILE *out, const yoco_eval_stats *stats)
{
    fprintf(out,
            "<h2>Results by task</h2>\n<p class=\"faint\">Intervals are Wilson&#8217;s score "
            "intervals. The effective length is the largest such that it and all shorter ones have "
            "at least %g&nbsp;%% right.</p>\n",
            100 * YOCO_EVAL_EFFECTIVE_MEAN);
    for (yoco_eval_task t = 0; t <= last_task; t++)
        if (stats->tasks[t].all.n_samples > 0)
            print_task(out, &stats->tasks[t]);
    fputs("<h2>Wrong answers</h2>\n<p class=\"faint\">Expected texts that were not found are "
          "<span class=\"missed\">marked</span>.</p>\n",
          out);
    yoco_eval_print_wrong_table(out, stats, YOCO_EVAL_NEEDLE, last_task);
}

static void print_compat(FILE *out, const yoco_eval_stats *stats)
{
    const yoco_eval_task_stats *task = &stats->tasks[YOCO_EVAL_COMPAT];
    if (task->all.n_samples == 0)
        return;
    fprintf(out, "<h2>yoco-compat: the authors&#8217; protocol</h2>\n<p>%s</p>\n",
            about(YOCO_EVAL_COMPAT));
    yoco_eval_print_far(out, task);
    yoco_eval_print_task_table(out, task);
    fputs("<h3>Wrong answers</h3>\n", out);
    yoco_eval_print_wrong_table(out, stats, YOCO_EVAL_COMPAT, YOCO_EVAL_COMPAT);
}

yoco_status yoco_eval_print_html(FILE *out, const yoco_eval_stats *stats)
{
    print_head(out, stats);
    if (stats->set->sorted[0]->task <= last_task) {
        print_cards(out, stats);
        YOCO_TRY(print_plots(out, stats));
        print_tasks(out, stats);
    }
    print_compat(out, stats);
    fputs("<h2>Settings</h2>\n", out);
    yoco_eval_print_settings_table(out, stats->set);
    fputs("<h2>Timings</h2>\n<p class=\"faint\">Means over documents; each was prefilled once, and "
          "all its questions were answered together.</p>\n",
          out);
    YOCO_TRY(yoco_eval_print_times_table(out, stats->set));
    fputs("</body>\n</html>\n", out);
    return YOCO_OK;
}
