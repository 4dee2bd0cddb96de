#include "coordinator/bench/results.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/cli/machine.h"
#include "streams.h"

static const double MIB = 1 << 20, BUSY_SHARE = 0.95;

/* One line of the decode table: what follows from the steps, the same steps on the base context,
 * and reading. NAN: cannot be told. */
typedef struct decode_row {
    int64_t n_branches;
    yoco_spread step_s;
    double tokens_s;
    double step_bytes, step_fraction;
    double attention_s, attention_bytes, attention_byte_s, attention_flop_s;
    double attention_fraction, memory_fraction; /* of reading as much as K,V, a large buffer */
} decode_row;

static decode_row derive_decode(const yoco_bench_results *r, const yoco_bench_context *context,
                                int i)
{
    const yoco_model_shape *m = r->session->checkpoint->shape;
    double n_reads = (double)yoco_shape_read_width(m) / (double)yoco_shape_kept_width(m);
    decode_row row = {.n_branches = r->branches.values[i], .step_s = context->step_s[i]};
    row.tokens_s = (double)row.n_branches / row.step_s.median;
    row.step_bytes = n_reads * (double)context->kv_bytes + (double)r->weight_bytes;
    row.step_fraction = row.step_bytes / row.step_s.median / context->step_byte_s.median;

    int64_t n_tokens = context->n_tokens - r->base.n_tokens;
    double seconds = row.step_s.median - r->base.step_s[i].median;
    row.attention_s = n_tokens > 0 && seconds > 0 ? seconds : NAN;
    row.attention_bytes =
        n_tokens > 0 ? n_reads * (double)(context->kv_bytes - r->base.kv_bytes) : NAN;
    row.attention_byte_s = row.attention_bytes / row.attention_s;
    row.attention_fraction = row.attention_byte_s / context->kv_byte_s.median;
    row.memory_fraction = row.attention_byte_s / r->large_byte_s.median;
    row.attention_flop_s =
        yoco_shape_read_flops(m) * (double)(n_tokens * row.n_branches) / row.attention_s;
    return row;
}

typedef struct prefill_row {
    double tokens_s, flops, flop_s, fraction;
} prefill_row;

static prefill_row derive_prefill(const yoco_bench_results *r, const yoco_bench_prefill *prefill)
{
    prefill_row row = {.tokens_s = (double)prefill->n_tokens / prefill->seconds.median,
                       .flops =
                           (double)prefill->n_tokens * r->gemm_flops + prefill->attention_flops};
    row.flop_s = row.flops / prefill->seconds.median;
    row.fraction = row.flop_s / r->gemm_flop_s.median;
    return row;
}

/* The table. */

static void print_head(const yoco_bench_results *r)
{
    const yoco_model_shape *m = r->session->checkpoint->shape;
    char cpu[256], mixer[128];
    yoco_machine_cpu(cpu, sizeof cpu);
    yoco_layer_describe(&m->layers[0], mixer, sizeof mixer);
    yoco_print("model    %s: %s, dim %d, %d layers\n", r->model_name, mixer, m->dim, m->n_layers);
    yoco_print("machine  %s, %ld cores\n", cpu, sysconf(_SC_NPROCESSORS_ONLN));
    if (r->device[0])
        yoco_print("device   %s\n", r->device);
    yoco_print("engine   yoco " YOCO_VERSION ", %s; ranks: %d, threads each: %d, chunks of %" PRId64
               " tokens\n\n",
               yoco_worker_arithmetic(r->session->worker), r->session->comm->n_ranks,
               r->session->device.n_threads, r->chunk_rows);
    if (r->no_exit)
        yoco_print("         prefill runs every layer for every token (--no-exit)\n");
    if (r->cpu_share < BUSY_SHARE)
        yoco_print(
            "BUSY     at times the threads got only %.0f%% of their cores: other programs ran, or\n"
            "         OMP_WAIT_POLICY lets threads sleep; all figures suffer\n\n",
            1e2 * r->cpu_share);
}

static void print_spread(const yoco_spread *s, double scale)
{
    yoco_print(" %9.1f %9.1f %9.1f", s->median * scale, s->min * scale, s->max * scale);
}

