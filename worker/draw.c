/* Rank 0 chooses ids from the logits of the last step. */
#include "worker/internal.h"

static yoco_status check_ids(yoco_worker *w, int n_rows, const int32_t *ids)
{
    YOCO_TRY(w->ops->synchronize(w->device));
    for (int i = 0; i < n_rows; i++) {
        if (ids[i] >= 0)
            continue;
        yoco_log_error(ids[i] == YOCO_ARGMAX_NONE
                           ? "every id of the vocabulary is banned"
                           : "a logit is not finite: are the weights damaged?");
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

yoco_status yoco_worker_likeliest(yoco_worker *w, int first, int n_rows, const int32_t *banned,
                                  int n_banned, int32_t *out)
{
    int vocab_size = w->model->shape->vocab_size;
    w->ops->choose->argmax(w->device, &(yoco_argmax_args){.n_rows = n_rows,
                                                          .n = vocab_size,
                                                          .x = yoco_f32(w, YOCO_BUF_LOGITS) +
                                                               (int64_t)first * vocab_size,
                                                          .n_banned = n_banned,
                                                          .banned = banned,
                                                          .out = out});
    return check_ids(w, n_rows, out);
}

yoco_status yoco_worker_draw(yoco_worker *w, int first, const yoco_draw_args *args)
{
    yoco_draw_args own = *args;
    own.n = w->model->shape->vocab_size;
    own.x = yoco_f32(w, YOCO_BUF_LOGITS) + (int64_t)first * own.n;
    own.scratch = w->draw_scratch;
    w->ops->choose->draw(w->device, &own);
    return check_ids(w, (int)own.n_rows, own.out);
}
