/* Which documents a run of `yoco eval` has. */
#ifndef YOCO_EVAL_CELLS_H
#define YOCO_EVAL_CELLS_H

#include "coordinator/cli/options.h"
#include "coordinator/eval/text.h"

/* Choices of the command line; nothing or 0: the default. */
typedef struct yoco_eval_choice {
    yoco_strings tasks; /* default: all but yoco-compat */
    yoco_strings lengths;
    yoco_strings needles; /* default 4, of yoco-compat 1 */
    int64_t n_depths;     /* default 11, of yoco-compat with several needles 10 */
    int64_t n_trials;     /* default 5, 2 above 64K tokens; of yoco-compat the authors' 10 and 5 */
} yoco_eval_choice;

/* Tokens of max_seq_len that the default lengths leave for questions and answers. */
enum { YOCO_EVAL_ROOM = 1024 };

typedef struct yoco_eval_cells {
    yoco_eval_cell *cells; /* malloc'ed */
    int64_t n;
} yoco_eval_cells;

/* Lists the cells in the order task, length, needles, depth, trial. Default lengths: 4K, 8K, 16K,
 * ... as far as the model goes. */
yoco_status yoco_eval_cells_make(const yoco_eval_choice *choice, int64_t max_seq_len,
                                 yoco_eval_cells *out);

#endif
