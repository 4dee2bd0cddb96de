#include "coordinator/eval/failure.h"

#include <math.h>

#include "configs/files/json_text.h"

enum { VERSION = 1, REAL_DIGITS = 15 };

yoco_status yoco_eval_failure_write(const yoco_eval_cell *cell, const char *reason, char **out)
{
    size_t size;
    json_t *root =
        json_pack("{s:i, s:s, s:I, s:o, s:I, s:I, s:s}", "version", VERSION, "task",
                  yoco_eval_task_name(cell->task), "length", (json_int_t)cell->length, "depth",
                  isnan(cell->depth) ? json_null() : json_real(cell->depth), "n",
                  (json_int_t)cell->n, "trial", (json_int_t)cell->trial, "error", reason);
    *out = yoco_json_line(root, JSON_REAL_PRECISION(REAL_DIGITS), &size);
    json_decref(root);
    if (*out)
        return YOCO_OK;
    yoco_log_error("cannot allocate a line of samples.jsonl");
    return YOCO_ERR_MEMORY;
}

bool yoco_eval_failure_is(const char *line, size_t size)
{
    yoco_json_problem problem;
    json_t *root = size <= YOCO_EVAL_MAX_LINE_BYTES ? yoco_json_load(line, size, &problem) : NULL;
    bool is_failure = json_is_string(json_object_get(root, "error"));
    json_decref(root);
    return is_failure;
}
