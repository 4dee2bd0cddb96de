/* What the drivers of this folder ask of safetensors files:
 *
 * dump_tool ids FILE TENSOR               its I64 values, one per line
 * dump_tool expected DUMP EXPECTED LIMIT  the dump holds what tests/reference expects: the same
 *                                         prompt and generated ids, logits, K and V within LIMIT
 * dump_tool close A B LIMIT               two dumps of one branch agree within LIMIT, up to where
 *                                         the generated ids part
 * dump_tool part DUMP SUFFIX ALONE        branch SUFFIX (".3") of DUMP is ALONE, bit for bit
 *
 * Exit code 0: it is so; 1: it is not, with a line that says where; 2: it cannot be asked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/safetensors.h"

enum { NAME_SIZE = 64, MAX_LAYERS = 64 };

/* The tensor name ++ suffix; a file without it ends the program. */
static const yoco_tensor *need(const yoco_safetensors *file, const char *name, const char *suffix)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    const yoco_tensor *tensor = yoco_safetensors_find(file, full);
    if (!tensor) {
        printf("no tensor %s\n", full);
        exit(1);
    }
    return tensor;
}

static yoco_safetensors *open_file(const char *path)
{
    yoco_safetensors *file;
    if (yoco_safetensors_open(path, &file) != YOCO_OK)
        exit(2);
    return file;
}

static int64_t count(const yoco_tensor *t)
{
    return (int64_t)(t->bytes / yoco_dtype_bytes(t->dtype));
}

static int64_t id_at(const yoco_tensor *t, int64_t index)
{
    int64_t id;
    memcpy(&id, (const char *)t->data + (size_t)index * sizeof id, sizeof id);
    return id;
}

static double real_at(const yoco_tensor *t, int64_t index)
{
    float narrow;
    double wide;
    if (t->dtype == YOCO_F64) {
        memcpy(&wide, (const char *)t->data + (size_t)index * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const char *)t->data + (size_t)index * sizeof narrow, sizeof narrow);
    return narrow;
}

/* Ids of `a` from `first` on are those of `b`. */
static bool ids_follow(const yoco_tensor *a, int64_t first, const yoco_tensor *b)
{
    for (int64_t i = 0; i < count(b); i++) {
        if (first + i >= count(a) || id_at(a, first + i) != id_at(b, i)) {
            printf("%s differs from %s at id %" PRId64 "\n", a->name, b->name, i);
            return false;
        }
    }
    return true;
}

static bool ids_equal(const yoco_tensor *a, const yoco_tensor *b)
{
    if (count(a) == count(b))
        return ids_follow(a, 0, b);
    printf("%s has %" PRId64 " ids, not %" PRId64 "\n", a->name, count(a), count(b));
    return false;
}

static bool same_shape(const yoco_tensor *a, const yoco_tensor *b)
{
    return a->n_dims == b->n_dims &&
           memcmp(a->shape, b->shape, (size_t)a->n_dims * sizeof *a->shape) == 0;
}

/* The first n_rows rows agree within `limit`. Prints the largest error. */
static bool rows_close(const yoco_tensor *a, const yoco_tensor *b, int64_t n_rows, double limit)
{
    if (!same_shape(a, b)) {
        printf("%s has another shape than %s\n", a->name, b->name);
        return false;
    }
    int64_t row = count(a) / a->shape[0];
    double worst = 0.0;
    for (int64_t i = 0; i < yoco_i64_min(n_rows, a->shape[0]) * row; i++) {
        double error = fabs(real_at(a, i) - real_at(b, i));
        if (!(error <= limit)) { /* NaN too */
            printf("%s differs by %g in row %" PRId64 "\n", a->name, error, i / row);
            return false;
        }
        worst = fmax(worst, error);
    }
    printf("%s %.1e  ", a->name, worst);
    return true;
}

static int print_ids(const char *path, const char *name)
{
    yoco_safetensors *file = open_file(path);
    const yoco_tensor *tensor = need(file, name, "");
    for (int64_t i = 0; i < count(tensor); i++)
        printf("%" PRId64 "\n", id_at(tensor, i));
    yoco_safetensors_close(file);
    return 0;
}

/* Rows of K or of V by layer, "key_cache.3"; those of the first that keeps rows have no layer in
 * the dump's names. All that the dump has are compared; rows of a window may be expected besides.
 */
static bool layers_expected(const yoco_safetensors *dump, const yoco_safetensors *expected,
                            const char *table, double limit)
{
    const yoco_tensor *first = yoco_safetensors_find(dump, table);
    bool same = true;
    int n_left = first != NULL, n_expected = 0;
    for (int layer = 0; layer < MAX_LAYERS; layer++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%s.%d", table, layer);
        const yoco_tensor *wanted = yoco_safetensors_find(expected, name);
        snprintf(name, sizeof name, "%s.layer%d", table, layer);
        const yoco_tensor *found = yoco_safetensors_find(dump, name);
        n_left += found != NULL;
        n_expected += wanted != NULL;
        if (!wanted || (!found && (!first || !same_shape(first, wanted))))
            continue;
        same = rows_close(found ? found : first, wanted, INT64_MAX, limit) && same;
        first = found ? first : NULL;
        n_left--;
    }
    if (n_expected == 0 || n_left == 0)
        return same;
    printf("%s: rows of %d layers are not expected\n", table, n_left);
    return false;
}

