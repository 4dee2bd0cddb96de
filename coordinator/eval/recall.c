#include "coordinator/eval/pages.h"

#include "coordinator/report/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    PANEL_WIDTH = 512,
    PANEL_HEIGHT = 350,
    PLOT_LEFT = 66,
    PLOT_RIGHT = 376,
    PLOT_TOP = 62,
    PLOT_BOTTOM = 294,
    KEY_STEP = 21,
    MAX_KEYS = (PLOT_BOTTOM - PLOT_TOP) / KEY_STEP - 1 /* and a head */
};

static int compare(const void *left, const void *right)
{
    double a = ((const yoco_svg_tick *)left)->value, b = ((const yoco_svg_tick *)right)->value;
    return (a > b) - (a < b);
}

/* The numbers of needles that occur, as ticks. *out is the caller's to free with yoco_free. */
static yoco_status make_ticks(const yoco_eval_groups *groups, yoco_svg_tick **out, int *n_ticks)
{
    yoco_svg_tick *ticks;
    int n_kept = 0;
    YOCO_TRY(yoco_alloc((size_t)groups->n * sizeof *ticks, "a plot", (void **)&ticks));
    for (int64_t i = 0; i < groups->n; i++) {
        ticks[i].value = (double)groups->items[i].n_needles;
        snprintf(ticks[i].label, sizeof ticks[i].label, "%" PRId64, groups->items[i].n_needles);
    }
    qsort(ticks, (size_t)groups->n, sizeof *ticks, compare);
    for (int64_t i = 0; i < groups->n; i++)
        if (n_kept == 0 || ticks[i].value != ticks[n_kept - 1].value)
            ticks[n_kept++] = ticks[i];
    *out = ticks;
    *n_ticks = n_kept;
    return YOCO_OK;
}

static yoco_svg_plot lay_out(double left, const yoco_svg_tick *ticks, int n_ticks)
{
    static const yoco_svg_tick shares[] = {{0, "0"},     {0.2, "0.2"}, {0.4, "0.4"},
                                           {0.6, "0.6"}, {0.8, "0.8"}, {1, "1"}};
    const double margin = 1.25; /* room beside the first and the last point */
    return (yoco_svg_plot){
        .x = {.title = "needles in the document",
              .is_log = true,
              .from = ticks[0].value / margin,
              .to = ticks[n_ticks - 1].value * margin,
              .ticks = ticks,
              .n_ticks = n_ticks,
              .start = left + PLOT_LEFT,
              .end = left + PLOT_RIGHT},
        .y = {.title = "recall",
              .to = 1,
              .ticks = shares,
              .n_ticks = 6,
              .start = PLOT_BOTTOM,
              .end = PLOT_TOP},
    };
}

static void draw_head(FILE *out, double left, const yoco_eval_stats *stats, yoco_eval_task task)
{
    yoco_svg_font title = {.size = 16, .color = YOCO_SVG_INK, .anchor = "start", .bold = true};
    yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "start"};
    char text[128], name[33], count[YOCO_EVAL_LABEL_BYTES];
    snprintf(text, sizeof text, "%s: recall by number of needles", yoco_eval_task_name(task));
    yoco_svg_text(out, left + 14, 26, title, text);
    snprintf(text, sizeof text, "%s, answers: %s, bars: 95 %% intervals",
             yoco_eval_label_cut(stats->set->samples[0].model_name, sizeof name - 1, name),
             yoco_eval_label_count(stats->tasks[task].all.n_samples, count));
    yoco_svg_text(out, left + 14, 45, font, text);
}

/* Entries of the legend to the right; those without room are counted in the last line. */
static void draw_key(FILE *out, const yoco_svg_plot *plot, int index, int n_series, int64_t length)
{
    char label[YOCO_EVAL_LABEL_BYTES];
    double x = plot->x.end + 22, y = plot->y.end + 10 + KEY_STEP * (index + 1);
    bool all_fit = n_series <= MAX_KEYS;
    if (all_fit || index < MAX_KEYS - 1) {
        yoco_svg_plot_key(out, index, x, y, yoco_eval_label_size(length, label));
    } else if (index == MAX_KEYS - 1) {
        yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "start"};
        snprintf(label, sizeof label, "and %d more", n_series - index);
        yoco_svg_text(out, x - 5, y + 4, font, label);
    }
}

