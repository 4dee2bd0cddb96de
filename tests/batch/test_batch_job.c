/* Lines of a batch file: what they become, and what is wrong with the bad ones. */
#include "coordinator/batch/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char line[4096];

static const char *completion(const char *body)
{
    snprintf(line, sizeof line,
             "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/completions\", "
             "\"body\": %s}",
             body);
    return line;
}

static const char *chat(const char *body)
{
    snprintf(line, sizeof line,
             "{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/chat/completions\", "
             "\"body\": %s}",
             body);
    return line;
}

static yoco_batch_job good(const char *text)
{
    yoco_batch_job job;
    yoco_batch_fault fault = {"", ""};
    yoco_status status = yoco_batch_job_parse(text, strlen(text), &job, &fault);
    if (status != YOCO_OK)
        fail_msg("%s: %s %s", text, fault.field, fault.reason);
    return job;
}

static void bad(const char *text, const char *field, const char *reason)
{
    yoco_batch_job job;
    yoco_batch_fault fault = {"", ""};
    assert_int_equal(yoco_batch_job_parse(text, strlen(text), &job, &fault), YOCO_ERR_DATA);
    if (strcmp(fault.field, field) != 0 || !strstr(fault.reason, reason))
        fail_msg("%s: '%s' '%s', expected '%s' '%s'", text, fault.field, fault.reason, field,
                 reason);
    yoco_batch_job_free(&job);
}

static void takes_the_defaults(void **state)
{
    (void)state;
    yoco_batch_job job = good(completion("{\"prompt\": \"p\"}"));
    assert_string_equal(job.custom_id, "a");
    assert_false(job.chat);
    assert_null(job.model);
    assert_int_equal(job.n_prompts, 1);
    assert_string_equal(job.prompts[0], "p");
    assert_null(job.document);
    assert_int_equal(job.max_tokens, 16);
    assert_true(job.sampling.temperature == 1.0 && job.sampling.top_p == 1.0);
    assert_true(job.sampling.top_k == 0 && job.sampling.seed == 0);
    assert_int_equal(job.stops.n, 0);
    assert_false(job.logprobs);
    yoco_batch_job_free(&job);

    job = good(chat("{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}]}"));
    assert_true(job.chat);
    assert_int_equal(job.max_tokens, 1024);
    yoco_batch_job_free(&job);
}

static void takes_every_field(void **state)
{
    (void)state;
    yoco_batch_job job = good(completion(
        "{\"model\": \"m\", \"prompt\": [\"p\", \"q\"], \"max_tokens\": 7, \"temperature\": 0.5, "
        "\"top_p\": 0.25, \"top_k\": 3, \"seed\": -1, \"stop\": [\"x\", \"yz\"], \"logprobs\": 0, "
        "\"document\": {\"path\": \"d\", \"sha256\": "
        "\"0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789\"}}"));
    assert_string_equal(job.model, "m");
    assert_int_equal(job.n_prompts, 2);
    assert_string_equal(job.prompts[1], "q");
    assert_int_equal(job.max_tokens, 7);
    assert_true(job.sampling.temperature == 0.5 && job.sampling.top_p == 0.25);
    assert_int_equal(job.sampling.top_k, 3);
    assert_true(job.sampling.seed == UINT64_MAX);
    assert_int_equal(job.stops.n, 2);
    assert_string_equal(job.stops.values[1], "yz");
    assert_true(job.logprobs);
    assert_int_equal(job.n_logprobs, 0);
    assert_string_equal(job.document, "d");
    assert_int_equal(strlen(job.sha256), 64);
    yoco_batch_job_free(&job);

    job = good(completion("{\"prompt\": \"p\", \"stop\": \"s\", \"temperature\": 0, \"top_k\": -1, "
                          "\"logprobs\": 5}"));
    assert_int_equal(job.stops.n, 1);
    assert_true(job.sampling.temperature == 0.0 && job.sampling.top_k == 0);
    assert_int_equal(job.n_logprobs, 5);
    yoco_batch_job_free(&job);
}

static void writes_a_chat_as_one_text(void **state)
{
    (void)state;
    yoco_batch_job job = good(
        chat("{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\"}, {\"role\": "
             "\"user\", \"content\": \"\", \"name\": \"N\"}, {\"role\": \"assistant\", "
             "\"content\": \"two\\nlines\"}], \"max_completion_tokens\": 3, \"logprobs\": true, "
             "\"top_logprobs\": 2}"));
    assert_int_equal(job.n_prompts, 1);
    assert_string_equal(job.prompts[0],
                        "system: Be brief.\nuser: \nassistant: two\nlines\nassistant:");
    assert_int_equal(job.max_tokens, 3);
    assert_true(job.logprobs);
    assert_int_equal(job.n_logprobs, 2);
    yoco_batch_job_free(&job);
}

