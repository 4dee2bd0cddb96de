/* A window: the rows before a position, as far as they are seen. Work memory: the rows of the edge,
 * then those of the pass. A branch's window is the context's last edge, shared and read-only, and a
 * ring of its own rows. */
#include "worker/past/past.h"

static size_t row_bytes(const yoco_worker *w, const yoco_past *past, int part)
{
    return yoco_past_row_bytes(&past->shape, part, w->model->dtype);
}

int64_t yoco_window_edge(const yoco_pass *p, const yoco_past *past)
{
    return p->port ? yoco_past_edge_rows(&past->shape, p->position) : 0;
}

bool yoco_window_gives_own(const yoco_pass *p, const yoco_past *past)
{
    return yoco_window_edge(p, past) == 0 ||
           (p->port->gives_first && p->n_rows >= past->shape.n_rows);
}

char *yoco_window_own(const yoco_pass *p, const yoco_past *past, int part)
{
    return yoco_past_work(p->w, past, part) +
           (size_t)yoco_window_edge(p, past) * row_bytes(p->w, past, part);
}

/* Rows of an edge or of a ring: all of part 0, then all of part 1. */
static size_t part_at(const yoco_worker *w, const yoco_past *past, int part, int64_t n_rows)
{
    return part == 0 ? 0 : (size_t)n_rows * row_bytes(w, past, 0);
}

static void clear(yoco_worker *w, const yoco_past *past)
{
    (void)w;
    (void)past;
}

static void load(yoco_pass *p, const yoco_past *past, const char *edge)
{
    yoco_worker *w = p->w;
    int64_t n_rows = yoco_window_edge(p, past);
    for (int part = 0; part < YOCO_PAST_PARTS; part++)
        w->ops->copy(w->device, yoco_past_work(w, past, part),
                     edge + part_at(w, past, part, n_rows),
                     (size_t)n_rows * row_bytes(w, past, part));
}

/* The last rows of the edge that entered ++ those of the pass. */
static void save(yoco_pass *p, const yoco_past *past, char *edge)
{
    yoco_worker *w = p->w;
    int64_t n_rows = yoco_past_edge_rows(&past->shape, p->position + p->n_rows);
    int64_t first = yoco_window_edge(p, past) + p->n_rows - n_rows;
    for (int part = 0; part < YOCO_PAST_PARTS; part++) {
        size_t bytes = row_bytes(w, past, part);
        w->ops->copy(w->device, edge + part_at(w, past, part, n_rows),
                     yoco_past_work(w, past, part) + (size_t)first * bytes, (size_t)n_rows * bytes);
    }
}

/* At least one, as a branch has a row. */
static int64_t ring_rows(const yoco_worker *w, const yoco_past *past)
{
    return yoco_i64_max(1, yoco_past_ring_rows(&past->shape, w->plan.input.branch_rows));
}

/* The last n_visible rows that a branch sees, once it has n_own rows of its own. */
static void view(const yoco_worker *w, const yoco_past *past, int branch, int64_t n_own,
                 int64_t n_visible, yoco_window_view *out)
{
    int64_t n_context = yoco_past_edge_rows(&past->shape, w->plan.input.grid.n_tokens);
    int64_t n_ring = ring_rows(w, past);
    int64_t own = yoco_i64_min(n_own, n_visible), shared = n_visible - own;
    int64_t start = (n_own - own) % n_ring, first_run = yoco_i64_min(own, n_ring - start);
    const char *edge = yoco_past_context_edge(w, past), *ring = yoco_past_branch(w, past, branch);
    const struct {
        const char *base;
        int64_t n_stored, row, n_rows;
    } runs[YOCO_WINDOW_VIEW_PARTS] = {
        {edge, n_context, n_context - shared, shared},
        {ring, n_ring, start, first_run},
        {ring, n_ring, 0, own - first_run},
    };
    for (int i = 0; i < YOCO_WINDOW_VIEW_PARTS; i++) {
        const char *k = runs[i].base, *v = k + part_at(w, past, 1, runs[i].n_stored);
        out->k[i] = k + (size_t)runs[i].row * row_bytes(w, past, 0);
        out->v[i] = v + (size_t)runs[i].row * row_bytes(w, past, 1);
        out->n_rows[i] = runs[i].n_rows;
    }
}

