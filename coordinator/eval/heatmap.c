#include "coordinator/eval/pages.h"

#include "coordinator/report/svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 70, TOP = 62, BOTTOM = 54, RIGHT = 84, MIN_WIDTH = 380 };

/* Lengths and depths that occur, ascending: the columns and rows. */
typedef struct cell_grid {
    double *columns, *rows;
    int n_columns, n_rows;
    yoco_svg_tick *ticks; /* (n_columns + n_rows) */
    double cell_width, cell_height;
    yoco_svg_plot plot;
} cell_grid;

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts, drops doubles; returns how many are left. */
static int make_distinct(double *values, int n)
{
    int n_kept = 0;
    qsort(values, (size_t)n, sizeof *values, compare);
    for (int i = 0; i < n; i++)
        if (n_kept == 0 || values[i] != values[n_kept - 1])
            values[n_kept++] = values[i];
    return n_kept;
}

static int find(const double *values, int n, double value)
{
    const double *found = bsearch(&value, values, (size_t)n, sizeof *values, compare);
    return (int)(found - values);
}

static yoco_status collect(const yoco_eval_groups *cells, cell_grid *grid)
{
    size_t n = (size_t)cells->n;
    YOCO_TRY(yoco_alloc(n * sizeof(double), "a plot", (void **)&grid->columns));
    YOCO_TRY(yoco_alloc(n * sizeof(double), "a plot", (void **)&grid->rows));
    YOCO_TRY(yoco_alloc(2 * n * sizeof *grid->ticks, "a plot", (void **)&grid->ticks));
    for (size_t i = 0; i < n; i++) {
        grid->columns[i] = (double)cells->items[i].length;
        grid->rows[i] = cells->items[i].depth;
    }
    grid->n_columns = make_distinct(grid->columns, (int)n);
    grid->n_rows = make_distinct(grid->rows, (int)n);
    return YOCO_OK;
}

static void release(cell_grid *grid)
{
    yoco_free(grid->columns);
    yoco_free(grid->rows);
    yoco_free(grid->ticks);
}

/* Column c spans c..c+1 of the x axis, row r spans r..r+1 of the y axis, the first on top. */
static void lay_out(cell_grid *grid)
{
    int n_columns = grid->n_columns, n_rows = grid->n_rows;
    yoco_svg_tick *x_ticks = grid->ticks, *y_ticks = grid->ticks + n_columns;
    grid->cell_width = fmin(72, 600.0 / n_columns);
    grid->cell_height = fmin(32, 360.0 / n_rows);
    for (int i = 0; i < n_columns; i++) {
        x_ticks[i].value = i + 0.5;
        yoco_eval_label_size((int64_t)grid->columns[i], x_ticks[i].label);
    }
    for (int i = 0; i < n_rows; i++) {
        y_ticks[i].value = i + 0.5;
        snprintf(y_ticks[i].label, sizeof y_ticks[i].label, "%.3g", 100 * grid->rows[i]);
    }
    double width = grid->cell_width * n_columns, height = grid->cell_height * n_rows;
    grid->plot.x = (yoco_svg_axis){.title = "length in tokens",
                                   .to = n_columns,
                                   .ticks = x_ticks,
                                   .n_ticks = n_columns,
                                   .start = LEFT,
                                   .end = LEFT + width};
    grid->plot.y = (yoco_svg_axis){.title = "depth in %",
                                   .from = n_rows,
                                   .ticks = y_ticks,
                                   .n_ticks = n_rows,
                                   .start = TOP + height,
                                   .end = TOP};
}

/* Dark red, orange, yellow, green: red is darker than green, for those who cannot tell the hues. */
static void color_of(double mean, char color[8], bool *is_dark)
{
    static const double stops[][3] = {
        {150, 14, 38}, {224, 83, 58}, {251, 217, 107}, {174, 214, 110}, {84, 174, 104}};
    int stop = (int)fmin(3, floor(4 * mean));
    double part = 4 * mean - stop, rgb[3];
    for (int i = 0; i < 3; i++)
        rgb[i] = stops[stop][i] + part * (stops[stop + 1][i] - stops[stop][i]);
    snprintf(color, 8, "#%02x%02x%02x", (unsigned)rgb[0], (unsigned)rgb[1], (unsigned)rgb[2]);
    *is_dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 125;
}

static void describe(const yoco_eval_group *cell, char *text, size_t size)
{
    char length[YOCO_EVAL_LABEL_BYTES], low[YOCO_EVAL_LABEL_BYTES], high[YOCO_EVAL_LABEL_BYTES];
    yoco_eval_interval interval = yoco_eval_group_interval(cell);
    snprintf(text, size,
             "%s tokens, depth %.4g %%: %.6g of %" PRId64 " right, 95 %% interval %s to %s %%%s",
             yoco_eval_label_size(cell->length, length), 100 * cell->depth, cell->hits,
             cell->n_trials, yoco_eval_label_percent(interval.low, 1, low),
             yoco_eval_label_percent(interval.high, 1, high),
             cell->n_far > 0 ? "; with needles far from this depth" : "");
}