/* What asks for nothing passes, and so does null. */
static void passes_what_changes_nothing(void **state)
{
    (void)state;
    yoco_batch_job job = good(completion(
        "{\"prompt\": \"p\", \"user\": \"u\", \"metadata\": {\"a\": 1}, \"stream\": false, "
        "\"n\": 1, \"best_of\": 1, \"echo\": false, \"store\": false, \"presence_penalty\": 0, "
        "\"frequency_penalty\": 0.0, \"logit_bias\": {}, \"repetition_penalty\": 1.0, "
        "\"suffix\": null, \"max_tokens\": null, \"stop\": null, \"document\": null, "
        "\"logprobs\": null, \"prompt_logprobs\": null}"));
    assert_int_equal(job.max_tokens, 16);
    assert_false(job.logprobs);
    yoco_batch_job_free(&job);
    job = good(chat("{\"messages\": [{\"role\": \"user\", \"content\": \"c\", \"tool_calls\": "
                    "null}], \"tools\": [], \"logprobs\": false, \"top_logprobs\": 0, "
                    "\"max_tokens\": 4, \"max_completion_tokens\": 4}"));
    assert_false(job.logprobs);
    yoco_batch_job_free(&job);
}

/* Numbers are what they are worth. */
static void takes_numbers_however_spelled(void **state)
{
    (void)state;
    yoco_batch_job job = good(completion("{\"prompt\": \"p\", \"max_tokens\": 3.0, \"top_k\": 5e0, "
                                         "\"seed\": 18446744073709551615, \"n\": 1.0}"));
    assert_int_equal(job.max_tokens, 3);
    assert_int_equal(job.sampling.top_k, 5);
    assert_true(job.sampling.seed == UINT64_MAX);
    yoco_batch_job_free(&job);
    job = good(completion("{\"prompt\": \"p\", \"seed\": 9223372036854775809}"));
    assert_true(job.sampling.seed == (UINT64_C(1) << 63) + 1);
    yoco_batch_job_free(&job);
    bad(completion("{\"prompt\": \"p\", \"seed\": 18446744073709551616}"), "body.seed", "64 bits");
    bad(completion("{\"prompt\": \"p\", \"temperature\": 1e400}"), "body.temperature", "number");
}

static yoco_hash hash_of(const char *text)
{
    yoco_batch_job job = good(text);
    yoco_hasher *hasher;
    assert_int_equal(yoco_hasher_create(&hasher), YOCO_OK);
    yoco_batch_job_hash(&job, hasher);
    yoco_batch_job_free(&job);
    return yoco_hasher_finish(hasher);
}

static void is_what_it_asks(void **state)
{
    (void)state;
    yoco_hash hash = hash_of(completion("{\"prompt\": \"p\", \"temperature\": 0}"));
    static const char *const alike[] = {
        "{\"temperature\": -0.0, \"prompt\": [\"\\u0070\"], \"max_tokens\": 16}",
        "{\"prompt\": \"p\", \"temperature\": 0e7, \"user\": \"u\", \"seed\": null, \"stop\": []}",
    };
    static const char *const others[] = {
        "{\"prompt\": \"q\", \"temperature\": 0}",
        "{\"prompt\": [\"p\", \"p\"], \"temperature\": 0}",
        "{\"prompt\": \"p\", \"temperature\": 0, \"stop\": \"p\"}",
        "{\"prompt\": \"p\", \"temperature\": 0, \"logprobs\": 0}",
        "{\"prompt\": \"p\", \"temperature\": 0, \"model\": \"m\"}",
    };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        assert_true(yoco_hash_equal(hash, hash_of(completion(alike[i]))));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(yoco_hash_equal(hash, hash_of(completion(others[i]))));
}

