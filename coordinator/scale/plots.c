/* The plots of one experiment: lines over the number of ranks, and what the time goes to. */
#include <math.h>
#include <string.h>

#include "coordinator/eval/pages.h"
#include "coordinator/report/svg.h"
#include "coordinator/scale/report.h"

enum {
    WIDTH = 540,
    LEFT = 74,
    RIGHT = WIDTH - 18,
    TOP = 44,
    BOTTOM = 290,
    KEY_STEP = 20,
    MAX_TICKS = 64,
    MAX_POINTS = 64, /* of a series in a plot */
    MAX_SERIES = 12,
    MAX_KEY_BYTES = 70, /* what fits below a plot */
    MAX_TITLE_BYTES = 56,
    LABEL = YOCO_SCALE_LABEL_BYTES,
};

static const char *const part_colors[YOCO_N_PARTS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#b8bec5"};

typedef struct line_plot {
    const char *title, *y_title;
    double (*value)(const yoco_scale_result *);
    const yoco_spread *(*spread)(const yoco_scale_result *); /* NULL: none */
    bool from_zero;                                          /* linear, from 0 */
    bool compares;      /* only series with several points have it */
    double ideal_power; /* the dashed line is base * (ranks / base ranks)^power; NAN: none */
} line_plot;

typedef struct scope {
    const yoco_scale_results *results;
    int first, end;
    yoco_svg_tick x_ticks[MAX_TICKS], y_ticks[MAX_TICKS];
} scope;

static double prefill_time(const yoco_scale_result *r)
{
    return r->prefill_s.median;
}

static const yoco_spread *prefill_spread(const yoco_scale_result *r)
{
    return &r->prefill_s;
}

static double step_time(const yoco_scale_result *r)
{
    return r->step_s.median;
}

static const yoco_spread *step_spread(const yoco_scale_result *r)
{
    return &r->step_s;
}

static double prefill_efficiency(const yoco_scale_result *r)
{
    return r->prefill_efficiency;
}

static double memory_gib(const yoco_scale_result *r)
{
    return r->memory_bytes / (1 << 30);
}

/* Axes. */

static void number_label(double value, char *text, size_t size)
{
    if (value >= 1e6)
        snprintf(text, size, "%.4gM", value / 1e6);
    else if (value >= 1e4)
        snprintf(text, size, "%.4gk", value / 1e3);
    else if (value < 1e-3 && value > 0)
        snprintf(text, size, "%.0e", value);
    else
        snprintf(text, size, "%.4g", value);
}

/* Many within a decade, 1, 2, 5 over a few, powers of ten over more. */
static int log_ticks(double from, double to, yoco_svg_tick *ticks)
{
    double decades = log10(to / from);
    int n = 0;
    for (int e = (int)floor(log10(from)); e <= log10(to); e++) {
        for (int digit = 1; digit < 10 && n < MAX_TICKS; digit++) {
            double value = digit * pow(10, e);
            bool wanted =
                digit == 1 || decades <= 1 || (decades <= 3 && (digit == 2 || digit == 5));
            if (!wanted || value < from || value > to)
                continue;
            ticks[n].value = value;
            number_label(value, ticks[n].label, sizeof ticks[n].label);
            n++;
        }
    }
    return n;
}

static int share_ticks(yoco_svg_tick *ticks, double to)
{
    int n = 0;
    for (; n * 0.2 <= to + 1e-9 && n < MAX_TICKS; n++) {
        ticks[n].value = n * 0.2;
        snprintf(ticks[n].label, sizeof ticks[n].label, "%.0f %%", n * 20.0);
    }
    return n;
}

static int rank_ticks(const scope *s, yoco_svg_tick *ticks)
{
    int n = 0, last = 0;
    for (;;) {
        int next = 0;
        for (int i = s->first; i < s->end; i++) {
            int ranks = s->results->items[i].n_ranks;
            if (ranks > last && (next == 0 || ranks < next))
                next = ranks;
        }
        if (next == 0 || n == MAX_TICKS)
            return n;
        ticks[n].value = last = next;
        snprintf(ticks[n].label, sizeof ticks[n].label, "%d", next);
        n++;
    }
}

static yoco_svg_plot make_axes(scope *s, const line_plot *p)
{
    double low = INFINITY, high = 0;
    for (int i = s->first; i < s->end; i++) {
        double value = p->value(&s->results->items[i]);
        const yoco_spread *spread = p->spread ? p->spread(&s->results->items[i]) : NULL;
        low = fmin(low, spread ? spread->min : value);
        high = fmax(high, spread ? spread->max : value);
    }
    int n_x = rank_ticks(s, s->x_ticks);
    yoco_svg_plot plot = {.x = {.title = "ranks",
                                .is_log = true,
                                .from = s->x_ticks[0].value / 1.2,
                                .to = s->x_ticks[n_x - 1].value * 1.2,
                                .ticks = s->x_ticks,
                                .n_ticks = n_x,
                                .start = LEFT,
                                .end = RIGHT},
                          .y = {.title = p->y_title,
                                .is_log = !p->from_zero,
                                .ticks = s->y_ticks,
                                .start = BOTTOM,
                                .end = TOP}};
    if (p->from_zero) {
        plot.y.to = fmax(1.05, high * 1.05);
        plot.y.n_ticks = share_ticks(s->y_ticks, plot.y.to);
    } else {
        plot.y.from = low / 1.5;
        plot.y.to = high * 1.5;
        plot.y.n_ticks = log_ticks(plot.y.from, plot.y.to, s->y_ticks);
    }
    return plot;
}

static void draw_title(FILE *out, const char *title)
{
    yoco_svg_font font = {.size = 16, .color = YOCO_SVG_INK, .anchor = "start", .bold = true};
    yoco_svg_text(out, 14, 26, font, title);
}

/* The first row of the first series with several points; NULL: there is none. */
static const yoco_scale_result *find_base(const scope *s)
{
    for (int i = s->first, next; i < s->end; i = next) {
        next = yoco_scale_run_end(s->results, i, yoco_scale_same_series);
        if (yoco_scale_has_efficiency(s->results, i, next))
            return &s->results->items[i];
    }
    return NULL;
}

/* From the base to the last rank, cut at the plot's lower side. */
static void draw_ideal(FILE *out, const line_plot *p, const yoco_svg_plot *plot,
                       const yoco_scale_result *base)
{
    double power = base->weak ? 0 : p->ideal_power, first = base->n_ranks;
    double last = plot->x.ticks[plot->x.n_ticks - 1].value, start = p->value(base);
    double end = start * pow(last / first, power);
    if (!p->from_zero && end < plot->y.from) {
        last = first * pow(plot->y.from / start, 1 / power);
        end = plot->y.from;
    }
    fprintf(out,
            "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\" stroke-width=\"1.5\" "
            "stroke-dasharray=\"5 4\" fill=\"none\"/>\n",
            yoco_svg_axis_at(&plot->x, first), yoco_svg_axis_at(&plot->y, start),
            yoco_svg_axis_at(&plot->x, last), yoco_svg_axis_at(&plot->y, end), YOCO_SVG_FAINT);
}

static void draw_series(FILE *out, const line_plot *p, const yoco_svg_plot *plot, int index,
                        int key_line, const yoco_scale_result *rows, int n)
{
    yoco_svg_point points[MAX_POINTS];
    char label[LABEL], key[MAX_KEY_BYTES + 1];
    n = (int)yoco_i64_min(n, MAX_POINTS);
    for (int i = 0; i < n; i++) {
        double value = p->value(&rows[i]);
        const yoco_spread *spread = p->spread ? p->spread(&rows[i]) : NULL;
        points[i] = (yoco_svg_point){.x = rows[i].n_ranks,
                                     .y = value,
                                     .low = spread ? spread->min : value,
                                     .high = spread ? spread->max : value};
    }
    yoco_svg_plot_series(out, plot, index, 0, points, n);
    yoco_svg_plot_key(out, index, LEFT + 6, BOTTOM + 66 + KEY_STEP * key_line,
                      yoco_eval_label_cut(yoco_scale_label(rows, label), MAX_KEY_BYTES, key));
}

static bool is_drawn(const scope *s, const line_plot *p, int first, int end)
{
    return !p->compares || yoco_scale_has_efficiency(s->results, first, end);
}

static int count_drawn(const scope *s, const line_plot *p)
{
    int n = 0;
    for (int i = s->first, series = 0, next; i < s->end && series < MAX_SERIES;
         i = next, series++) {
        next = yoco_scale_run_end(s->results, i, yoco_scale_same_series);
        n += is_drawn(s, p, i, next);
    }
    return n;
}

static void draw_line_plot(FILE *out, scope *s, const line_plot *p)
{
    yoco_svg_plot plot = make_axes(s, p);
    const yoco_scale_result *base = isnan(p->ideal_power) ? NULL : find_base(s);
    int n_drawn = count_drawn(s, p), key_line = 0;
    fputs("<figure>", out);
    yoco_svg_begin(out, WIDTH, BOTTOM + 60 + KEY_STEP * (n_drawn + (base != NULL)), p->title);
    draw_title(out, p->title);
    yoco_svg_plot_frame(out, &plot);
    if (base)
        draw_ideal(out, p, &plot, base);
    for (int i = s->first, series = 0, next; key_line < n_drawn; i = next, series++) {
        next = yoco_scale_run_end(s->results, i, yoco_scale_same_series);
        if (is_drawn(s, p, i, next))
            draw_series(out, p, &plot, series, key_line++, &s->results->items[i], next - i);
    }
    if (base) {
        yoco_svg_font font = {.size = 13, .color = YOCO_SVG_FAINT, .anchor = "start"};
        yoco_svg_text(out, LEFT, BOTTOM + 70 + KEY_STEP * n_drawn, font, "- - -  ideal");
    }
    yoco_svg_end(out);
    fputs("</figure>\n", out);
}

/* Stacked bars of one series: shares of the ranks' time. */

static const double *parts_of(const yoco_scale_result *r, bool prefill)
{
    return prefill ? r->prefill_part_s : r->step_part_s;
}

static void draw_bar(FILE *out, const yoco_scale_result *r, bool prefill, double x, double width)
{
    const double *parts = parts_of(r, prefill);
    double sum = 0, y = BOTTOM;
    for (int part = 0; part < YOCO_N_PARTS; part++)
        sum += parts[part];
    for (int part = 0; part < YOCO_N_PARTS && sum > 0; part++) {
        char tooltip[LABEL], seconds[LABEL];
        double height = (BOTTOM - TOP) * parts[part] / sum;
        snprintf(tooltip, sizeof tooltip, "%d ranks, %s: %.1f %%, %s", r->n_ranks,
                 yoco_scale_part_name(part), 100 * parts[part] / sum,
                 yoco_scale_seconds(parts[part], seconds));
        y -= height;
        if (height > 0)
            yoco_svg_rect(out, x, y, width, height, part_colors[part], tooltip);
    }
    yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "middle"};
    char text[32];
    snprintf(text, sizeof text, "%d", r->n_ranks);
    yoco_svg_text(out, x + width / 2, BOTTOM + 17, font, text);
}

