#include "coordinator/cli/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configs/files/atomic_file.h"
#include "configs/files/file_name.h"
#include "configs/files/lock.h"
#include "configs/files/real_path.h"
#include "coordinator/cli/paths_parts.h"
#include "streams.h"

static yoco_path *add(yoco_path_list *list, const yoco_path *path)
{
    yoco_path *items = realloc(list->items, (size_t)(list->n + 1) * sizeof *items);
    if (!items) {
        yoco_log_error("cannot allocate a list of paths");
        return NULL;
    }
    list->items = items;
    items[list->n] = *path;
    return &items[list->n++];
}

static bool identity_of(const char *path, yoco_path_identity *out)
{
    struct stat info;
    *out = (yoco_path_identity){.exists = stat(path, &info) == 0};
    if (!out->exists)
        return false;
    out->dev = info.st_dev;
    out->ino = info.st_ino;
    out->mode = info.st_mode;
    return true;
}

bool yoco_path_identity_same(const yoco_path_identity *a, const yoco_path_identity *b)
{
    return a->exists && b->exists && a->dev == b->dev && a->ino == b->ino;
}

/* A path that cannot be resolved fails where it is opened. */
static void resolve(yoco_path *p)
{
    char parent[PATH_MAX];
    if (!yoco_real_path(p->path, p->real)) {
        p->real[0] = '\0';
        return;
    }
    identity_of(p->real, &p->self);
    yoco_real_path_parent(p->real, parent);
    identity_of(parent, &p->parent);
}

/* text, or text/name. */
static yoco_status add_path(yoco_path_list *list, const yoco_path *like, const char *text,
                            const char *name)
{
    yoco_path *p = add(list, like);
    if (!p)
        return YOCO_ERR_MEMORY;
    int n = snprintf(p->path, sizeof p->path, "%s%s%s", text, *name ? "/" : "", name);
    if (n >= (int)sizeof p->path) {
        yoco_log_error("--%s: the path %.64s... is too long", p->option, text);
        return YOCO_ERR_OPEN;
    }
    resolve(p);
    return YOCO_OK;
}

/* Files that a folder's role implies, whether they are there or not. The first of those that are
 * written says that the others are this program's. */
static const char *const model_files[] = {"params.json",
                                          "config.json",
                                          "generation_config.json",
                                          "model.safetensors",
                                          "model.safetensors.index.json",
                                          "yoco_tokenizer.json",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          NULL};
static const char *const init_files[] = {"model.safetensors", "params.json", "config.json", NULL};
static const char *const eval_files[] = {"samples.jsonl", "results.json", "heatmap.svg",
                                         "recall.svg",    "report.html",  NULL};
static const char *const scale_files[] = {"scale.jsonl", "scale.csv",          "scale.json",
                                          "report.html", "scale.platform.xml", "scale.hosts",
                                          NULL};

static bool is_any(const char *name)
{
    (void)name;
    return true;
}

static bool is_hang_file(const char *name)
{
    return strncmp(name, "hang-", 5) == 0;
}

