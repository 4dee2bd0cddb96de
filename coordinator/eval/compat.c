#include "coordinator/eval/compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 50000 };

static const char frame[] =
    "There is a special magic number inside a lot of irrelevant text. Find it and memorize them. I "
    "will quiz you about the magic number there. ";

/* The distinct names of the list, with how often each stands in it. */
static const struct {
    int times;
    const char *names[43];
} cities[] = {
    {1, {"Amman",        "Antananarivo", "Astana", "Athens",     "Baghdad",     "Bangalore",
         "Beirut",       "Belgrade",     "Berlin", "Bratislava", "Bucharest",   "Budapest",
         "Buenos Aires", "Delhi",        "Dubai",  "Helsinki",   "Kampala",     "Kuala Lumpur",
         "Lima",         "Lisbon",       "Maputo", "Melbourne",  "Mexico City", "Moscow",
         "Mumbai",       "Nairobi",      "Oslo",   "Port Louis", "Rabat",       "Sarajevo",
         "Seoul",        "Shanghai",     "Sofia",  "Sydney",     "Tashkent",    "Thimphu",
         "Tokyo",        "Toronto",      "Tunis",  "Vancouver",  "Vienna",      "Yangon"}},
    {2,
     {"Almaty",   "Amsterdam",     "Bangkok",      "Barcelona", "Brussels",    "Cairo",
      "Colombo",  "Copenhagen",    "Dakar",        "Damascus",  "Doha",        "Ho Chi Minh City",
      "Istanbul", "Jakarta",       "Johannesburg", "Lagos",     "Los Angeles", "Madrid",
      "Paris",    "San Francisco", "Santiago",     "Seattle",   "Victoria",    "Yerevan"}},
    {3, {"Khartoum", "Kigali"}},
    {4, {"Chicago"}},
};

int yoco_compat_depths(int n)
{
    return n == 1 ? 11 : 10;
}

int yoco_compat_trials(int n)
{
    return n == 1 ? 10 : 5;
}

double yoco_compat_depth(int n, int index, int n_depths)
{
    if (n > 1)
        return (double)(index + 1) / (n_depths + 1);
    return n_depths > 1 ? (double)index / (n_depths - 1) : 0.5;
}

/* Every name as often as it stands in the list. */
static void list_cities(const char *out[YOCO_COMPAT_N_CITIES])
{
    int n = 0;
    for (size_t group = 0; group < sizeof cities / sizeof *cities; group++)
        for (int i = 0; cities[group].names[i]; i++)
            for (int times = 0; times < cities[group].times; times++)
                out[n++] = cities[group].names[i];
}

void yoco_compat_facts_draw(int n, yoco_random *random, yoco_eval_fact *facts)
{
    const char *names[YOCO_COMPAT_N_CITIES];
    list_cities(names);
    for (int i = 0; i < n; i++) {
        yoco_eval_fact *f = &facts[i];
        int64_t pick = i + yoco_random_below(random, YOCO_COMPAT_N_CITIES - i);
        const char *city = names[pick];
        names[pick] = names[i]; /* an entry is drawn once, a name maybe more often */
        *f = (yoco_eval_fact){0};
        snprintf(f->key, sizeof f->key, "%s", city);
        snprintf(f->value, sizeof f->value, "%d", 1 + (int)yoco_random_below(random, MAX_NUMBER));
        if (n == 1)
            snprintf(f->text, sizeof f->text, "The special magic %s number is %s . ", city,
                     f->value);
        else
            snprintf(f->text, sizeof f->text, "The special magic %s number is: %s", city, f->value);
        /* Theirs ends with a blank, and the frame adds another one. */
        snprintf(f->asked, sizeof f->asked,
                 "What is the special magic %s number? The special magic %s number is  ", city,
                 city);
    }
}