static bool branch_expected(const yoco_safetensors *dump, const yoco_safetensors *expected,
                            const char *suffix, double limit)
{
    const yoco_tensor *prompt = need(dump, "prompt", suffix);
    bool same = ids_equal(need(dump, "generated", suffix), need(expected, "generated", suffix));
    if (suffix[0] == '\0') {
        same = ids_equal(prompt, need(expected, "prompt", "")) && same;
    } else {
        const yoco_tensor *document = need(expected, "document", "");
        const yoco_tensor *question = need(expected, "question", suffix);
        same = ids_follow(prompt, 0, document) && same;
        same = ids_follow(prompt, count(document), question) && same;
        same = count(prompt) == count(document) + count(question) && same;
    }
    static const char *const tables[] = {"logits", "key_cache", "value_cache"};
    for (int i = 0; i < 3; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", tables[i], suffix);
        const yoco_tensor *wanted = yoco_safetensors_find(expected, name);
        if (i == 0 || wanted) /* the folders of branches hold no K,V */
            same = rows_close(need(dump, name, ""), need(expected, name, ""), INT64_MAX, limit) &&
                   same;
    }
    if (suffix[0] == '\0')
        for (int i = 1; i < 3; i++)
            same = layers_expected(dump, expected, tables[i], limit) && same;
    printf("\n");
    return same;
}

static int check_expected(const char *dump_path, const char *expected_path, double limit)
{
    yoco_safetensors *dump = open_file(dump_path), *expected = open_file(expected_path);
    bool branches = yoco_safetensors_find(expected, "document") != NULL, same = true;
    int n_found = 0;
    for (int i = 0; i == 0 || branches; i++, n_found++) {
        char suffix[NAME_SIZE] = "", name[2 * NAME_SIZE];
        if (branches)
            snprintf(suffix, sizeof suffix, ".%d", i);
        snprintf(name, sizeof name, "generated%s", suffix);
        if (!yoco_safetensors_find(expected, name))
            break;
        same = branch_expected(dump, expected, suffix, limit) && same;
    }
    yoco_safetensors_close(dump);
    yoco_safetensors_close(expected);
    return same && n_found > 0 ? 0 : 1;
}

/* Where the logits are close, so are two likely ids: what follows another id is another text. */
static int check_close(const char *a_path, const char *b_path, double limit)
{
    yoco_safetensors *a = open_file(a_path), *b = open_file(b_path);
    const yoco_tensor *mine = need(a, "generated", ""), *theirs = need(b, "generated", "");
    int64_t n = 0, n_prompt = count(need(a, "prompt", ""));
    bool same = ids_equal(need(a, "prompt", ""), need(b, "prompt", ""));
    while (n < count(mine) && n < count(theirs) && id_at(mine, n) == id_at(theirs, n))
        n++;
    same = rows_close(need(a, "logits", ""), need(b, "logits", ""), n + 1, limit) && same;
    bool keeps = yoco_safetensors_find(a, "key_cache") || yoco_safetensors_find(b, "key_cache");
    for (int i = 0; keeps && i < 2; i++) {
        const char *name = i == 0 ? "key_cache" : "value_cache";
        same = rows_close(need(a, name, ""), need(b, name, ""), n_prompt + n, limit) && same;
    }
    printf("%" PRId64 " of %" PRId64 " ids equal\n", n, count(mine));
    yoco_safetensors_close(a);
    yoco_safetensors_close(b);
    return same ? 0 : 1;
}

static int check_part(const char *dump_path, const char *suffix, const char *alone_path)
{
    static const char *const names[] = {"prompt", "generated", "logits", "key_cache",
                                        "value_cache"};
    yoco_safetensors *dump = open_file(dump_path), *alone = open_file(alone_path);
    int n_different = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const yoco_tensor *a = need(dump, names[i], suffix), *b = need(alone, names[i], "");
        if (same_shape(a, b) && a->dtype == b->dtype && memcmp(a->data, b->data, a->bytes) == 0)
            continue;
        printf("%s%s is not what it is alone\n", names[i], suffix);
        n_different++;
    }
    yoco_safetensors_close(dump);
    yoco_safetensors_close(alone);
    return n_different == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (argc == 4 && strcmp(verb, "ids") == 0)
        return print_ids(argv[2], argv[3]);
    if (argc == 5 && strcmp(verb, "expected") == 0)
        return check_expected(argv[2], argv[3], strtod(argv[4], NULL));
    if (argc == 5 && strcmp(verb, "close") == 0)
        return check_close(argv[2], argv[3], strtod(argv[4], NULL));
    if (argc == 5 && strcmp(verb, "part") == 0)
        return check_part(argv[2], argv[3], argv[4]);
    fprintf(stderr, "usage: dump_tool ids|expected|close|part ... (see the head of its source)\n");
    return 2;
}
