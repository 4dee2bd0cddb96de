/* Reading: what jansson calls bad syntax and is none, and where in a text something stands. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"

/* Past the string whose opening quote is at `at`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\' && at + 1 < end;
    return at < end ? at + 1 : end;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && memchr(" \t\r\n", *at, 4))
        at++;
    return at;
}

static const char *skip_number(const char *at, const char *end)
{
    while (at < end && memchr("+-.0123456789Ee", *at, 15))
        at++;
    return at;
}

/* A number that neither 64 bits nor a double can hold, in a form that one can. */
static char *copy_number(char *to, const char *token, size_t size)
{
    char *stop;
    memcpy(to, token, size);
    to[size] = '\0';
    if (isinf(strtod(to, &stop)) && stop == to + size)
        return stpcpy(to, to[0] == '-' ? "-1e308" : "1e308");
    errno = 0;
    (void)strtoll(to, &stop, 10);
    if (errno == ERANGE && stop == to + size)
        return stpcpy(to + size, ".0");
    return to + size;
}

/* A copy for jansson. An integer of more than 64 bits has 19 digits or more and grows by 2. */
static char *copy_text(const char *text, size_t size, size_t *out_size)
{
    const char *end = text + size;
    char *copy = malloc(size + size / 8 + 8), *to = copy;
    for (const char *at = text; copy && at < end;) {
        bool is_number = *at == '-' || (*at >= '0' && *at <= '9');
        const char *next = at + 1;
        if (*at == '"')
            next = skip_string(at, end);
        else if (is_number)
            next = skip_number(at, end);
        if (is_number)
            to = copy_number(to, at, (size_t)(next - at));
        else
            to = mempcpy(to, at, (size_t)(next - at));
        at = next;
    }
    *out_size = copy ? (size_t)(to - copy) : 0;
    return copy;
}

enum { MAX_DEPTH = 2 };

/* A walk over a text's members, those of the two outermost objects. */
typedef struct walk {
    const char *at, *end;
    int depth;
    struct {
        const char *text; /* without quotes; NULL: none yet */
        size_t size;
    } keys[MAX_DEPTH];
} walk;

/* To the next key of the two outermost objects; false at the end, or at `limit`. */
static bool next_key(walk *w, const char *limit)
{
    while (w->at < w->end && w->at < limit) {
        const char *begin = w->at;
        w->at = *begin == '"' ? skip_string(begin, w->end) : begin + 1;
        if (*begin == '{' || *begin == '[') {
            if (w->depth++ < MAX_DEPTH)
                w->keys[w->depth - 1].text = NULL;
        } else if (*begin == '}' || *begin == ']') {
            w->depth -= w->depth > 0;
        } else if (*begin == '"' && w->depth >= 1 && w->depth <= MAX_DEPTH) {
            const char *colon = skip_blanks(w->at, w->end);
            if (colon == w->end || *colon != ':')
                continue;
            w->keys[w->depth - 1].text = begin + 1;
            w->keys[w->depth - 1].size = (size_t)(w->at - begin) - 2;
            return true;
        }
    }
    return false;
}

static void find_place(const char *text, size_t size, size_t position, char *out)
{
    walk w = {.at = text, .end = text + size};
    while (next_key(&w, text + (position < size ? position : size)))
        ;
    out[0] = '\0';
    for (int i = 0; i < MAX_DEPTH && i < w.depth && w.keys[i].text; i++)
        snprintf(out + strlen(out), YOCO_JSON_PLACE_BYTES - strlen(out), "%s%.*s", i > 0 ? "." : "",
                 (int)yoco_i64_min((int64_t)w.keys[i].size, YOCO_JSON_PLACE_BYTES), w.keys[i].text);
}

bool yoco_json_find(const char *text, size_t size, const char *const *keys, int n,
                    const char **value, size_t *value_size)
{
    walk w = {.at = text, .end = text + size};
    while (next_key(&w, w.end)) {
        bool same = w.depth == n;
        for (int i = 0; i < n && same; i++)
            same = w.keys[i].text && w.keys[i].size == strlen(keys[i]) &&
                   memcmp(w.keys[i].text, keys[i], w.keys[i].size) == 0;
        if (!same)
            continue;
        const char *begin = skip_blanks(skip_blanks(w.at, w.end) + 1, w.end), *stop = begin;
        if (begin < w.end && *begin == '"')
            stop = skip_string(begin, w.end);
        else
            stop = skip_number(begin, w.end);
        *value = begin;
        *value_size = (size_t)(stop - begin);
        return true;
    }
    return false;
}

static json_t *normal(json_t *value);

static void normalize_members(json_t *object)
{
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        json_t *value = json_object_iter_value(i), *other = normal(value);
        if (other != value)
            json_object_iter_set_new(object, i, other);
    }
}

/* Whole reals become integers, as far as a double tells whole numbers apart. The value itself where
 * it stays. */
static json_t *normal(json_t *value)
{
    static const double MOST = 9007199254740992.0;
    double real = json_real_value(value);
    if (json_is_real(value) && real == floor(real) && fabs(real) <= MOST)
        return json_integer((json_int_t)real);
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *item = json_array_get(value, i), *other = normal(item);
        if (other != item)
            json_array_set_new(value, i, other);
    }
    if (json_is_object(value))
        normalize_members(value);
    return value;
}

json_t *yoco_json_load(const char *text, size_t size, yoco_json_problem *problem)
{
    size_t copy_size;
    char *copy = copy_text(size > 0 ? text : "", size, &copy_size);
    *problem = (yoco_json_problem){.error.text = "not enough memory"};
    problem->error.text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    if (!copy)
        return NULL;
    json_t *root = json_loadb(copy, copy_size, JSON_REJECT_DUPLICATES, &problem->error), *other;
    if (!root)
        find_place(copy, copy_size, (size_t)problem->error.position, problem->place);
    else if ((other = normal(root)) != root) {
        json_decref(root);
        root = other;
    }
    free(copy);
    return root;
}
