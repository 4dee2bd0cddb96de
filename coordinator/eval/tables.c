#include "coordinator/eval/tables.h"

#include "coordinator/eval/pages.h"
#include "coordinator/report/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WRONG = 200, MAX_NAMED = 40, MAX_SHOWN_BYTES = 600 };

static void begin_table(FILE *out, const char *class, const char *const *heads)
{
    fprintf(out, "<div class=\"scroll\"><table class=\"%s\">\n<thead><tr>", class);
    for (; *heads; heads++)
        fprintf(out, "<th>%s</th>", *heads);
    fputs("</tr></thead>\n<tbody>\n", out);
}

static void end_table(FILE *out)
{
    fputs("</tbody></table></div>\n", out);
}

void yoco_eval_print_bar(FILE *out, const yoco_eval_group *group)
{
    yoco_eval_interval interval = yoco_eval_group_interval(group);
    fprintf(out,
            "<span class=\"bar\"><i style=\"left:%.1f%%;width:%.1f%%\"></i>"
            "<b style=\"left:%.1f%%\"></b></span>",
            100 * interval.low, 100 * (interval.high - interval.low),
            100 * yoco_eval_group_mean(group));
}

/* Means. */

static void print_rates(FILE *out, const yoco_eval_group *group)
{
    char count[YOCO_LABEL_BYTES], mean[YOCO_LABEL_BYTES];
    char low[YOCO_LABEL_BYTES], high[YOCO_LABEL_BYTES];
    yoco_eval_interval interval = yoco_eval_group_interval(group);
    fprintf(out, "<td>%s</td><td><strong>%s %%</strong></td><td>%s &#8211; %s %%</td><td>",
            yoco_label_count(group->n_trials, count),
            yoco_label_percent(yoco_eval_group_mean(group), 1, mean),
            yoco_label_percent(interval.low, 1, low), yoco_label_percent(interval.high, 1, high));
    yoco_eval_print_bar(out, group);
    fprintf(out, "</td><td>%s %%</td></tr>\n",
            yoco_label_percent((double)group->n_exact / (double)group->n_samples, 1, count));
}

void yoco_eval_print_task_table(FILE *out, const yoco_eval_task_stats *task)
{
    bool is_multivalue = task->task == YOCO_EVAL_MULTIVALUE;
    const char *const heads[] = {"length",      is_multivalue ? "values" : "needles",
                                 "true length", is_multivalue ? "values asked" : "answers",
                                 "right",       "95 % interval",
                                 "0 to 100 %",  "exact",
                                 NULL};
    begin_table(out, "numbers", heads);
    for (int64_t i = 0; i < task->by_n.n; i++) {
        const yoco_eval_group *group = &task->by_n.items[i];
        char length[YOCO_LABEL_BYTES], tokens[YOCO_LABEL_BYTES];
        int64_t mean_tokens = llround(group->n_tokens / (double)group->n_samples);
        fprintf(out, "<tr><td>%s</td><td>%" PRId64 "</td><td>%s</td>",
                yoco_label_size(group->length, length), group->n_needles,
                yoco_label_count(mean_tokens, tokens));
        print_rates(out, group);
    }
    fputs("<tr class=\"sum\"><td>all</td><td></td><td></td>", out);
    print_rates(out, &task->all);
    end_table(out);
}

/* Needles that are not where they should be. */

void yoco_eval_print_far(FILE *out, const yoco_eval_task_stats *task)
{
    const yoco_eval_groups *groups = task->by_cell.n > 0 ? &task->by_cell : &task->by_n;
    char length[YOCO_LABEL_BYTES];
    int n_named = 0;
    if (task->all.n_far == 0)
        return;
    fprintf(
        out,
        "<p><span class=\"missed\">In the documents of %" PRId64 " of %" PRId64
        " answers, a needle stands more "
        "than %g %% of the document from its depth</span>, as the haystack&#8217;s lines are too "
        "long there: ",
        task->all.n_far, task->all.n_samples, 100 * YOCO_EVAL_FAR);
    for (int64_t i = 0; i < groups->n && n_named < MAX_NAMED; i++) {
        const yoco_eval_group *group = &groups->items[i];
        if (group->n_far == 0)
            continue;
        fprintf(out, "%s%" PRId64 " of %s tokens", n_named++ > 0 ? ", " : "", group->n_far,
                yoco_label_size(group->length, length));
        if (!isnan(group->depth))
            fprintf(out, " at %.4g %%", 100 * group->depth);
    }
    fprintf(out, "%s. In samples.jsonl they are <em>far</em>.</p>\n",
            n_named == MAX_NAMED ? ", ..." : "");
}

/* Wrong answers. */

static void print_text(FILE *out, const char *text)
{
    char shown[MAX_SHOWN_BYTES + 1];
    text += strspn(text, " \n\t\r");
    if (*text)
        yoco_xml_text(out, yoco_label_cut(text, MAX_SHOWN_BYTES, shown));
    else
        fputs("<em>empty</em>", out);
}

static void print_expected(FILE *out, const yoco_eval_sample *sample)
{
    for (int64_t i = 0; i < sample->n_expected; i++) {
        fprintf(out, "%s<span%s>", i ? ", " : "", sample->found[i] ? "" : " class=\"missed\"");
        print_text(out, sample->expected[i]);
        fputs("</span>", out);
    }
}