/* The groups of one length, ascending by the number of needles. */
static void draw_length(FILE *out, const yoco_svg_plot *plot, int index, int n_series,
                        const yoco_eval_group *groups, int n, yoco_svg_point *points)
{
    double step = fmin(5, 24.0 / n_series);
    for (int i = 0; i < n; i++) {
        yoco_eval_interval interval = yoco_eval_group_interval(&groups[i]);
        points[i] = (yoco_svg_point){.x = (double)groups[i].n_needles,
                                     .y = yoco_eval_group_mean(&groups[i]),
                                     .low = interval.low,
                                     .high = interval.high};
    }
    yoco_svg_plot_series(out, plot, index, step * (index - (n_series - 1) / 2.0), points, n);
    draw_key(out, plot, index, n_series, groups[0].length);
}

static yoco_status draw_series(FILE *out, const yoco_svg_plot *plot,
                               const yoco_eval_task_stats *task)
{
    const yoco_eval_groups *by_n = &task->by_n;
    yoco_svg_point *points;
    YOCO_TRY(yoco_alloc((size_t)by_n->n * sizeof *points, "a plot", (void **)&points));
    int64_t first = 0;
    for (int index = 0; first < by_n->n; index++) {
        int64_t end = first + 1;
        while (end < by_n->n && by_n->items[end].length == by_n->items[first].length)
            end++;
        draw_length(out, plot, index, (int)task->by_length.n, &by_n->items[first],
                    (int)(end - first), points);
        first = end;
    }
    yoco_free(points);
    return YOCO_OK;
}

static yoco_status draw_panel(FILE *out, double left, const yoco_eval_stats *stats,
                              yoco_eval_task task)
{
    yoco_svg_tick *ticks;
    int n_ticks;
    YOCO_TRY(make_ticks(&stats->tasks[task].by_n, &ticks, &n_ticks));
    yoco_svg_plot plot = lay_out(left, ticks, n_ticks);
    draw_head(out, left, stats, task);
    yoco_svg_plot_frame(out, &plot);
    yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "start"};
    yoco_svg_text(out, plot.x.end + 17, plot.y.end + 14, font, "tokens");
    yoco_status status = draw_series(out, &plot, &stats->tasks[task]);
    yoco_free(ticks);
    return status;
}

yoco_status yoco_eval_print_recall_panel(FILE *out, const yoco_eval_stats *stats,
                                         yoco_eval_task task)
{
    yoco_svg_begin(out, PANEL_WIDTH, PANEL_HEIGHT, "recall by number of needles");
    YOCO_TRY(draw_panel(out, 0, stats, task));
    yoco_svg_end(out);
    return YOCO_OK;
}

static void draw_nothing(FILE *out)
{
    yoco_svg_font font = {.size = 14, .color = YOCO_SVG_FAINT, .anchor = "middle"};
    yoco_svg_begin(out, PANEL_WIDTH, 60, "recall: no answers");
    yoco_svg_text(out, PANEL_WIDTH / 2.0, 35, font, "No task with several needles was run.");
    yoco_svg_end(out);
}

yoco_status yoco_eval_print_recall(FILE *out, const yoco_eval_stats *stats)
{
    int n_panels = 0, panel = 0;
    for (yoco_eval_task task = YOCO_EVAL_MULTIKEY; task <= YOCO_EVAL_MULTIVALUE; task++)
        n_panels += stats->tasks[task].all.n_samples > 0;
    if (n_panels == 0) {
        draw_nothing(out);
        return YOCO_OK;
    }
    yoco_svg_begin(out, PANEL_WIDTH * n_panels, PANEL_HEIGHT, "recall by number of needles");
    for (yoco_eval_task task = YOCO_EVAL_MULTIKEY; task <= YOCO_EVAL_MULTIVALUE; task++)
        if (stats->tasks[task].all.n_samples > 0)
            YOCO_TRY(draw_panel(out, PANEL_WIDTH * panel++, stats, task));
    yoco_svg_end(out);
    return YOCO_OK;
}