/* A line that is no JSON keeps its name where it has one, wherever that stands. */
static void keeps_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"custom_id\": \"a\", \"body\": {\"prompt\": \"x\\u0000\"}}", "body.prompt"},
        {"{\"body\": {\"n\": 1, \"n\": 1}, \"custom_id\": \"a\"}", "body.n"},
        {"{\"body\": {\"custom_id\": \"b\"}, \"custom_id\": \"a\", \"url\"", ""},
        {"}{\"custom_id\": \"a\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        yoco_batch_job job;
        yoco_batch_fault fault = {"", ""};
        assert_int_equal(yoco_batch_job_parse(cases[i].text, strlen(cases[i].text), &job, &fault),
                         YOCO_ERR_DATA);
        assert_string_equal(fault.field, cases[i].field);
        assert_non_null(job.custom_id);
        assert_string_equal(job.custom_id, "a");
        yoco_batch_job_free(&job);
    }
}

static void names_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field, *reason;
    } cases[] = {
        {"[]", "body", "object"},
        {"{}", "body.prompt", "missing"},
        {"{\"prompt\": \"\"}", "body.prompt", "none of them empty"},
        {"{\"prompt\": []}", "body.prompt", "array"},
        {"{\"prompt\": [\"a\", \"\"]}", "body.prompt", "empty"},
        {"{\"prompt\": [1, 2]}", "body.prompt", "not 1"},
        {"{\"prompt\": 5}", "body.prompt", "not 5"},
        {"{\"prompt\": \"p\", \"max_tokens\": 0}", "body.max_tokens", "not 0"},
        {"{\"prompt\": \"p\", \"max_tokens\": 1.5}", "body.max_tokens", "not 1.5"},
        {"{\"prompt\": \"p\", \"max_tokens\": 9223372036854775807}", "body.max_tokens", "not 922"},
        {"{\"prompt\": \"p\", \"temperature\": -1}", "body.temperature", "not -1"},
        {"{\"prompt\": \"p\", \"temperature\": \"hot\"}", "body.temperature", "not \"hot\""},
        {"{\"prompt\": \"p\", \"top_p\": 0}", "body.top_p", "not 0"},
        {"{\"prompt\": \"p\", \"top_p\": 1.5}", "body.top_p", "not 1.5"},
        {"{\"prompt\": \"p\", \"top_k\": -2}", "body.top_k", "not -2"},
        {"{\"prompt\": \"p\", \"seed\": 1.5}", "body.seed", "not 1.5"},
        {"{\"prompt\": \"p\", \"stop\": \"\"}", "body.stop", "empty"},
        {"{\"prompt\": \"p\", \"stop\": [\"1\",\"2\",\"3\",\"4\",\"5\"]}", "body.stop", "4"},
        {"{\"prompt\": \"p\", \"logprobs\": 21}", "body.logprobs", "not 21"},
        {"{\"prompt\": \"p\", \"logprobs\": true}", "body.logprobs", "not true"},
        {"{\"prompt\": \"p\", \"echo\": true}", "body.echo", "exits early"},
        {"{\"prompt\": \"p\", \"prompt_logprobs\": 1}", "body.prompt_logprobs", "exits early"},
        {"{\"prompt\": \"p\", \"n\": 2}", "body.n", "not 2"},
        {"{\"prompt\": \"p\", \"best_of\": 2}", "body.best_of", "not 2"},
        {"{\"prompt\": \"p\", \"suffix\": \"s\"}", "body.suffix", "not supported"},
        {"{\"prompt\": \"p\", \"stream\": true}", "body.stream", "not true"},
        {"{\"prompt\": \"p\", \"presence_penalty\": 0.1}", "body.presence_penalty", "must be 0"},
        {"{\"prompt\": \"p\", \"logit_bias\": {\"5\": 1}}", "body.logit_bias", "not supported"},
        {"{\"prompt\": \"p\", \"tools\": []}", "body.tools", "unknown"},
        {"{\"prompt\": \"p\", \"temprature\": 0}", "body.temprature", "unknown"},
        {"{\"prompt\": \"p\", \"messages\": []}", "body.messages", "unknown"},
        {"{\"prompt\": \"p\", \"document\": \"d\"}", "body.document", "object"},
        {"{\"prompt\": \"p\", \"document\": {}}", "body.document.path", "string"},
        {"{\"prompt\": \"p\", \"document\": {\"path\": \"d\", \"sha\": \"\"}}", "body.document",
         "'sha'"},
        {"{\"prompt\": \"p\", \"document\": {\"path\": \"d\", \"sha256\": \"12\"}}",
         "body.document.sha256", "64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        bad(completion(cases[i].body), cases[i].field, cases[i].reason);
}

static void names_the_field_of_a_chat(void **state)
{
    (void)state;
    static const struct {
        const char *body, *field, *reason;
    } cases[] = {
        {"{}", "body.messages", "missing"},
        {"{\"prompt\": \"p\"}", "body.prompt", "unknown"},
        {"{\"messages\": []}", "body.messages", "at least one"},
        {"{\"messages\": [5]}", "body.messages[0]", "object"},
        {"{\"messages\": [{\"role\": \"user\"}]}", "body.messages[0]", "content"},
        {"{\"messages\": [{\"role\": \"tool\", \"content\": \"c\"}]}", "body.messages[0]", "role"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}, {\"role\": \"user\", "
         "\"content\": [{\"type\": \"image_url\"}]}]}",
         "body.messages[1]", "plain text"},
        {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"c\", \"tool_calls\": [{}]}]}",
         "body.messages[0]", "tool_calls"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"tools\": [{}]}",
         "body.tools", "not supported"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"response_format\": {}}",
         "body.response_format", "not supported"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"top_logprobs\": 1}",
         "body.top_logprobs", "needs"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"c\"}], \"max_tokens\": 3, "
         "\"max_completion_tokens\": 4}",
         "body.max_completion_tokens", "another limit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        bad(chat(cases[i].body), cases[i].field, cases[i].reason);
}

static void refuses_lines_that_are_no_jobs(void **state)
{
    (void)state;
    bad("", "", "no valid JSON");
    bad("{", "", "no valid JSON");
    bad("[1]", "", "not a JSON object");
    bad("{} {}", "", "no valid JSON");
    bad("{\"custom_id\": \"a\", \"custom_id\": \"b\"}", "custom_id", "twice");
    bad("{\"custom_id\": 1}", "custom_id", "string");
    bad("{\"custom_id\": \"\"}", "custom_id", "1 to");
    bad("{\"custom_id\": \"a\\u0000b\"}", "custom_id", "u0000");
    bad("{\"custom_id\": \"\xff\"}", "", "no valid JSON");
    bad("{\"custom_id\": \"a\", \"method\": \"GET\"}", "method", "not \"GET\"");
    bad("{\"custom_id\": \"a\"}", "method", "not missing");
    bad("{\"custom_id\": \"a\", \"method\": \"POST\", \"url\": \"/v1/embeddings\"}", "url",
        "not \"/v1/embeddings\"");
    bad("{\"custom_id\": \"a\", \"extra\": 1}", "extra", "no field");
    bad("{\"custom_id\": \"a\", \"x\": 1e999}", "x", "no field");
    bad("{\"custom_id\": \"a\", \"x\": 99999999999999999999}", "x", "no field");
}

/* Of a bad line the custom_id is known if it was read. */
static void keeps_the_custom_id(void **state)
{
    (void)state;
    yoco_batch_job job;
    yoco_batch_fault fault;
    const char *text = "{\"custom_id\": \"mine\", \"url\": 5}";
    assert_int_equal(yoco_batch_job_parse(text, strlen(text), &job, &fault), YOCO_ERR_DATA);
    assert_string_equal(job.custom_id, "mine");
    yoco_batch_job_free(&job);
}

static void survives_deep_nesting_and_long_names(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *deep = malloc(DEPTH + 1);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    bad(deep, "", "too deeply");
    free(deep);
    char body[1200];
    memset(body, 'k', sizeof body);
    memcpy(body, "{\"", 2);
    memcpy(body + 1000, "\": 1}", 6);
    yoco_batch_job job;
    yoco_batch_fault fault;
    const char *text = completion(body);
    assert_int_equal(yoco_batch_job_parse(text, strlen(text), &job, &fault), YOCO_ERR_DATA);
    assert_memory_equal(fault.field, "body.kkk", 8);
    yoco_batch_job_free(&job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_defaults),
        cmocka_unit_test(takes_every_field),
        cmocka_unit_test(writes_a_chat_as_one_text),
        cmocka_unit_test(passes_what_changes_nothing),
        cmocka_unit_test(takes_numbers_however_spelled),
        cmocka_unit_test(is_what_it_asks),
        cmocka_unit_test(keeps_the_name),
        cmocka_unit_test(names_the_field),
        cmocka_unit_test(names_the_field_of_a_chat),
        cmocka_unit_test(refuses_lines_that_are_no_jobs),
        cmocka_unit_test(keeps_the_custom_id),
        cmocka_unit_test(survives_deep_nesting_and_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