static void print_wrong(FILE *out, const yoco_eval_sample *sample)
{
    char length[YOCO_LABEL_BYTES];
    fprintf(out, "<tr><td>%s</td><td>%s</td><td>", yoco_eval_task_name(sample->task),
            yoco_label_size(sample->length, length));
    if (isnan(sample->depth))
        fputs("&#8211;", out);
    else
        fprintf(out, "%.4g %%", 100 * sample->depth);
    fprintf(out, "</td><td>%" PRId64 "</td><td class=\"text\">", sample->n);
    print_text(out, sample->asked);
    fputs("</td><td class=\"values\">", out);
    print_expected(out, sample);
    fputs("</td><td class=\"text\">", out);
    print_text(out, sample->prediction);
    fputs("</td></tr>\n", out);
}

void yoco_eval_print_wrong_table(FILE *out, const yoco_eval_stats *stats, yoco_eval_task first,
                                 yoco_eval_task last)
{
    static const char *const heads[] = {"task",     "length",   "depth",  "needles",
                                        "question", "expected", "answer", NULL};
    const yoco_eval_set *set = stats->set;
    int64_t n_wrong = 0;
    for (int64_t i = 0; i < set->n; i++) {
        const yoco_eval_sample *sample = set->sorted[i];
        if (sample->task < first || sample->task > last || sample->score >= 1)
            continue;
        if (n_wrong == 0)
            begin_table(out, "texts", heads);
        if (n_wrong++ < MAX_WRONG)
            print_wrong(out, sample);
    }
    if (n_wrong == 0) {
        fputs("<p>None: every answer is right.</p>\n", out);
        return;
    }
    end_table(out);
    if (n_wrong > MAX_WRONG)
        fprintf(out, "<p>And %" PRId64 " more, which stand in samples.jsonl.</p>\n",
                n_wrong - MAX_WRONG);
}

/* Settings. */

static void print_setting(FILE *out, const char *name, const char *value)
{
    fprintf(out, "<tr><th>%s</th><td>", name);
    yoco_xml_text(out, value);
    fputs("</td></tr>\n", out);
}

void yoco_eval_print_settings_table(FILE *out, const yoco_eval_set *set)
{
    const yoco_eval_sample *first = set->samples;
    char number[YOCO_LABEL_BYTES];
    fputs("<div class=\"scroll\"><table class=\"settings\"><tbody>\n", out);
    print_setting(out, "model", first->model_name);
    print_setting(out, "model's hash", first->model);
    print_setting(out, "haystack's hash", first->haystack);
    snprintf(number, sizeof number, "%" PRId64, first->seed);
    print_setting(out, "seed", number);
    print_setting(out, "chunk, tokens", yoco_label_count(first->chunk, number));
    print_setting(out, "chat template", first->chat ? "the family's (--chat)" : "none");
    print_setting(out, "arithmetic", first->arithmetic);
    print_setting(out, "yoco", first->yoco);
    end_table(out);
}

/* Timings. */

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_runs(const yoco_eval_sample *a, const yoco_eval_sample *b)
{
    int by_length = order(a->length, b->length), by_ranks = order(a->ranks, b->ranks);
    if (by_length != 0)
        return by_length;
    return by_ranks != 0 ? by_ranks : order(a->threads, b->threads);
}

static int compare(const void *left, const void *right)
{
    return compare_runs(*(const yoco_eval_sample *const *)left,
                        *(const yoco_eval_sample *const *)right);
}

/* Documents of one length, with one number of ranks and threads. */
static void print_times(FILE *out, const yoco_eval_sample *const *documents, int64_t n)
{
    const yoco_eval_sample *first = documents[0];
    char length[YOCO_LABEL_BYTES], count[YOCO_LABEL_BYTES], rate[YOCO_LABEL_BYTES];
    double n_tokens = 0, prefill_s = 0, decode_s = 0;
    for (int64_t i = 0; i < n; i++) {
        n_tokens += (double)documents[i]->n_tokens;
        prefill_s += documents[i]->prefill_s;
        decode_s += documents[i]->decode_s;
    }
    double tokens_s = prefill_s > 0 ? fmin(n_tokens / prefill_s, 1e15) : 0;
    fprintf(out,
            "<tr><td>%s</td><td>%" PRId64 "</td><td>%" PRId64 "</td><td>%s</td>"
            "<td>%.6g</td><td>%s</td><td>%.4g</td></tr>\n",
            yoco_label_size(first->length, length), first->ranks, first->threads,
            yoco_label_count(n, count), prefill_s / (double)n,
            yoco_label_count(llround(tokens_s), rate), decode_s / (double)n);
}

yoco_status yoco_eval_print_times_table(FILE *out, const yoco_eval_set *set)
{
    static const char *const heads[] = {"length",
                                        "ranks",
                                        "threads per rank",
                                        "documents",
                                        "prefill, seconds",
                                        "prefill, tokens/s",
                                        "all questions, seconds",
                                        NULL};
    const yoco_eval_sample **documents;
    int64_t n = 0, run;
    YOCO_TRY(yoco_alloc((size_t)set->n * sizeof *documents, "timings", (void **)&documents));
    for (int64_t i = 0; i < set->n; i++)
        if (set->samples[i].question == 0)
            documents[n++] = &set->samples[i];
    qsort(documents, (size_t)n, sizeof *documents, compare);
    begin_table(out, "numbers", heads);
    for (int64_t i = 0; i < n; i += run) {
        for (run = 1; i + run < n && compare_runs(documents[i], documents[i + run]) == 0;)
            run++;
        print_times(out, documents + i, run);
    }
    end_table(out);
    yoco_free(documents);
    return YOCO_OK;
}