/* The folder of a job's checkpoint is called by its hash. */
static bool is_job_folder(const char *name)
{
    return strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

static const struct {
    bool writes;
    yoco_path_kind kind;
    bool (*owns)(const char *name);
    const char *const *files;
} roles[] = {
    [YOCO_PATH_READS_FILE] = {false, YOCO_PATH_IS_FILE, NULL, NULL},
    [YOCO_PATH_READS_MODEL] = {false, YOCO_PATH_IS_MODEL, NULL, model_files},
    [YOCO_PATH_READS_CONTEXT] = {false, YOCO_PATH_IS_FOLDER, is_any, NULL},
    [YOCO_PATH_APPENDS_FILE] = {true, YOCO_PATH_IS_FILE, NULL, NULL},
    [YOCO_PATH_REPLACES_FILE] = {true, YOCO_PATH_IS_FILE, NULL, NULL},
    [YOCO_PATH_WRITES_MODEL] = {true, YOCO_PATH_IS_FOLDER, NULL, init_files},
    [YOCO_PATH_WRITES_CONTEXT] = {true, YOCO_PATH_IS_FOLDER, is_any, NULL},
    [YOCO_PATH_WRITES_CONTEXTS] = {true, YOCO_PATH_IS_FOLDER, is_job_folder, NULL},
    [YOCO_PATH_WRITES_EVAL] = {true, YOCO_PATH_IS_FOLDER, NULL, eval_files},
    [YOCO_PATH_REPORTS_EVAL] = {true, YOCO_PATH_IS_FOLDER, NULL, eval_files},
    [YOCO_PATH_WRITES_SCALE] = {true, YOCO_PATH_IS_FOLDER, NULL, scale_files},
    [YOCO_PATH_WRITES_HANG] = {true, YOCO_PATH_IS_FOLDER, is_hang_file, NULL},
};

/* "-" and the likes of /dev/stdout: what is written there goes where the streams go. */
static yoco_status add_stdin(yoco_path_list *list, const yoco_path *like)
{
    yoco_path *p = add(list, like);
    if (!p)
        return YOCO_ERR_MEMORY;
    snprintf(p->path, sizeof p->path, "stdin");
    identity_of("/proc/self/fd/0", &p->self);
    p->self.exists = p->self.exists && S_ISREG(p->self.mode);
    return YOCO_OK;
}

static yoco_status add_value(yoco_path_list *list, const yoco_option *option, const char *value)
{
    yoco_path like = {.option = option->name,
                      .role = option->path,
                      .writes = roles[option->path].writes,
                      .kind = roles[option->path].kind,
                      .owns = roles[option->path].owns};
    if (strcmp(value, "-") == 0 || yoco_stream_of(value) >= 0)
        return like.writes ? YOCO_OK : add_stdin(list, &like);
    YOCO_TRY(add_path(list, &like, value, ""));
    const yoco_path *folder = &list->items[list->n - 1];
    if (folder->kind == YOCO_PATH_IS_MODEL && folder->self.exists && S_ISREG(folder->self.mode)) {
        list->items[list->n - 1].kind = YOCO_PATH_IS_FILE; /* a shape alone */
        return YOCO_OK;
    }
    like.kind = YOCO_PATH_IS_FILE;
    like.owns = NULL;
    like.within = true;
    for (const char *const *name = roles[option->path].files; name && *name; name++)
        YOCO_TRY(add_path(list, &like, value, *name));
    return YOCO_OK;
}

/* The printed output, where that goes to a file. */
static yoco_status add_stream(yoco_path_list *list, int fd, const char *name)
{
    char path[32];
    yoco_path_identity self;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!identity_of(path, &self) || !S_ISREG(self.mode))
        return YOCO_OK;
    yoco_path *p = add(list, &(yoco_path){.writes = true, .kind = YOCO_PATH_IS_FILE, .self = self});
    if (!p)
        return YOCO_ERR_MEMORY;
    snprintf(p->path, sizeof p->path, "%s", name);
    return YOCO_OK;
}

static yoco_status add_options(yoco_path_list *list, const yoco_option *options, int n_options)
{
    for (int i = 0; i < n_options; i++) {
        const yoco_option *option = &options[i];
        if (option->path == YOCO_PATH_NONE)
            continue;
        if (yoco_option_kind_of(option) == YOCO_OPTION_STRINGS) {
            const yoco_strings *values = option->value;
            for (int v = 0; v < values->n; v++)
                YOCO_TRY(add_value(list, option, values->values[v]));
        } else if (*(const char **)option->value) {
            YOCO_TRY(add_value(list, option, *(const char **)option->value));
        }
    }
    YOCO_TRY(add_stream(list, fileno(yoco_stdout()), "stdout"));
    return add_stream(list, STDERR_FILENO, "stderr");
}

static yoco_status try_folder(const yoco_path *p, const char *folder)
{
    /* An unnamed file asks for the right and the room without leaving anything. */
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600), error = errno;
    if (fd >= 0) {
        close(fd);
        return YOCO_OK;
    }
    bool unknown = error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT;
    if (unknown && access(folder, W_OK | X_OK) == 0)
        return YOCO_OK;
    error = unknown ? errno : error;
    char hint[YOCO_FILE_NAME_HINT];
    yoco_file_name_hint(p->path, hint);
    yoco_log_error("cannot write --%s %s: %s%s", p->option, p->path, strerror(error), hint);
    return yoco_status_of_errno(error);
}

static yoco_status refuse(const yoco_path *p, const char *why)
{
    yoco_log_error("cannot write --%s %s: %s", p->option, p->path, why);
    return YOCO_ERR_OPEN;
}

/* A file that another process writes, or a name in a folder that one writes. */
static yoco_status check_writers(const yoco_path *p)
{
    char parent[PATH_MAX];
    if (p->kind != YOCO_PATH_IS_FILE || S_ISCHR(p->self.mode))
        return YOCO_OK;
    if (p->self.exists)
        YOCO_TRY(yoco_lock_check(p->real));
    yoco_real_path_parent(p->real, parent);
    return yoco_lock_check_folder(parent);
}