static void draw_part_keys(FILE *out)
{
    yoco_svg_font font = {.size = 13, .color = YOCO_SVG_INK, .anchor = "start"};
    for (int part = 0; part < YOCO_N_PARTS; part++) {
        int column = part % 3, line = part / 3;
        double x = LEFT + column * 152, y = BOTTOM + 58 + line * KEY_STEP;
        yoco_svg_rect(out, x, y, 12, 12, part_colors[part], NULL);
        yoco_svg_text(out, x + 18, y + 11, font, yoco_scale_part_name(part));
    }
}

static void draw_breakdown(FILE *out, const yoco_scale_result *rows, int n, bool prefill)
{
    char whole[LABEL + 32], label[LABEL], title[MAX_TITLE_BYTES + 1];
    yoco_svg_tick ticks[8];
    snprintf(whole, sizeof whole, "%s: %s", prefill ? "Prefill" : "Step",
             yoco_scale_label(rows, label));
    yoco_eval_label_cut(whole, MAX_TITLE_BYTES, title);
    n = (int)yoco_i64_min(n, MAX_POINTS);
    double step = (double)(RIGHT - LEFT) / n, width = fmin(0.7 * step, 64);
    yoco_svg_plot plot = {.x = {.title = "ranks", .to = 1, .start = LEFT, .end = RIGHT},
                          .y = {.title = "share of the ranks' time",
                                .to = 1,
                                .ticks = ticks,
                                .n_ticks = share_ticks(ticks, 1),
                                .start = BOTTOM,
                                .end = TOP}};
    fputs("<figure>", out);
    yoco_svg_begin(out, WIDTH, BOTTOM + 102, title);
    draw_title(out, title);
    yoco_svg_plot_frame(out, &plot);
    for (int i = 0; i < n; i++)
        draw_bar(out, &rows[i], prefill, LEFT + step * (i + 0.5) - width / 2, width);
    draw_part_keys(out);
    yoco_svg_end(out);
    fputs("</figure>\n", out);
}

void yoco_scale_print_plots(FILE *out, const yoco_scale_results *results, int first, int end)
{
    static const line_plot plots[] = {
        {"Prefill time", "seconds", prefill_time, prefill_spread, false, false, -1},
        {"Prefill efficiency", "of the fewest ranks", prefill_efficiency, NULL, true, true, 0},
        {"Prefill tokens per second and rank", "tokens/s", yoco_scale_tokens_s_per_rank, NULL,
         false, false, 0},
        {"Decode step", "seconds", step_time, step_spread, false, false, -1},
        {"Memory of the fullest rank", "GiB", memory_gib, NULL, false, false, NAN},
    };
    scope s = {.results = results, .first = first, .end = end};
    fputs("<div class=\"plots\">\n", out);
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        if (count_drawn(&s, &plots[i]) > 0)
            draw_line_plot(out, &s, &plots[i]);
    for (int i = first, next; i < end; i = next) {
        next = yoco_scale_run_end(results, i, yoco_scale_same_series);
        draw_breakdown(out, &results->items[i], next - i, true);
        draw_breakdown(out, &results->items[i], next - i, false);
    }
    fputs("</div>\n", out);
}