static void draw_cell(FILE *out, const cell_grid *grid, const yoco_eval_group *cell)
{
    int column = find(grid->columns, grid->n_columns, (double)cell->length);
    int row = find(grid->rows, grid->n_rows, cell->depth);
    double x = yoco_svg_axis_at(&grid->plot.x, column), y = yoco_svg_axis_at(&grid->plot.y, row);
    double gap = grid->cell_width > 8 && grid->cell_height > 8 ? 1 : 0;
    char color[8], text[200], percent[YOCO_EVAL_LABEL_BYTES], label[YOCO_EVAL_LABEL_BYTES + 1];
    bool is_dark;
    color_of(yoco_eval_group_mean(cell), color, &is_dark);
    describe(cell, text, sizeof text);
    yoco_svg_rect(out, x, y, grid->cell_width - gap, grid->cell_height - gap, color, text);
    if (grid->cell_width < 26 || grid->cell_height < 14)
        return;
    yoco_svg_font font = {
        .size = 12, .anchor = "middle", .color = is_dark ? "#ffffff" : YOCO_SVG_INK};
    snprintf(label, sizeof label, "%s%s",
             yoco_eval_label_percent(yoco_eval_group_mean(cell), 0, percent),
             cell->n_far > 0 ? "*" : "");
    yoco_svg_text(out, x + grid->cell_width / 2, y + grid->cell_height / 2 + 4, font, label);
}

static void draw_legend(FILE *out, double x, double top, double height)
{
    enum { N_STEPS = 40 };
    yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "start"};
    for (int i = 0; i < N_STEPS; i++) {
        char color[8];
        bool is_dark;
        color_of(1 - (i + 0.5) / N_STEPS, color, &is_dark);
        /* Down to the foot, each over the one before: no seams. */
        double part = (double)i / N_STEPS;
        yoco_svg_rect(out, x, top + part * height, 14, (1 - part) * height, color, NULL);
    }
    yoco_svg_text(out, x + 20, top + 10, font, "100 %");
    if (height > 50)
        yoco_svg_text(out, x + 20, top + height / 2 + 4, font, "50 %");
    yoco_svg_text(out, x + 20, top + height, font, "0 %");
}

static void draw_head(FILE *out, const yoco_eval_stats *stats)
{
    const yoco_eval_group *all = &stats->tasks[YOCO_EVAL_NEEDLE].all;
    yoco_svg_font title = {.size = 16, .color = YOCO_SVG_INK, .anchor = "start", .bold = true};
    yoco_svg_font font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "start"};
    char text[128], name[33], count[YOCO_EVAL_LABEL_BYTES];
    snprintf(text, sizeof text, "%s, answers: %s%s",
             yoco_eval_label_cut(stats->set->samples[0].model_name, sizeof name - 1, name),
             yoco_eval_label_count(all->n_samples, count),
             all->n_far > 0 ? "  (* far from the depth)" : "");
    yoco_svg_text(out, 14, 26, title, "needle: right answers in %");
    yoco_svg_text(out, 14, 45, font, text);
}

static void draw(FILE *out, const yoco_eval_stats *stats, const cell_grid *grid)
{
    const yoco_svg_plot *plot = &grid->plot;
    const yoco_eval_groups *cells = &stats->tasks[YOCO_EVAL_NEEDLE].by_cell;
    double width = plot->x.end - plot->x.start, height = plot->y.start - plot->y.end;
    yoco_svg_begin(out, fmax(MIN_WIDTH, LEFT + width + RIGHT), TOP + height + BOTTOM,
                   "needle: right answers by length and depth");
    draw_head(out, stats);
    yoco_svg_plot_frame(out, plot);
    yoco_svg_rect(out, LEFT, TOP, width, height, "#eef1f4", NULL);
    for (int64_t i = 0; i < cells->n; i++)
        draw_cell(out, grid, &cells->items[i]);
    draw_legend(out, LEFT + width + 18, TOP, height);
    yoco_svg_end(out);
}

static void draw_nothing(FILE *out)
{
    yoco_svg_font font = {.size = 14, .color = YOCO_SVG_FAINT, .anchor = "middle"};
    yoco_svg_begin(out, MIN_WIDTH, 60, "needle: no answers");
    yoco_svg_text(out, MIN_WIDTH / 2.0, 35, font, "The task needle was not run.");
    yoco_svg_end(out);
}

yoco_status yoco_eval_print_heatmap(FILE *out, const yoco_eval_stats *stats)
{
    const yoco_eval_groups *cells = &stats->tasks[YOCO_EVAL_NEEDLE].by_cell;
    if (cells->n == 0) {
        draw_nothing(out);
        return YOCO_OK;
    }
    cell_grid grid = {0};
    yoco_status status = collect(cells, &grid);
    if (status == YOCO_OK) {
        lay_out(&grid);
        draw(out, stats, &grid);
    }
    release(&grid);
    return status;
}