static yoco_status try_existing(const yoco_path *p)
{
    bool wants_folder = p->kind == YOCO_PATH_IS_FOLDER;
    if (wants_folder)
        return S_ISDIR(p->self.mode) ? try_folder(p, p->real)
                                     : refuse(p, "it is there and not a folder");
    if (S_ISCHR(p->self.mode))
        return YOCO_OK;
    if (!S_ISREG(p->self.mode))
        return refuse(p, "it is there and not a regular file: give a file");
    int fd = open(p->real, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse(p, strerror(errno));
    close(fd);
    if (p->role == YOCO_PATH_APPENDS_FILE)
        return YOCO_OK;
    YOCO_TRY(yoco_atomic_file_check_names(p->path));
    char parent[PATH_MAX];
    yoco_real_path_parent(p->real, parent);
    return try_folder(p, parent);
}

static yoco_status try_output(const yoco_path *p)
{
    char parent[PATH_MAX];
    if (!p->writes || !p->option || p->role == YOCO_PATH_WRITES_HANG)
        return YOCO_OK;
    if (p->real[0] == '\0')
        return refuse(p, "its links lead nowhere, or its name is too long");
    YOCO_TRY(check_writers(p));
    if (p->self.exists)
        return try_existing(p);
    if (p->within && !p->parent.exists)
        return YOCO_OK; /* the folder itself is tried */
    if (p->parent.exists && !S_ISDIR(p->parent.mode))
        return refuse(p, strerror(ENOTDIR));
    yoco_real_path_parent(p->real, parent);
    return try_folder(p, parent);
}

/* A report beside which its runs are not is someone else's. */
static yoco_status check_pages(const yoco_path_list *list)
{
    const yoco_path *runs = NULL;
    for (int64_t i = 0; i < list->n; i++) {
        const yoco_path *p = &list->items[i];
        if (p->role != YOCO_PATH_WRITES_EVAL && p->role != YOCO_PATH_WRITES_SCALE)
            continue;
        if (!p->within)
            runs = NULL;
        else if (!runs)
            runs = p;
        else if (p->self.exists && !runs->self.exists) {
            yoco_log_error("%s is there, but no %s: it is of another command; give a folder of its "
                           "own, or remove it",
                           p->path, strrchr(runs->path, '/') + 1);
            return YOCO_ERR_USAGE;
        }
    }
    return YOCO_OK;
}

static yoco_status check(const char *command, const yoco_path_list *list)
{
    YOCO_TRY(yoco_paths_compare(command, list));
    YOCO_TRY(check_pages(list));
    for (int64_t i = 0; i < list->n; i++)
        YOCO_TRY(try_output(&list->items[i]));
    return YOCO_OK;
}

yoco_status yoco_paths_check_table(const char *command, const yoco_option *options, int n_options)
{
    yoco_path_list list = {0};
    yoco_status status = add_options(&list, options, n_options);
    if (status == YOCO_OK)
        status = check(command, &list);
    free(list.items);
    return status;
}

yoco_status yoco_paths_check(void)
{
    const yoco_parsed *parsed = yoco_options_parsed();
    return yoco_paths_check_table(parsed->command->name, parsed->options, parsed->n_options);
}

static yoco_status compare_below(const yoco_path_list *list, const char *option, const char *folder,
                                 const char *name)
{
    const char *command = yoco_options_parsed()->command->name;
    yoco_path_list one = {0};
    const yoco_path like = {.option = option, .kind = YOCO_PATH_IS_FILE};
    yoco_status status = add_path(&one, &like, folder, name);
    for (int64_t i = 0; status == YOCO_OK && i < list->n; i++)
        status = yoco_path_compare(command, &list->items[i], &one.items[0]);
    free(one.items);
    return status;
}

yoco_status yoco_paths_check_below(const char *option, const char *folder, const char *const *names,
                                   int64_t n)
{
    const yoco_parsed *parsed = yoco_options_parsed();
    yoco_path_list list = {0};
    yoco_status status = add_options(&list, parsed->options, parsed->n_options);
    for (int64_t i = 0; status == YOCO_OK && i < n; i++)
        if (names[i])
            status = compare_below(&list, option, folder, names[i]);
    free(list.items);
    return status;
}
