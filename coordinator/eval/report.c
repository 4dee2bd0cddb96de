#include "coordinator/eval/report.h"

#include "configs/files/atomic_file.h"
#include "configs/files/path.h"
#include "coordinator/eval/pages.h"

#include <limits.h>
#include <stdlib.h>

static const struct {
    const char *name;
    yoco_status (*print)(FILE *out, const yoco_eval_stats *stats);
} pages[] = {
    {"results.json", yoco_eval_print_results},
    {"heatmap.svg", yoco_eval_print_heatmap},
    {"recall.svg", yoco_eval_print_recall},
    {"report.html", yoco_eval_print_html},
};
enum { N_PAGES = sizeof pages / sizeof *pages };

typedef struct page {
    char *data;
    size_t size;
} page;

static yoco_status print_page(int index, const yoco_eval_stats *stats, page *out)
{
    FILE *stream = open_memstream(&out->data, &out->size);
    yoco_status status = YOCO_OK;
    bool made = false;
    if (stream) {
        status = pages[index].print(stream, stats);
        made = !ferror(stream);
        made = fclose(stream) == 0 && made;
    }
    if (status == YOCO_OK && !made) {
        yoco_log_error("cannot make %s: not enough memory", pages[index].name);
        status = YOCO_ERR_MEMORY;
    }
    return status;
}

static yoco_status write_page(const char *dir, const char *name, const page *text)
{
    char path[PATH_MAX];
    yoco_atomic_file *file;
    YOCO_TRY(yoco_path_join(dir, name, path));
    YOCO_TRY(yoco_atomic_file_create(path, &file));
    yoco_status status = yoco_atomic_file_write(file, text->data, text->size);
    if (status != YOCO_OK) {
        yoco_atomic_file_discard(file);
        return status;
    }
    return yoco_atomic_file_finish(file);
}

static yoco_status make_pages(const char *dir, const yoco_eval_stats *stats)
{
    page made[N_PAGES] = {0};
    yoco_status status = YOCO_OK;
    for (int i = 0; i < N_PAGES && status == YOCO_OK; i++)
        status = print_page(i, stats, &made[i]);
    for (int i = 0; i < N_PAGES && status == YOCO_OK; i++)
        status = write_page(dir, pages[i].name, &made[i]);
    for (int i = 0; i < N_PAGES; i++)
        free(made[i].data);
    return status;
}

yoco_status yoco_eval_report(const char *dir)
{
    char path[PATH_MAX];
    yoco_eval_set set;
    yoco_eval_stats stats;
    YOCO_TRY(yoco_path_join(dir, "samples.jsonl", path));
    YOCO_TRY(yoco_eval_set_read(path, &set));
    yoco_status status = yoco_eval_stats_make(&set, &stats);
    if (status == YOCO_OK) {
        status = make_pages(dir, &stats);
        yoco_eval_stats_free(&stats);
    }
    yoco_eval_set_free(&set);
    return status;
}
