#include "coordinator/batch/harmless.h"

#include <stdio.h>
#include <string.h>

enum { COMPLETIONS = 1, CHAT = 2, BOTH = 3, MAX_VALUES = 3 };

/* OpenAI's fields, then those of vllm. No value: any will do. */
static const struct {
    const char *name;
    int urls;
    const char *values[MAX_VALUES]; /* JSON */
} fields[] = {
    {"user", BOTH, {NULL}},
    {"metadata", BOTH, {NULL}},
    {"safety_identifier", BOTH, {NULL}},
    {"prompt_cache_key", BOTH, {NULL}},
    {"prompt_cache_retention", BOTH, {NULL}},
    {"stream_options", BOTH, {NULL}}, /* of a stream, and there is none */
    {"stream", BOTH, {"false"}},
    {"store", BOTH, {"false"}},
    {"n", BOTH, {"1"}},
    {"best_of", COMPLETIONS, {"1"}},
    {"suffix", COMPLETIONS, {"\"\""}},
    {"presence_penalty", BOTH, {"0"}},
    {"frequency_penalty", BOTH, {"0"}},
    {"logit_bias", BOTH, {"{}", "[]"}},
    {"service_tier", BOTH, {"\"auto\"", "\"default\""}},
    {"tools", CHAT, {"[]", "{}"}},
    {"tool_choice", CHAT, {"\"none\"", "\"auto\""}}, /* among no tools */
    {"parallel_tool_calls", CHAT, {"false", "true"}},
    {"functions", CHAT, {"[]"}},
    {"function_call", CHAT, {"\"none\"", "\"auto\""}},
    {"response_format", BOTH, {"{\"type\": \"text\"}"}},
    {"modalities", CHAT, {"[\"text\"]"}},
    {"reasoning_effort", CHAT, {"\"none\""}},
    {"verbosity", CHAT, {"\"medium\""}},
    {"repetition_penalty", BOTH, {"1"}},
    {"length_penalty", BOTH, {"1"}},
    {"min_p", BOTH, {"0"}},
    {"min_tokens", BOTH, {"0"}},
    {"priority", BOTH, {"0"}},
    {"use_beam_search", BOTH, {"false"}},
    {"ignore_eos", BOTH, {"false"}},
    {"include_stop_str_in_output", BOTH, {"false"}},
    {"skip_special_tokens", BOTH, {"true"}},
    {"spaces_between_special_tokens", BOTH, {"true"}},
    {"return_tokens_as_token_ids", BOTH, {"false"}},
    {"stop_token_ids", BOTH, {"[]"}},
    {"bad_words", BOTH, {"[]"}},
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

static int find(const char *name, bool chat)
{
    for (int i = 0; i < N_FIELDS; i++)
        if ((fields[i].urls & (chat ? CHAT : COMPLETIONS)) && strcmp(fields[i].name, name) == 0)
            return i;
    return -1;
}

bool yoco_batch_harmless_find(const char *name, bool chat, char *rule, size_t size)
{
    int at = find(name, chat);
    size_t used = 0;
    for (int i = 0; at >= 0 && i < MAX_VALUES && fields[at].values[i] && used < size; i++)
        used += (size_t)snprintf(rule + used, size - used, "%s%s", i > 0 ? " or " : "",
                                 fields[at].values[i]);
    if (used < size)
        snprintf(rule + used, size - used, ": the rest is not supported");
    return at >= 0;
}

bool yoco_batch_harmless_is(const char *name, bool chat, const json_t *value)
{
    int at = find(name, chat);
    bool is_harmless = at >= 0 && !fields[at].values[0];
    for (int i = 0; at >= 0 && i < MAX_VALUES && fields[at].values[i]; i++) {
        json_t *one = json_loads(fields[at].values[i], JSON_DECODE_ANY, NULL);
        is_harmless = is_harmless || json_equal(one, value);
        json_decref(one);
    }
    return is_harmless;
}
