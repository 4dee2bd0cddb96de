#include "coordinator/scale/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "configs/files/hash.h"
#include "configs/files/path.h"
#include "coordinator/cli/machine.h"
#include "coordinator/scale/child.h"
#include "worker/tally.h"

enum { MAX_PATH = 4096, MAX_NUMBER = 32, MAX_LAUNCHER_WORDS = 32, DEFAULT_CHUNK = 2048 };

static const char *const kind_names[YOCO_N_SCALE_KINDS] = {"measured", "simulated", "predicted"};

/* A command line. Numbers live in `numbers`. */
typedef struct command_line {
    const char *argv[YOCO_CHILD_MAX_ARGS];
    char numbers[16][MAX_NUMBER];
    int n, n_numbers;
} command_line;

static void add(command_line *c, const char *argument)
{
    c->argv[c->n++] = argument;
}

static void add_number(command_line *c, const char *option, int64_t value)
{
    add(c, option);
    snprintf(c->numbers[c->n_numbers], MAX_NUMBER, "%" PRId64, value);
    add(c, c->numbers[c->n_numbers++]);
}

static yoco_cost_input cost_input(const yoco_sweep *s, const yoco_scale_point *p, int64_t chunk)
{
    return (yoco_cost_input){.shape = s->shape,
                             .hardware = s->hardware,
                             .grid = {p->n_tokens, chunk, p->n_ranks},
                             .n_branches = (int)p->n_branches,
                             .branch_rows = s->branch_rows,
                             .dtype = YOCO_BF16,
                             .measure = yoco_worker_tally};
}

static yoco_status choose_chunk(const yoco_sweep *s, const yoco_scale_point *p, int64_t *chunk)
{
    yoco_cost cost;
    *chunk = s->chunk_rows > 0 ? s->chunk_rows : DEFAULT_CHUNK;
    if (s->chunk_rows > 0 || !s->hardware)
        return YOCO_OK;
    yoco_cost_input input = cost_input(s, p, 0);
    return yoco_cost_best_chunk(&input, chunk, &cost);
}

static yoco_status parse_run(const char *text, json_t **run)
{
    json_error_t error;
    const char *begin = strchr(text, '{'); /* launchers may print before */
    *run = begin ? json_loads(begin, JSON_DISABLE_EOF_CHECK, &error) : NULL;
    if (json_is_object(*run))
        return YOCO_OK;
    json_decref(*run);
    yoco_log_error("a run printed no JSON object, but: %.200s", text);
    return YOCO_ERR_DATA;
}

static yoco_status run_child(command_line *c, json_t **run)
{
    char *text;
    add(c, NULL);
    YOCO_TRY(yoco_child_run(c->argv, &text));
    yoco_status status = parse_run(text, run);
    yoco_free(text);
    return status;
}

/* "srun --mpi=pmi2 -n %P": words between spaces; %P is the number of ranks. */
static yoco_status add_launcher(command_line *c, char *words, int n_ranks)
{
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (c->n >= MAX_LAUNCHER_WORDS) {
            yoco_log_error("yoco scale: --launcher has more than %d words", MAX_LAUNCHER_WORDS);
            return YOCO_ERR_USAGE;
        }
        if (strcmp(word, "%P") == 0) {
            snprintf(c->numbers[c->n_numbers], MAX_NUMBER, "%d", n_ranks);
            word = c->numbers[c->n_numbers++];
        }
        add(c, word);
    }
    return YOCO_OK;
}

static yoco_status run_measured(const yoco_sweep *s, const yoco_scale_point *p, int64_t chunk,
                                json_t **run)
{
    char words[1024], self[MAX_PATH];
    command_line c = {.n = 0};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0 || strlen(s->launcher) >= sizeof words) {
        yoco_log_error("yoco scale: cannot tell where yoco is, or --launcher is too long");
        return YOCO_ERR_OPEN;
    }
    self[n] = '\0';
    snprintf(words, sizeof words, "%s", s->launcher);
    YOCO_TRY(add_launcher(&c, words, p->n_ranks));
    add(&c, self);
    add(&c, "bench");
    add(&c, "--per-rank");
    add(&c, "-m");
    add(&c, s->model);
    add(&c, "--dtype");
    add(&c, s->dtype);
    add(&c, "--backend");
    add(&c, s->backend);
    add_number(&c, "--tokens", p->n_tokens);
    add_number(&c, "--branches", p->n_branches);
    add_number(&c, "--chunk", chunk);
    add_number(&c, "--runs", s->n_runs);
    add_number(&c, "--steps", s->n_steps);
    add_number(&c, "--expect-ranks", p->n_ranks);
    if (s->n_threads > 0)
        add_number(&c, "--threads", s->n_threads);
    return run_child(&c, run);
}

