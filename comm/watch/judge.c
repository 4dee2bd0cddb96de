#include "comm/watch/hang.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NAMED = 8 };

static void add(char text[YOCO_HANG_TEXT_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[YOCO_HANG_TEXT_BYTES], const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, YOCO_HANG_TEXT_BYTES - used, format, args);
    va_end(args);
}

static void add_rank(char *text, int rank, const yoco_hang_place *places)
{
    add(text, "rank %d (%s, pid %" PRId64 ")", rank, places[rank].host, places[rank].pid);
}

static void add_op(char *text, const yoco_hang_op *op)
{
    add(text, "%s", op->what[0] ? op->what : "the start");
    if (op->collective && !op->group)
        add(text, ", collective %" PRId64, op->number);
    if (op->chunk >= 0)
        add(text, ", chunk %" PRId64, op->chunk);
    if (op->layer >= 0)
        add(text, ", layer %d", op->layer);
    if (op->peer >= 0)
        add(text, ", %s rank %d", op->incoming ? "from" : "to", op->peer);
}

static bool same(const yoco_hang_state *a, const yoco_hang_state *b)
{
    return a->op.number == b->op.number && a->op.collective == b->op.collective &&
           strcmp(a->op.what, b->op.what) == 0;
}

static int count_same(const yoco_hang_state *states, int n_ranks, int rank)
{
    int n = 0;
    for (int other = 0; other < n_ranks; other++)
        n += same(&states[rank], &states[other]);
    return n;
}

/* A rank in the most common operation; the first such one. Ranks in few kinds of operations make
 * this quick. */
static int find_common(const yoco_hang_state *states, int n_ranks)
{
    int best = 0, most = count_same(states, n_ranks, 0);
    for (int rank = 1; rank < n_ranks && 2 * most <= n_ranks; rank++) {
        int n = count_same(states, n_ranks, rank);
        if (n > most) {
            most = n;
            best = rank;
        }
    }
    return best;
}

static int judge_silent(const yoco_hang_state *states, const yoco_hang_place *places, int n_ranks,
                        char *text)
{
    int first = -1, n = 0;
    for (int rank = 0; rank < n_ranks; rank++) {
        if (states[rank].heard)
            continue;
        if (n == 0)
            first = rank;
        if (n++ < MAX_NAMED) {
            add(text, n > 1 ? ", " : "");
            add_rank(text, rank, places);
        }
    }
    if (n > MAX_NAMED)
        add(text, " and %d more", n - MAX_NAMED);
    if (n > 0)
        add(text, " wrote no file: stopped, dead, or cut off from the folder");
    return first;
}

static int judge_computing(const yoco_hang_state *states, const yoco_hang_place *places,
                           int n_ranks, char *text)
{
    for (int rank = 0; rank < n_ranks; rank++) {
        if (states[rank].waiting)
            continue;
        add_rank(text, rank, places);
        add(text, " waits for nobody: it has computed, or been stuck, for %.0f s since ",
            states[rank].seconds);
        add_op(text, &states[rank].op);
        return rank;
    }
    return -1;
}

int yoco_hang_judge(const yoco_hang_state *states, const yoco_hang_place *places, int n_ranks,
                    char text[YOCO_HANG_TEXT_BYTES])
{
    text[0] = '\0';
    int rank = judge_silent(states, places, n_ranks, text);
    if (rank < 0)
        rank = judge_computing(states, places, n_ranks, text);
    if (rank >= 0)
        return rank;
    int common = find_common(states, n_ranks);
    for (rank = 0; rank < n_ranks; rank++) {
        if (same(&states[rank], &states[common]))
            continue;
        add_rank(text, rank, places);
        add(text, " differs: it waits in ");
        add_op(text, &states[rank].op);
        add(text, "; rank %d in ", common);
        add_op(text, &states[common].op);
        return rank;
    }
    add(text, "all ranks wait in ");
    add_op(text, &states[0].op);
    add(text, ": the network between them may be at fault");
    return -1;
}