static void print_gemms(const yoco_bench_results *r)
{
    yoco_print("%s, products of %" PRId64 " rows, %s\n"
               "    n_out    n_in  per token   GFLOP/s       min       max\n",
               r->library, r->gemm_rows, yoco_dtype_name(r->gemm_dtype));
    for (int i = 0; i < r->n_gemms; i++) {
        const yoco_bench_gemm *gemm = &r->gemms[i];
        yoco_print(" %8" PRId64 "%8" PRId64 "%11d", gemm->n_out, gemm->n_in, gemm->n_per_token);
        print_spread(&gemm->flop_s, 1e-9);
        putc('\n', yoco_stdout());
    }
    if (!r->device[0]) {
        yoco_print("     a token's prefill     ");
        print_spread(&r->gemm_flop_s, 1e-9);
        putc('\n', yoco_stdout());
    }
    putc('\n', yoco_stdout());
}

static void print_reading(const char *what, int64_t n_tokens, int64_t bytes, const yoco_spread *s)
{
    yoco_print(" %-22s", what);
    if (n_tokens >= 0)
        yoco_print("%9" PRId64, n_tokens);
    else
        yoco_print("%9s", "");
    yoco_print(" %9.1f", (double)bytes / MIB);
    print_spread(s, 1e-9);
    putc('\n', yoco_stdout());
}

static void print_readings(const yoco_bench_results *r)
{
    yoco_print("%s           context       MiB      GB/s       min       max\n",
               r->device[0] ? "copying memory" : "reading memory");
    print_reading("a large buffer", -1, r->large_bytes, &r->large_byte_s);
    for (int i = 0; i < r->n_contexts; i++) {
        const yoco_bench_context *c = &r->contexts[i];
        print_reading("as much as K,V", c->n_tokens, c->kv_bytes, &c->kv_byte_s);
        print_reading("as K,V and weights", c->n_tokens, c->kv_bytes + r->weight_bytes,
                      &c->step_byte_s);
    }
    putc('\n', yoco_stdout());
}

static void print_prefills(const yoco_bench_results *r)
{
    yoco_print("prefill\n"
               "   tokens   seconds       min       max     tok/s   GFLOP/s of library\n");
    for (int i = 0; i < r->n_prefills; i++) {
        const yoco_bench_prefill *p = &r->prefills[i];
        prefill_row row = derive_prefill(r, p);
        yoco_print("%9" PRId64 " %9.3f %9.3f %9.3f %9.0f %9.1f %9.1f%%\n", p->n_tokens,
                   p->seconds.median, p->seconds.min, p->seconds.max, row.tokens_s,
                   row.flop_s * 1e-9, 1e2 * row.fraction);
    }
    putc('\n', yoco_stdout());
}

static void print_or_dash(int precision, double value, const char *unit)
{
    if (isnan(value))
        yoco_print(" %9s", "-");
    else
        yoco_print(" %*.*f%s", 9 - (int)strlen(unit), precision, value, unit);
}

static void print_decode(const yoco_bench_results *r)
{
    yoco_print("decode             |  whole step                                      "
               "             |  attention\n"
               "  context branches |        ms       min       max     tok/s       MiB  of reading"
               " |        ms      GB/s of memory of reading   GFLOP/s\n");
    for (int i = 0; i < r->n_contexts; i++) {
        for (int b = 0; b < r->branches.n; b++) {
            const yoco_bench_context *context = &r->contexts[i];
            decode_row row = derive_decode(r, context, b);
            yoco_print("%9" PRId64 "%9" PRId64 " | %9.2f %9.2f %9.2f %9.1f %9.1f   %8.1f%% |",
                       context->n_tokens, row.n_branches, 1e3 * row.step_s.median,
                       1e3 * row.step_s.min, 1e3 * row.step_s.max, row.tokens_s,
                       row.step_bytes / MIB, 1e2 * row.step_fraction);
            print_or_dash(2, 1e3 * row.attention_s, "");
            print_or_dash(1, 1e-9 * row.attention_byte_s, "");
            print_or_dash(1, 1e2 * row.memory_fraction, "%");
            print_or_dash(1, 1e2 * row.attention_fraction, "%");
            print_or_dash(1, 1e-9 * row.attention_flop_s, "");
            putc('\n', yoco_stdout());
        }
    }
    putc('\n', yoco_stdout());
}