/* Times come from the device's account and from links as described: no correction factors of other
 * networks, no measuring of this machine, and collectives as MPI libraries have them for sizes like
 * ours. */
static const char *const simgrid_options[] = {
    "--cfg=network/model:CM02",
    "--cfg=network/bandwidth-factor:1",
    "--cfg=network/latency-factor:1",
    "--cfg=network/TCP-gamma:0",
    "--cfg=network/weight-S:0",
    "--cfg=network/crosstraffic:no",
    "--cfg=smpi/simulate-computation:no",
    "--cfg=smpi/host-speed:1Gf",
    "--cfg=smpi/shared-malloc:global",
    "--cfg=smpi/allreduce:rdb",
    "--cfg=smpi/bcast:scatter_rdb_allgather",
    "--cfg=smpi/barrier:ompi_bruck",
    "--cfg=contexts/stack-size:512",
    "--log=root.thresh:error",
};

static void add_simulator(command_line *c, const yoco_sweep *s, const yoco_scale_point *p,
                          int64_t chunk)
{
    add(c, s->simulator);
    add(c, "-m");
    add(c, s->model);
    add(c, "--hardware");
    add(c, s->hardware_path);
    add_number(c, "--tokens", p->n_tokens);
    add_number(c, "--branches", p->n_branches);
    add_number(c, "--chunk", chunk);
    add_number(c, "--steps", s->sim_steps);
    if (s->what_if.slow_rank >= 0) {
        add_number(c, "--slow-rank", s->what_if.slow_rank);
        snprintf(c->numbers[c->n_numbers], MAX_NUMBER, "%.9g", s->what_if.slow_rank_time);
        add(c, "--slow-rank-time");
        add(c, c->numbers[c->n_numbers++]);
    }
}

static yoco_status run_simulated(const yoco_sweep *s, const yoco_scale_point *p, int64_t chunk,
                                 json_t **run)
{
    char platform[PATH_MAX], hosts[PATH_MAX];
    command_line c = {.n = 0};
    YOCO_TRY(yoco_path_join(s->folder, "scale.platform.xml", platform));
    YOCO_TRY(yoco_path_join(s->folder, "scale.hosts", hosts));
    YOCO_TRY(yoco_scale_platform_write(s->hardware, &s->what_if, p->n_ranks, platform, hosts));
    add(&c, "smpirun");
    add_number(&c, "-np", p->n_ranks);
    add(&c, "-platform");
    add(&c, platform);
    add(&c, "-hostfile");
    add(&c, hosts);
    for (size_t i = 0; i < sizeof simgrid_options / sizeof *simgrid_options; i++)
        add(&c, simgrid_options[i]);
    add_simulator(&c, s, p, chunk);
    yoco_status status = run_child(&c, run);
    unlink(platform);
    unlink(hosts);
    return status;
}

static yoco_status run_predicted(const yoco_sweep *s, const yoco_scale_point *p, int64_t chunk,
                                 json_t **run)
{
    yoco_cost cost;
    yoco_cost_input input = cost_input(s, p, chunk);
    YOCO_TRY(yoco_cost_make(&input, &cost));
    *run = json_pack(
        "{s:i, s:I, s:I, s:I, s:[f], s:[f], s:[I], s:b, s:s, s:s, s:f, s:f, "
        "s:{s:[f], s:[f], s:[f], s:[f], s:[f]}, s:{s:[f], s:[f], s:[f], s:[f], "
        "s:[f]}}",
        "ranks", p->n_ranks, "tokens", (json_int_t)p->n_tokens, "chunk", (json_int_t)chunk,
        "branches", (json_int_t)p->n_branches, "prefill_s", cost.prefill_s, "step_s", cost.step_s,
        "memory_bytes", (json_int_t)cost.memory_bytes, "fits", cost.fits, "prefill_limit",
        yoco_limit_text(cost.prefill_limit), "step_limit", yoco_limit_text(cost.step_limit),
        "chunk_s", cost.chunk_s, "hop_s", cost.hop_s, "prefill", "compute_s", cost.compute_s,
        "edge_wait_s", cost.chain_s + cost.rows_s, "reduce_s", 0.0, "wait_s", cost.last_edges_s,
        "idle_s", cost.uneven_s, "decode", "compute_s", cost.repeated_s + cost.attention_s,
        "edge_wait_s", 0.0, "reduce_s", cost.merge_s, "wait_s", 0.0, "idle_s", 0.0);
    if (*run)
        return YOCO_OK;
    yoco_log_error("cannot allocate a predicted run");
    return YOCO_ERR_MEMORY;
}

