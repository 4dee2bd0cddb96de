/* The chunk grid against a walk over every row. */
#include "partition/grid.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MAX_RANKS = 64 };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const int ranks[] = {1, 2, 3, 5, 7, 64};

/* Visits each row in order of position: it must be the next row of its owner's shard. */
static void check_grid(const yoco_grid *g)
{
    int64_t n_rows[MAX_RANKS] = {0}, n_chunks[MAX_RANKS] = {0}, seen = 0, most = 0;
    for (int64_t row = 0; row < g->n_tokens; row++) {
        int64_t chunk = row / g->chunk_rows, in_chunk = row % g->chunk_rows;
        int owner = yoco_grid_owner(g, chunk);
        assert_int_equal(owner, chunk % g->n_ranks);
        assert_int_equal(yoco_grid_shard_row(g, chunk) + in_chunk, n_rows[owner]);
        assert_true(in_chunk < yoco_grid_chunk_rows(g, chunk));
        n_rows[owner]++;
        n_chunks[owner] += in_chunk == 0;
    }
    for (int64_t chunk = 0; chunk < yoco_grid_n_chunks(g); chunk++)
        seen += yoco_grid_chunk_rows(g, chunk);
    assert_int_equal(seen, g->n_tokens);
    for (int rank = 0; rank < g->n_ranks; rank++) {
        assert_int_equal(yoco_grid_rank_rows(g, rank), n_rows[rank]);
        assert_int_equal(yoco_grid_rank_chunks(g, rank), n_chunks[rank]);
        most = yoco_i64_max(most, n_rows[rank]);
    }
    assert_int_equal(yoco_grid_max_rank_rows(g), most);
    double balance = most > 0 ? (double)g->n_tokens / (double)(most * g->n_ranks) : 1.0;
    assert_float_equal(yoco_grid_balance(g), balance, 1e-12);
}

static void every_row_of_a_context_has_one_place(void **state)
{
    (void)state;
    static const int64_t n_tokens[] = {0, 1, 2, 6, 7, 8, 63, 64, 65, 700, 1000};
    static const int64_t chunk_rows[] = {1, 2, 7, 64, 100, 999, 1000, 1001, 2048};
    for (size_t t = 0; t < COUNT(n_tokens); t++)
        for (size_t c = 0; c < COUNT(chunk_rows); c++)
            for (size_t r = 0; r < COUNT(ranks); r++)
                check_grid(&(yoco_grid){n_tokens[t], chunk_rows[c], ranks[r]});
}

static void check_branch(int branch, int64_t n_rows, int n_ranks)
{
    int64_t stored[MAX_RANKS] = {0};
    for (int64_t row = 0; row < n_rows; row++) {
        int64_t block = row / YOCO_BLOCK_ROWS;
        int owner = yoco_branch_owner(branch, block, n_ranks);
        assert_int_equal(owner, (branch + block) % n_ranks);
        assert_int_equal(yoco_branch_shard_row(row, n_ranks), stored[owner]);
        stored[owner]++;
    }
    for (int rank = 0; rank < n_ranks; rank++)
        assert_int_equal(yoco_branch_rank_rows(branch, n_rows, rank, n_ranks), stored[rank]);
}

static void every_row_of_a_branch_has_one_place(void **state)
{
    (void)state;
    static const int branches[] = {0, 1, 2, 6, 63, 1000};
    static const int64_t n_rows[] = {0, 1, 40, 1023, 1024, 1025, 2048, 5000, 7168, 7169};
    for (size_t b = 0; b < COUNT(branches); b++)
        for (size_t n = 0; n < COUNT(n_rows); n++)
            for (size_t r = 0; r < COUNT(ranks); r++)
                check_branch(branches[b], n_rows[n], ranks[r]);
}

/* The grid of the largest context that params.json allows. */
static void large_contexts_are_exact(void **state)
{
    (void)state;
    yoco_grid g = {INT64_C(1) << 36, 2048, 3};
    assert_int_equal(yoco_grid_n_chunks(&g), INT64_C(1) << 25);
    assert_int_equal(yoco_grid_rank_rows(&g, 0) + yoco_grid_rank_rows(&g, 1) +
                         yoco_grid_rank_rows(&g, 2),
                     g.n_tokens);
    assert_int_equal(yoco_grid_max_rank_rows(&g), yoco_grid_rank_rows(&g, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_a_context_has_one_place),
        cmocka_unit_test(every_row_of_a_branch_has_one_place),
        cmocka_unit_test(large_contexts_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