static void print_memory(const yoco_bench_results *r)
{
    if (!r->device[0])
        return;
    yoco_print("device memory in use, by all programs\n  context branches       GiB\n");
    for (int i = 0; i < r->n_contexts; i++) {
        const yoco_bench_context *c = &r->contexts[i];
        yoco_print("%9" PRId64 "%9" PRId64 " %9.3f\n", c->n_tokens, r->most_branches,
                   (double)c->device_bytes / MIB / 1024);
    }
    putc('\n', yoco_stdout());
}

static const char library_of_host[] =
    "library     oneDNN's own products on all threads, weights in the layout it likes best, "
    "output\n"
    "            f32; 'per token' weights of that shape in the self-decoder and the shared K,V;\n"
    "            'a token's prefill' weights the rates with them. The cpu backend keeps oneDNN\n"
    "            to AVX-512 without AMX, here too.\n"
    "reading     all threads sum up a buffer, again and again: larger than the caches; as large\n"
    "            as the K,V of a context; as K,V and weights together.\n";

static const char library_of_device[] =
    "library     a product as large as the model's widest dimension in every direction, by the\n"
    "            backend's op for large products, which is its library's.\n"
    "copying     the first half of a buffer to its second, again and again, of 1 GiB at most;\n"
    "            both halves count. It stands for reading below.\n";

static void print_columns(const yoco_bench_results *r)
{
    yoco_print(
        "Figures are medians, then the least and the greatest; GB and GFLOP are 10^9. With "
        "several\n"
        "ranks all measure at the same time, and rates are sums over the ranks.\n\n"
        "%s"
        "prefill     flops: 2 for each weight and token (embeddings not), and 4 dim for each pair "
        "of\n            tokens that a layer mixes (of a state: of a block, and head size more);\n"
        "            'of library' is their rate as a part of the library's.\n"
        "decode      one token for each branch. 'MiB' must be read: K,V once for each cross "
        "layer,\n"
        "            weights once; 'of reading': MiB / ms as a part of reading K,V and weights.\n"
        "attention   the step less the same step on a context of %" PRId64
        " tokens; 'GB/s': the further K,V,\n"
        "            once for each cross layer; 'of memory' as a part of reading a large buffer, "
        "'of\n"
        "            reading' as a part of reading as much as K,V, which a large cache may hold.\n"
        "            '-': too short to tell.\n",
        r->device[0] ? library_of_device : library_of_host, r->base.n_tokens);
}

void yoco_bench_print(const yoco_bench_results *r)
{
    print_head(r);
    print_gemms(r);
    print_readings(r);
    print_prefills(r);
    print_decode(r);
    print_memory(r);
    print_columns(r);
}

/* JSON. */

static json_t *json_number(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *json_spread(const yoco_spread *s)
{
    return json_pack("{s:f, s:f, s:f}", "median", s->median, "min", s->min, "max", s->max);
}

static json_t *json_machine(const yoco_bench_results *r)
{
    char cpu[256];
    yoco_machine_cpu(cpu, sizeof cpu);
    return json_pack("{s:s, s:I, s:s, s:f}", "cpu", cpu, "cores",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "device", r->device, "cpu_share",
                     r->cpu_share);
}

/* Runs of equal layers. */
static json_t *json_layers(const yoco_model_shape *m)
{
    json_t *runs = json_array();
    for (int i = 0, n; i < m->n_layers; i += n) {
        const yoco_layer_shape *layer = &m->layers[i];
        n = yoco_shape_run(m, i);
        json_array_append_new(runs,
                              json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "kind",
                                        yoco_layer_kind_name(layer->kind), "n_layers", n, "n_heads",
                                        layer->n_heads, "n_kv_heads", layer->n_kv_heads, "k_dim",
                                        layer->k_dim, "v_dim", layer->v_dim, "window",
                                        layer->window, "hidden_dim", layer->hidden_dim));
    }
    return runs;
}

static json_t *json_model(const yoco_bench_results *r)
{
    const yoco_model_shape *m = r->session->checkpoint->shape;
    return json_pack("{s:s, s:i, s:i, s:o}", "name", r->model_name, "dim", m->dim, "vocab_size",
                     m->vocab_size, "layers", json_layers(m));
}