static void what_if_text(const yoco_what_if *w, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    if (w->slow_rank >= 0)
        used += (size_t)snprintf(text + used, size - used, "rank %d takes %g times as long; ",
                                 w->slow_rank, w->slow_rank_time);
    if (w->slow_node >= 0)
        used += (size_t)snprintf(text + used, size - used, "links of node %d at %g of their rate; ",
                                 w->slow_node, w->slow_node_bandwidth);
    if (w->bandwidth != 1)
        used +=
            (size_t)snprintf(text + used, size - used, "network at %g of its rate; ", w->bandwidth);
    if (used >= 2)
        text[used - 2] = '\0';
}

/* A point's key. Only simulations have a what-if. */
static void make_key(const yoco_sweep *s, const yoco_scale_point *p, const char *hardware,
                     const char *what_if, char *text, size_t size)
{
    int n = snprintf(text, size, "%s|%s|%s|%s|%d|%" PRId64 "|%" PRId64 "|%" PRId64 "|%s",
                     kind_names[p->kind], p->weak ? "weak" : "strong", s->model, hardware,
                     p->n_ranks, p->n_tokens, p->n_branches, s->chunk_rows, what_if);
    if (p->kind == YOCO_SCALE_MEASURED && n >= 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, "%" PRId64 "|%s|%s", s->n_threads, s->dtype,
                 s->backend);
}

/* A point's settings: with others it is run again. */
static yoco_status make_settings(const yoco_sweep *s, const yoco_scale_point *p, char *text,
                                 size_t size)
{
    char *profile, hash_text[YOCO_HASH_TEXT_BYTES];
    yoco_hasher *hasher;
    if (p->kind == YOCO_SCALE_MEASURED) {
        snprintf(text, size, "%" PRId64 " runs, %" PRId64 " steps", s->n_runs, s->n_steps);
        return YOCO_OK;
    }
    YOCO_TRY(yoco_hardware_print(s->hardware, &profile));
    yoco_status status = yoco_hasher_create(&hasher);
    if (status == YOCO_OK) {
        yoco_hasher_add(hasher, profile, strlen(profile));
        yoco_hash_text(yoco_hasher_finish(hasher), hash_text);
        size_t used = 0;
        if (p->kind == YOCO_SCALE_SIMULATED)
            used = (size_t)snprintf(text, size, "%" PRId64 " steps, ", s->sim_steps);
        snprintf(text + used, size - used, "hardware %s", hash_text);
    }
    yoco_free(profile);
    return status;
}

static json_t *make_row(const yoco_sweep *s, const yoco_scale_point *p, const char *key,
                        const char *settings, const char *hardware, const char *what_if,
                        json_t *run)
{
    char machine[512], now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (p->kind == YOCO_SCALE_MEASURED) {
        char cpu[256];
        yoco_machine_cpu(cpu, sizeof cpu);
        snprintf(machine, sizeof machine, "%s, %ld cores", cpu, sysconf(_SC_NPROCESSORS_ONLN));
    } else {
        snprintf(machine, sizeof machine, "%s (%s)", s->hardware->device.name,
                 s->hardware->device.measured ? "measured rates" : "data sheet");
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "key", key,
                     "settings", settings, "kind", kind_names[p->kind], "scaling",
                     p->weak ? "weak" : "strong", "model", s->model, "hardware", hardware,
                     "what_if", what_if, "machine", machine, "commit", yoco_machine_commit(),
                     "version", YOCO_VERSION, "time", now, "run", run);
}

yoco_status yoco_scale_point_run(const yoco_sweep *s, const yoco_scale_point *p,
                                 yoco_scale_rows *rows)
{
    static yoco_status (*const run_kind[YOCO_N_SCALE_KINDS])(
        const yoco_sweep *, const yoco_scale_point *, int64_t,
        json_t **) = {run_measured, run_simulated, run_predicted};
    char key[2048], settings[256], what_if[256] = "";
    const char *hardware = p->kind == YOCO_SCALE_MEASURED ? "this machine" : s->hardware->name;
    int64_t chunk = 0;
    json_t *run = NULL;
    if (p->kind == YOCO_SCALE_SIMULATED)
        what_if_text(&s->what_if, what_if, sizeof what_if);
    make_key(s, p, hardware, what_if, key, sizeof key);
    YOCO_TRY(make_settings(s, p, settings, sizeof settings));
    if (yoco_scale_rows_has(rows, key, settings))
        return YOCO_OK;
    YOCO_TRY(choose_chunk(s, p, &chunk));
    yoco_log_info("%s: ranks %d, tokens %" PRId64 ", branches %" PRId64 ", chunks of %" PRId64,
                  kind_names[p->kind], p->n_ranks, p->n_tokens, p->n_branches, chunk);
    YOCO_TRY(run_kind[p->kind](s, p, chunk, &run));
    json_t *row = make_row(s, p, key, settings, hardware, what_if, run);
    if (!row) {
        yoco_log_error("cannot allocate a row of the report");
        return YOCO_ERR_MEMORY;
    }
    return yoco_scale_rows_append(rows, row);
}