/* Stores n_rows rows, which stand in the work memory from `first` on, as rows `row`.. of a branch.
 */
static void remember(yoco_worker *w, const yoco_past *past, int branch, int64_t row, int64_t first,
                     int64_t n_rows)
{
    char *ring = yoco_past_branch(w, past, branch);
    int64_t n_ring = ring_rows(w, past), skipped = yoco_i64_max(0, n_rows - n_ring);
    for (int64_t done = skipped, n; done < n_rows; done += n) {
        int64_t at = (row + done) % n_ring;
        n = yoco_i64_min(n_rows - done, n_ring - at);
        for (int part = 0; part < YOCO_PAST_PARTS; part++) {
            size_t bytes = row_bytes(w, past, part);
            w->ops->copy(w->device, ring + part_at(w, past, part, n_ring) + (size_t)at * bytes,
                         yoco_past_work(w, past, part) + (size_t)(first + done) * bytes,
                         (size_t)n * bytes);
        }
    }
}

static void branch_begin(yoco_worker *w, const yoco_past *past, int branch)
{
    (void)w;
    (void)past;
    (void)branch;
}

static void branch_load(yoco_pass *p, const yoco_past *past)
{
    yoco_worker *w = p->w;
    yoco_window_view seen;
    view(w, past, p->branch, w->branch_n_rows[p->branch], yoco_window_edge(p, past), &seen);
    char *k = yoco_past_work(w, past, 0), *v = yoco_past_work(w, past, 1);
    for (int i = 0; i < YOCO_WINDOW_VIEW_PARTS; i++) {
        size_t k_bytes = (size_t)seen.n_rows[i] * row_bytes(w, past, 0);
        size_t v_bytes = (size_t)seen.n_rows[i] * row_bytes(w, past, 1);
        w->ops->copy(w->device, k, seen.k[i], k_bytes);
        w->ops->copy(w->device, v, seen.v[i], v_bytes);
        k += k_bytes;
        v += v_bytes;
    }
}

static void branch_save(yoco_pass *p, const yoco_past *past)
{
    remember(p->w, past, p->branch, p->w->branch_n_rows[p->branch], yoco_window_edge(p, past),
             p->n_rows);
}

void yoco_window_views(const yoco_pass *p, const yoco_past *past, yoco_window_view *views)
{
    const yoco_worker *w = p->w;
    for (int64_t i = 0; i < p->n_rows; i++)
        view(w, past, p->branches[i], w->branch_n_rows[p->branches[i]] + 1,
             yoco_i64_min(past->shape.n_rows + 1, w->positions[i] + 1), &views[i]);
}

void yoco_window_step(yoco_pass *p, const yoco_past *past, yoco_window_view *views)
{
    yoco_worker *w = p->w;
    const size_t bytes[YOCO_PAST_PARTS] = {row_bytes(w, past, 0), row_bytes(w, past, 1)};
    int64_t n_ring = ring_rows(w, past);
    for (int64_t i = 0; i < p->n_rows; i++) {
        int branch = p->branches[i];
        int64_t n_own = w->branch_n_rows[branch];
        for (int part = 0; part < YOCO_PAST_PARTS; part++)
            w->copies[part * p->n_rows + i] =
                (yoco_row_copy){yoco_past_branch(w, past, branch) + part_at(w, past, part, n_ring) +
                                    (size_t)(n_own % n_ring) * bytes[part],
                                yoco_past_work(w, past, part) + (size_t)i * bytes[part]};
    }
    yoco_past_copy_rows(w, p->n_rows, bytes);
    yoco_window_views(p, past, views);
}

const yoco_past_ops yoco_window_past = {.clear = clear,
                                        .load = load,
                                        .save = save,
                                        .branch_begin = branch_begin,
                                        .branch_load = branch_load,
                                        .branch_save = branch_save};