static json_t *json_library(const yoco_bench_results *r)
{
    json_t *products = json_array();
    for (int i = 0; i < r->n_gemms; i++) {
        const yoco_bench_gemm *gemm = &r->gemms[i];
        json_array_append_new(products,
                              json_pack("{s:I, s:I, s:i, s:o}", "n_out", (json_int_t)gemm->n_out,
                                        "n_in", (json_int_t)gemm->n_in, "per_token",
                                        gemm->n_per_token, "flop_s", json_spread(&gemm->flop_s)));
    }
    return json_pack("{s:s, s:s, s:I, s:o, s:f, s:o}", "name", r->library, "dtype",
                     yoco_dtype_name(r->gemm_dtype), "rows", (json_int_t)r->gemm_rows, "products",
                     products, "token_flops", r->gemm_flops, "token_flop_s",
                     json_spread(&r->gemm_flop_s));
}

static json_t *json_prefills(const yoco_bench_results *r)
{
    json_t *prefills = json_array();
    for (int i = 0; i < r->n_prefills; i++) {
        const yoco_bench_prefill *p = &r->prefills[i];
        prefill_row row = derive_prefill(r, p);
        json_array_append_new(prefills,
                              json_pack("{s:I, s:o, s:f, s:f, s:f, s:f, s:f}", "tokens",
                                        (json_int_t)p->n_tokens, "seconds",
                                        json_spread(&p->seconds), "tokens_s", row.tokens_s, "flops",
                                        row.flops, "attention_flops", p->attention_flops, "flop_s",
                                        row.flop_s, "of_library", row.fraction));
    }
    return prefills;
}

static json_t *json_decode_row(const decode_row *row, const yoco_spread *base_s)
{
    return json_pack("{s:I, s:o, s:o, s:f, s:f, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "branches",
                     (json_int_t)row->n_branches, "step_s", json_spread(&row->step_s),
                     "base_step_s", json_spread(base_s), "tokens_s", row->tokens_s, "step_bytes",
                     row->step_bytes, "step_of_reading", row->step_fraction, "attention_s",
                     json_number(row->attention_s), "attention_bytes",
                     json_number(row->attention_bytes), "attention_byte_s",
                     json_number(row->attention_byte_s), "attention_of_memory",
                     json_number(row->memory_fraction), "attention_of_reading",
                     json_number(row->attention_fraction), "attention_flop_s",
                     json_number(row->attention_flop_s));
}

static json_t *json_contexts(const yoco_bench_results *r)
{
    json_t *contexts = json_array();
    for (int i = 0; i < r->n_contexts; i++) {
        const yoco_bench_context *c = &r->contexts[i];
        json_t *rows = json_array();
        for (int b = 0; b < r->branches.n; b++) {
            decode_row row = derive_decode(r, c, b);
            json_array_append_new(rows, json_decode_row(&row, &r->base.step_s[b]));
        }
        json_array_append_new(
            contexts,
            json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "tokens", (json_int_t)c->n_tokens,
                      "kv_bytes", (json_int_t)c->kv_bytes, "device_bytes",
                      (json_int_t)c->device_bytes, "kv_byte_s", json_spread(&c->kv_byte_s),
                      "kv_and_weights_byte_s", json_spread(&c->step_byte_s), "steps", rows));
    }
    return contexts;
}

json_t *yoco_bench_json(const yoco_bench_results *r)
{
    return json_pack(
        "{s:s, s:o, s:o, s:s, s:s, s:i, s:i, s:I, s:o, s:{s:I, s:o}, s:o, s:{s:I, s:I, s:o}}",
        "version", YOCO_VERSION, "machine", json_machine(r), "model", json_model(r), "arithmetic",
        yoco_worker_arithmetic(r->session->worker), "dtype",
        yoco_dtype_name(yoco_worker_dtype(r->session->worker)), "ranks", r->session->comm->n_ranks,
        "threads", r->session->device.n_threads, "chunk", (json_int_t)r->chunk_rows, "library",
        json_library(r), "large_read", "bytes", (json_int_t)r->large_bytes, "byte_s",
        json_spread(&r->large_byte_s), "prefill", json_prefills(r), "decode", "weight_bytes",
        (json_int_t)r->weight_bytes, "base_tokens", (json_int_t)r->base.n_tokens, "contexts",
        json_contexts(r));
}
