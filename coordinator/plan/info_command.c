/* yoco info: what a model folder holds. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/cli/commands.h"
#include "coordinator/session/session.h"
#include "coordinator/text/tokenizer.h"
#include "streams.h"

static int64_t count_parameters(const yoco_checkpoint *c)
{
    const yoco_model_config *m = &c->config;
    int64_t dim = m->dim, ffn = 3 * dim * m->hidden_dim, n_self = yoco_config_n_self_layers(m);
    int64_t mixer =
        yoco_config_is_retention(m) ? 5 * dim * dim + dim * m->n_self_heads : 4 * dim * dim;
    int64_t self = mixer + ffn + 2 * dim, cross = 2 * dim * dim + ffn + 2 * dim;
    int64_t embeddings = (m->share_input_output_embed ? 1 : 2) * (int64_t)m->vocab_size * dim;
    return embeddings + n_self * (self + cross) + 2 * dim * yoco_config_kv_dim(m) + 2 * dim;
}

static void print_info(const char *folder, const yoco_checkpoint *c, bool has_tokenizer)
{
    const yoco_model_config *m = &c->config;
    int64_t kv_bytes = 2 * (int64_t)yoco_config_kv_dim(m);
    yoco_print("model            %s\n", folder);
    yoco_print("parameters       %" PRId64 " (%s)\n", count_parameters(c),
               yoco_dtype_name(c->dtype));
    yoco_print("layers           %d self + %d cross, dim %d, hidden %d\n",
               yoco_config_n_self_layers(m), yoco_config_n_self_layers(m), m->dim, m->hidden_dim);
    if (yoco_config_is_retention(m))
        yoco_print("self-decoder     gated retention, %d heads of %d\n", m->n_self_heads,
                   yoco_config_self_head_dim(m));
    else
        yoco_print("self-decoder     window attention over %d tokens, %d heads of %d\n",
                   m->sliding_window, m->n_self_heads, yoco_config_self_head_dim(m));
    yoco_print("cross-decoder    %d heads of %d, %d shared K,V heads: %" PRId64
               " bytes of K,V per token in bf16, %" PRId64 " in f32\n",
               m->n_attn_heads, yoco_config_head_dim(m), m->n_attn_kv_heads, 2 * kv_bytes,
               4 * kv_bytes);
    yoco_print("vocabulary       %d%s\n", m->vocab_size,
               m->share_input_output_embed ? ", embedding tied to the output" : "");
    yoco_print("max_seq_len      %" PRId64 ", rope_theta %g, norm_eps %g\n", m->max_seq_len,
               m->rope_theta, (double)m->norm_eps);
    yoco_print("tokenizer        %s\n", has_tokenizer ? "yes" : "none: token ids only");
}

typedef struct info_options {
    yoco_session_options session;
    bool devices;
} info_options;

/* The values of --backend on this machine, the fastest first. */
static void print_devices(void)
{
    char line[256];
    const yoco_ops *ops;
    for (int i = 0; (ops = yoco_ops_at(i)); i++) {
        int n = 0;
        for (; ops->device_at(n, line, sizeof line); n++)
            yoco_print("%-10s %d  %s\n", ops->name, n, line);
        if (n == 0)
            yoco_print("%-10s    no device\n", ops->name);
    }
}

static yoco_status info(void *parsed)
{
    const info_options *o = parsed;
    const yoco_session_options *options = &o->session;
    if (o->devices)
        print_devices();
    if (o->devices && !options->model)
        return YOCO_OK;
    yoco_checkpoint *checkpoint;
    yoco_tokenizer *tokenizer = NULL;
    YOCO_TRY(yoco_session_open_model(options, &checkpoint));
    yoco_status status =
        yoco_tokenizer_open(options->model, checkpoint->config.vocab_size, &tokenizer);
    if (status == YOCO_OK)
        print_info(options->model, checkpoint, tokenizer != NULL);
    yoco_tokenizer_close(tokenizer);
    yoco_checkpoint_close(checkpoint);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    info_options o = {.session = YOCO_SESSION_DEFAULTS};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING, &o.session.model, 0, "Model folder.",
         .path = YOCO_PATH_READS_MODEL},
        {"devices", 0, NULL, YOCO_OPTION_FLAG, &o.devices, 0,
         "List the backends and their devices."},
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                info, &o);
}

const yoco_command yoco_command_info = {
    .name = "info",
    .summary = "describe a model, list devices",
    .synopsis = "yoco info -m MODEL | --devices",
    .description = "Opens a model folder, checks every tensor against the config, and prints the\n"
                   "model's shape.",
    .is_alone = true,
    .run = run_command,
};
