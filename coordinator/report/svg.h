/* SVG pictures by hand: shapes, and line plots with linear or logarithmic axes.
 *
 * Everything is printed to a stream; a failed write shows in ferror(out) once all is drawn. Units
 * are CSS pixels, y grows downwards; the text is sans-serif. Colours are "#rrggbb". */
#ifndef YOCO_SVG_H
#define YOCO_SVG_H

#include "base.h"

#include <stdio.h>

#define YOCO_SVG_INK "#1f2328"
#define YOCO_SVG_FAINT "#57606a"
#define YOCO_SVG_GRID "#d8dee4"

/* Text as XML and HTML may hold it, in elements and in quoted attributes: & < > " ' are escaped,
 * characters that XML forbids become U+FFFD. The text is valid UTF-8. */
void yoco_xml_text(FILE *out, const char *text);

/* Opens a picture on a white ground; `title` is what a screen reader says. */
void yoco_svg_begin(FILE *out, double width, double height, const char *title);
void yoco_svg_end(FILE *out);

void yoco_svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *color);
/* tooltip: may be NULL. */
void yoco_svg_rect(FILE *out, double x, double y, double width, double height, const char *fill,
                   const char *tooltip);

typedef struct yoco_svg_font {
    double size;
    const char *color;
    const char *anchor; /* which part of the text is at x: "start", "middle" or "end" */
    bool bold, upwards; /* upwards: turned by 90 degrees */
} yoco_svg_font;

/* y is the baseline, x where upwards. */
void yoco_svg_text(FILE *out, double x, double y, yoco_svg_font font, const char *text);

typedef struct yoco_svg_tick {
    double value;
    char label[32];
} yoco_svg_tick;

typedef struct yoco_svg_axis {
    const char *title;
    double from, to; /* the values at its start and end; above 0 where is_log */
    bool is_log;
    const yoco_svg_tick *ticks; /* from start to end; those that would touch are left out */
    int n_ticks;
    double start, end; /* the pixels at its ends */
} yoco_svg_axis;

/* The pixel of a value; the middle of an axis without extent. */
double yoco_svg_axis_at(const yoco_svg_axis *axis, double value);

/* The axes' pixels are the plot's sides: x.start left, y.start at the bottom. */
typedef struct yoco_svg_plot {
    yoco_svg_axis x, y;
} yoco_svg_plot;

typedef struct yoco_svg_point {
    double x, y, low, high; /* low..high: the error bar */
} yoco_svg_point;

/* Grid, ticks and titles: drawn before the series. */
void yoco_svg_plot_frame(FILE *out, const yoco_svg_plot *plot);
/* A line through the points, markers, error bars. `index` chooses colour and marker, both readable
 * by the colour-blind; `shift` moves all to the right, so that error bars of several series do not
 * hide each other. */
void yoco_svg_plot_series(FILE *out, const yoco_svg_plot *plot, int index, double shift,
                          const yoco_svg_point *points, int n_points);
/* A legend's entry: the marker at (x, y), its label to the right. */
void yoco_svg_plot_key(FILE *out, int index, double x, double y, const char *label);

#endif
