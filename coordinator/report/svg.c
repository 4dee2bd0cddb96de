#include "coordinator/report/svg.h"

#include <math.h>
#include <string.h>

/* C0 controls but tab and line ends; U+FFFE and U+FFFF: no XML text may hold them. */
static bool is_forbidden(const unsigned char *text, size_t *length)
{
    *length = 1;
    if (*text < ' ')
        return *text != '\t' && *text != '\n' && *text != '\r';
    *length = 3;
    return text[0] == 0xef && text[1] == 0xbf && (text[2] == 0xbe || text[2] == 0xbf);
}

void yoco_xml_text(FILE *out, const char *text)
{
    static const char specials[] = "&<>\"'";
    static const char *const escapes[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t length; *text; text += length) {
        const char *special = strchr(specials, *text);
        if (is_forbidden((const unsigned char *)text, &length)) {
            fputs("\xef\xbf\xbd", out);
            continue;
        }
        length = 1;
        if (special)
            fputs(escapes[special - specials], out);
        else
            fputc(*text, out);
    }
}

void yoco_svg_begin(FILE *out, double width, double height, const char *title)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%g\" height=\"%g\" "
            "viewBox=\"0 0 %g %g\" font-family=\"Helvetica, Arial, sans-serif\">\n<title>",
            width, height, width, height);
    yoco_xml_text(out, title);
    fputs("</title>\n", out);
    yoco_svg_rect(out, 0, 0, width, height, "#ffffff", NULL);
}

void yoco_svg_end(FILE *out)
{
    fputs("</svg>\n", out);
}

void yoco_svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *color)
{
    fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, color);
}

void yoco_svg_rect(FILE *out, double x, double y, double width, double height, const char *fill,
                   const char *tooltip)
{
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">", x, y,
            width, height, fill);
    if (tooltip) {
        fputs("<title>", out);
        yoco_xml_text(out, tooltip);
        fputs("</title>", out);
    }
    fputs("</rect>\n", out);
}

void yoco_svg_text(FILE *out, double x, double y, yoco_svg_font font, const char *text)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" fill=\"%s\" text-anchor=\"%s\"", x,
            y, font.size, font.color, font.anchor);
    if (font.bold)
        fputs(" font-weight=\"bold\"", out);
    if (font.upwards)
        fprintf(out, " transform=\"rotate(-90 %.1f %.1f)\"", x, y);
    fputc('>', out);
    yoco_xml_text(out, text);
    fputs("</text>\n", out);
}

double yoco_svg_axis_at(const yoco_svg_axis *axis, double value)
{
    double from = axis->from, to = axis->to;
    if (axis->is_log) {
        from = log2(from);
        to = log2(to);
        value = log2(value);
    }
    double part = to != from ? (value - from) / (to - from) : 0.5;
    return axis->start + part * (axis->end - axis->start);
}

/* Plots. */

static const yoco_svg_font tick_font = {.size = 12, .color = YOCO_SVG_FAINT, .anchor = "middle"};

static void draw_x_ticks(FILE *out, const yoco_svg_plot *plot)
{
    const double letter_width = 7, gap = 6;
    double free_from = -INFINITY;
    for (int i = 0; i < plot->x.n_ticks; i++) {
        const yoco_svg_tick *tick = &plot->x.ticks[i];
        double x = yoco_svg_axis_at(&plot->x, tick->value);
        double half = letter_width * (double)strlen(tick->label) / 2;
        if (x - half < free_from)
            continue;
        free_from = x + half + gap;
        yoco_svg_line(out, x, plot->y.start, x, plot->y.end, YOCO_SVG_GRID);
        yoco_svg_text(out, x, plot->y.start + 17, tick_font, tick->label);
    }
}

static void draw_y_ticks(FILE *out, const yoco_svg_plot *plot)
{
    yoco_svg_font font = tick_font;
    font.anchor = "end";
    double last = INFINITY;
    for (int i = 0; i < plot->y.n_ticks; i++) {
        const yoco_svg_tick *tick = &plot->y.ticks[i];
        double y = yoco_svg_axis_at(&plot->y, tick->value);
        if (fabs(y - last) < font.size)
            continue;
        last = y;
        yoco_svg_line(out, plot->x.start, y, plot->x.end, y, YOCO_SVG_GRID);
        yoco_svg_text(out, plot->x.start - 7, y + 4, font, tick->label);
    }
}

void yoco_svg_plot_frame(FILE *out, const yoco_svg_plot *plot)
{
    draw_x_ticks(out, plot);
    draw_y_ticks(out, plot);
    yoco_svg_line(out, plot->x.start, plot->y.start, plot->x.end, plot->y.start, YOCO_SVG_FAINT);
    yoco_svg_line(out, plot->x.start, plot->y.start, plot->x.start, plot->y.end, YOCO_SVG_FAINT);
    yoco_svg_font font = {.size = 13, .color = YOCO_SVG_INK, .anchor = "middle"};
    yoco_svg_text(out, (plot->x.start + plot->x.end) / 2, plot->y.start + 38, font, plot->x.title);
    font.upwards = true;
    yoco_svg_text(out, plot->x.start - 46, (plot->y.start + plot->y.end) / 2, font, plot->y.title);
}

/* Okabe & Ito's colours without the yellow, which white hides. */
static const char *series_color(int index)
{
    static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                         "#e69f00", "#56b4e9", "#000000"};
    return colors[index % (int)(sizeof colors / sizeof *colors)];
}

/* Circle, square, triangle, diamond. */
static void draw_marker(FILE *out, int index, double x, double y)
{
    const char *color = series_color(index);
    static const char *const paths[] = {"m-4.5-4.5h9v9h-9z", "m0-6l5.5 9.5h-11z",
                                        "m0-6l6 6l-6 6l-6-6z"};
    if (index % 4 == 0)
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\"/>\n", x, y, color);
    else
        fprintf(out, "<path d=\"M%.1f %.1f%s\" fill=\"%s\"/>\n", x, y, paths[index % 4 - 1], color);
}

static void draw_error_bar(FILE *out, double x, double low, double high, const char *color)
{
    fprintf(out,
            "<path d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f %.1fh8\" stroke=\"%s\" "
            "stroke-width=\"1.3\" fill=\"none\"/>\n",
            x, low, high, x - 4, low, x - 4, high, color);
}

void yoco_svg_plot_series(FILE *out, const yoco_svg_plot *plot, int index, double shift,
                          const yoco_svg_point *points, int n_points)
{
    const char *color = series_color(index);
    fputs("<path d=\"", out);
    for (int i = 0; i < n_points; i++)
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', yoco_svg_axis_at(&plot->x, points[i].x) + shift,
                yoco_svg_axis_at(&plot->y, points[i].y));
    fprintf(out, "\" stroke=\"%s\" stroke-width=\"2\" fill=\"none\"/>\n", color);
    for (int i = 0; i < n_points; i++) {
        double x = yoco_svg_axis_at(&plot->x, points[i].x) + shift;
        draw_error_bar(out, x, yoco_svg_axis_at(&plot->y, points[i].low),
                       yoco_svg_axis_at(&plot->y, points[i].high), color);
        draw_marker(out, index, x, yoco_svg_axis_at(&plot->y, points[i].y));
    }
}

void yoco_svg_plot_key(FILE *out, int index, double x, double y, const char *label)
{
    yoco_svg_font font = {.size = 13, .color = YOCO_SVG_INK, .anchor = "start"};
    draw_marker(out, index, x, y);
    yoco_svg_text(out, x + 11, y + 4.5, font, label);
}