/* Writes a line and a blank, unless they have more than *left tokens. */
static yoco_status write_line(const yoco_tokenizer *tokenizer, const char *line, size_t size,
                              FILE *out, int64_t *left)
{
    char *spaced = malloc(size + 1);
    int32_t *ids;
    int64_t n;
    if (!spaced) {
        yoco_log_error("cannot allocate a line of %zu bytes", size + 1);
        return YOCO_ERR_MEMORY;
    }
    memcpy(spaced, line, size);
    spaced[size] = ' ';
    yoco_status status = yoco_tokenizer_encode(tokenizer, spaced, size + 1, false, &ids, &n);
    if (status == YOCO_OK) {
        yoco_free(ids);
        *left -= n;
        if (*left >= 0)
            fwrite(spaced, 1, size + 1, out);
    }
    free(spaced);
    return status;
}

/* Lines of files drawn at random, from the start of each, as many as n_tokens hold. */
static yoco_status write_haystack(const yoco_eval_haystack *h, const yoco_tokenizer *tokenizer,
                                  yoco_random *random, int64_t n_tokens, FILE *out)
{
    int64_t left = n_tokens;
    while (true) {
        int64_t file = yoco_random_below(random, h->n_files);
        size_t at = file > 0 ? h->file_ends[file - 1] : 0;
        while (at < h->file_ends[file]) {
            size_t size = h->file_ends[file] - at;
            const char *line = h->text + at, *end = memchr(line, '\n', size);
            if (end)
                size = (size_t)(end - line);
            YOCO_TRY(write_line(tokenizer, line, size, out, &left));
            if (left < 0)
                return YOCO_OK;
            at += size + 1;
        }
    }
}

static int compare_lengths(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* total as a sum of n random parts. Theirs are never 0, which makes no difference here. */
static void part(yoco_random *random, int64_t total, int n, int64_t *parts)
{
    for (int i = 0; i < n - 1; i++)
        parts[i] = yoco_random_below(random, total + 1);
    parts[n - 1] = total;
    qsort(parts, (size_t)n, sizeof *parts, compare_lengths);
    for (int i = n - 1; i > 0; i--)
        parts[i] -= parts[i - 1];
}

static yoco_status write_text(const yoco_eval_cell *cell, const yoco_eval_haystack *haystack,
                              const yoco_tokenizer *tokenizer, yoco_random *random,
                              const yoco_eval_fact *facts, size_t *starts, int asked, FILE *out)
{
    int64_t parts[YOCO_COMPAT_N_CITIES + 1];
    int64_t total = cell->length - YOCO_COMPAT_RESERVED_TOKENS;
    int64_t before = (int64_t)((double)total * cell->depth);
    part(random, before, asked + 1, parts);
    part(random, total - before, cell->n - asked, parts + asked + 1);
    fputs(frame, out);
    for (int i = 0; i <= cell->n; i++) {
        YOCO_TRY(write_haystack(haystack, tokenizer, random, parts[i], out));
        fputc('\n', out);
        if (i == cell->n)
            break;
        starts[i] = (size_t)ftell(out);
        fprintf(out, "%s\n", facts[i].text);
    }
    return YOCO_OK;
}

yoco_status yoco_compat_text_make(const yoco_eval_cell *cell, const yoco_eval_haystack *haystack,
                                  const yoco_tokenizer *tokenizer, yoco_random *random,
                                  yoco_eval_fact *facts, size_t *starts, int *asked,
                                  yoco_compat_text *out)
{
    yoco_compat_text text = {0};
    /* Before the asked one 0 to n - 2 others, after it at least one. */
    *asked = cell->n > 1 ? (int)yoco_random_below(random, cell->n - 1) : 0;
    yoco_eval_fact first = facts[0];
    facts[0] = facts[*asked];
    facts[*asked] = first;
    FILE *file = open_memstream(&text.text, &text.size);
    if (!file) {
        yoco_log_error("cannot allocate a document");
        return YOCO_ERR_MEMORY;
    }
    yoco_status status = write_text(cell, haystack, tokenizer, random, facts, starts, *asked, file);
    bool failed = ferror(file);
    failed = fclose(file) != 0 || failed;
    if (status == YOCO_OK && failed) {
        yoco_log_error("cannot allocate a document of %lld tokens", (long long)cell->length);
        status = YOCO_ERR_MEMORY;
    }
    if (status != YOCO_OK) {
        free(text.text);
        return status;
    }
    *out = text;
    return YOCO_OK;
}
