#include "coordinator/eval/cells.h"

#include <math.h>
#include <stdlib.h>

#include "coordinator/eval/compat.h"

enum {
    MAX_VALUES = 64,
    MAX_DEPTHS = 1000,
    MAX_CELLS = 1 << 20,
    DEFAULT_DEPTHS = 11,
    DEFAULT_NEEDLES = 4,
    FIRST_LENGTH = 4096,
    LONG_LENGTH = 65536,
    TRIALS = 5,
    LONG_TRIALS = 2,
};

typedef struct list {
    int64_t values[MAX_VALUES];
    int n;
} list;

static yoco_status add_value(const char *name, int64_t value, list *out)
{
    for (int i = 0; i < out->n; i++) {
        if (out->values[i] == value) {
            yoco_log_error("yoco eval: --%s %lld is given twice", name, (long long)value);
            return YOCO_ERR_USAGE;
        }
    }
    if (out->n == MAX_VALUES) {
        yoco_log_error("yoco eval: --%s may be given %d times", name, MAX_VALUES);
        return YOCO_ERR_USAGE;
    }
    out->values[out->n++] = value;
    return YOCO_OK;
}

static yoco_status parse_sizes(const char *name, const yoco_strings *texts, int64_t most, list *out)
{
    for (int i = 0; i < texts->n; i++) {
        int64_t value;
        if (!yoco_parse_size(texts->values[i], &value) || value < 1 || value > most) {
            yoco_log_error("yoco eval: --%s is a whole number from 1 to %lld, not '%s'", name,
                           (long long)most, texts->values[i]);
            return YOCO_ERR_USAGE;
        }
        YOCO_TRY(add_value(name, value, out));
    }
    return YOCO_OK;
}

static yoco_status parse_tasks(const yoco_strings *names, list *out)
{
    for (int i = 0; i < names->n; i++) {
        yoco_eval_task task;
        if (!yoco_eval_task_find(names->values[i], &task)) {
            yoco_log_error("yoco eval: --task is needle, multikey, multiquery, multivalue or "
                           "yoco-compat, not '%s'",
                           names->values[i]);
            return YOCO_ERR_USAGE;
        }
        YOCO_TRY(add_value("task", task, out));
    }
    for (int task = 0; names->n == 0 && task < YOCO_EVAL_COMPAT; task++)
        YOCO_TRY(add_value("task", task, out));
    return YOCO_OK;
}

static yoco_status default_lengths(int64_t max_seq_len, list *out)
{
    for (int64_t length = FIRST_LENGTH; length <= max_seq_len - YOCO_EVAL_ROOM; length *= 2)
        YOCO_TRY(add_value("length", length, out));
    if (out->n > 0)
        return YOCO_OK;
    yoco_log_error("yoco eval: the model's max_seq_len is only %lld: give --length",
                   (long long)max_seq_len);
    return YOCO_ERR_USAGE;
}

/* A millionth more or less than asked, so that a depth is the same after it was written. */
static double depth_at(yoco_eval_task task, int n, int index, int n_depths)
{
    double depth = task == YOCO_EVAL_COMPAT ? yoco_compat_depth(n, index, n_depths)
                   : n_depths > 1           ? (double)index / (n_depths - 1)
                                            : 0.5;
    return round(depth * 1e6) / 1e6;
}

/* All depths and trials of one task, length and number of needles. */
static yoco_status add_cells(const yoco_eval_choice *choice, yoco_eval_task task, int64_t length,
                             int n, yoco_eval_cells *out)
{
    bool compat = task == YOCO_EVAL_COMPAT, has_depth = yoco_eval_task_has_depth(task);
    int64_t n_depths = compat ? yoco_compat_depths(n) : DEFAULT_DEPTHS;
    int64_t n_trials = compat ? yoco_compat_trials(n) : length > LONG_LENGTH ? LONG_TRIALS : TRIALS;
    if (choice->n_depths > 0)
        n_depths = choice->n_depths;
    if (!has_depth)
        n_depths = 1;
    if (choice->n_trials > 0)
        n_trials = choice->n_trials;
    if (n_depths > MAX_DEPTHS || n_trials > MAX_CELLS || out->n + n_depths * n_trials > MAX_CELLS) {
        yoco_log_error("yoco eval: at most %d depths and %d documents in one run", MAX_DEPTHS,
                       MAX_CELLS);
        return YOCO_ERR_USAGE;
    }
    size_t n_cells = (size_t)(out->n + n_depths * n_trials);
    yoco_eval_cell *cells = realloc(out->cells, n_cells * sizeof *cells);
    if (!cells) {
        yoco_log_error("cannot allocate %zu documents' names", n_cells);
        return YOCO_ERR_MEMORY;
    }
    out->cells = cells;
    for (int i = 0; i < n_depths; i++)
        for (int64_t trial = 0; trial < n_trials; trial++)
            cells[out->n++] = (yoco_eval_cell){
                task, length, has_depth ? depth_at(task, n, i, (int)n_depths) : NAN, n, trial};
    return YOCO_OK;
}

static yoco_status add_task(const yoco_eval_choice *choice, yoco_eval_task task,
                            const list *lengths, const list *needles, yoco_eval_cells *out)
{
    const list one = {{1}, 1}, usual = {{DEFAULT_NEEDLES}, 1};
    const list *ns = needles->n > 0 ? needles : task == YOCO_EVAL_COMPAT ? &one : &usual;
    if (task == YOCO_EVAL_NEEDLE)
        ns = &one;
    for (int i = 0; i < lengths->n; i++) {
        for (int j = 0; j < ns->n; j++) {
            if (task == YOCO_EVAL_COMPAT && ns->values[j] > YOCO_COMPAT_N_CITIES) {
                yoco_log_error("yoco eval: yoco-compat has %d cities, --needles asks for %lld",
                               YOCO_COMPAT_N_CITIES, (long long)ns->values[j]);
                return YOCO_ERR_USAGE;
            }
            YOCO_TRY(add_cells(choice, task, lengths->values[i], (int)ns->values[j], out));
        }
    }
    return YOCO_OK;
}

static yoco_status make(const yoco_eval_choice *choice, int64_t max_seq_len, yoco_eval_cells *out)
{
    list tasks = {0}, lengths = {0}, needles = {0};
    YOCO_TRY(parse_tasks(&choice->tasks, &tasks));
    YOCO_TRY(parse_sizes("length", &choice->lengths, YOCO_EVAL_MAX_COUNT, &lengths));
    YOCO_TRY(parse_sizes("needles", &choice->needles, YOCO_EVAL_MAX_NEEDLES, &needles));
    if (lengths.n == 0)
        YOCO_TRY(default_lengths(max_seq_len, &lengths));
    for (int i = 0; i < tasks.n; i++)
        YOCO_TRY(add_task(choice, (yoco_eval_task)tasks.values[i], &lengths, &needles, out));
    return YOCO_OK;
}

yoco_status yoco_eval_cells_make(const yoco_eval_choice *choice, int64_t max_seq_len,
                                 yoco_eval_cells *out)
{
    yoco_eval_cells cells = {0};
    yoco_status status = make(choice, max_seq_len, &cells);
    if (status != YOCO_OK) {
        free(cells.cells);
        return status;
    }
    *out = cells;
    return YOCO_OK;
}
