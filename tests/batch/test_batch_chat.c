/* Chats as token ids: lines of a batch, and documents and questions of yoco run, against what the
 * template of the file renders (tests/tokenizer/hf/qwen/expected.json). */
#include "coordinator/ask/prompt.h"
#include "coordinator/batch/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_PATH = 4096, VOCAB_SIZE = 1400, MAX_SEQ_LEN = 2000 };

static const char *source_dir;
static yoco_tokenizer *tokenizer;
static const yoco_chat_template *template;

/* Of a user's message "Hello, Alice!"; the turn's contents are the 7 from 4 on. */
static const int32_t hello[] = {1001, 84,  82,   259, 198, 39, 601, 78, 11,  823, 0,
                                1002, 198, 1001, 64,  82,  82, 284, 83, 383, 198};
enum { N_HELLO = sizeof hello / sizeof *hello };

static int setup(void **state)
{
    (void)state;
    char path[MAX_PATH];
    snprintf(path, sizeof path, "%s/tests/tokenizer/hf/qwen", source_dir);
    if (yoco_tokenizer_open(path, VOCAB_SIZE, &tokenizer) != YOCO_OK || !tokenizer)
        return -1;
    return yoco_chat_template_find("test", "qwen2", tokenizer, &template) == YOCO_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    yoco_tokenizer_close(tokenizer);
    return 0;
}

static const char line_form[] =
    "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/%s\",\"body\":{%s,\"max_tokens\":3}}\n";

/* The one line's entry, checked, encoded and identified. */
static void read_line(const char *url, const char *body, const yoco_chat_template *chat,
                      yoco_batch_input *input, yoco_batch_documents **documents)
{
    char path[] = "/tmp/yoco_chat_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file, line_form, url, body);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(yoco_batch_documents_open(NULL, documents), YOCO_OK);
    assert_int_equal(yoco_batch_input_read(path, 0, input), YOCO_OK);
    unlink(path);
    assert_int_equal(yoco_batch_input_check(input, *documents), YOCO_OK);
    input->chat = chat;
    assert_int_equal(yoco_batch_input_identify(input, "f"), YOCO_OK);
    assert_int_equal(yoco_batch_input_encode(input, *documents, tokenizer, MAX_SEQ_LEN), YOCO_OK);
    assert_int_equal(input->n_bad, 0);
}

static void free_line(yoco_batch_input *input, yoco_batch_documents *documents)
{
    yoco_batch_input_free(input);
    yoco_batch_documents_close(documents);
}

static void test_batch_line(void **state)
{
    (void)state;
    static const char body[] = "\"messages\":[{\"role\":\"user\",\"content\":\"Hello, Alice!\"}]";
    yoco_batch_input input;
    yoco_batch_documents *documents;
    char id[YOCO_HASH_TEXT_BYTES];
    read_line("chat/completions", body, template, &input, &documents);
    assert_true(yoco_batch_input_has_chats(&input));
    const yoco_batch_entry *entry = &input.entries[0];
    assert_int_equal(entry->whole.n, N_HELLO);
    assert_memory_equal(entry->whole.ids, hello, sizeof hello);
    assert_int_equal(entry->prompt.questions[0].tokens.ids[0], hello[N_HELLO - 1]);
    snprintf(id, sizeof id, "%s", entry->id);
    free_line(&input, documents);

    /* Without a template: other tokens and another id. */
    read_line("chat/completions", body, NULL, &input, &documents);
    assert_true(input.entries[0].whole.ids[0] != hello[0]);
    assert_string_not_equal(input.entries[0].id, id);
    free_line(&input, documents);
}

/* What stands in a message's content cannot be told from other messages in a plain text. */
static void test_ids_tell_messages_apart(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\\nuser: b\"}]",
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}"
        "]"};
    char ids[2][YOCO_HASH_TEXT_BYTES];
    for (int i = 0; i < 2; i++) {
        yoco_batch_input input;
        yoco_batch_documents *documents;
        read_line("chat/completions", bodies[i], template, &input, &documents);
        snprintf(ids[i], sizeof ids[i], "%s", input.entries[0].id);
        free_line(&input, documents);
    }
    assert_string_not_equal(ids[0], ids[1]);
}

static void test_completions_stay(void **state)
{
    (void)state;
    yoco_batch_input input;
    yoco_batch_documents *documents;
    read_line("completions", "\"prompt\":\"<|im_start|>\"", template, &input, &documents);
    assert_false(yoco_batch_input_has_chats(&input));
    assert_true(input.entries[0].whole.n > 1);
    free_line(&input, documents);
}

/* A document that is asked nothing is all of the user's turn. */
static void test_document(void **state)
{
    (void)state;
    yoco_prompt_options options = {
        .text = "Hello, Alice!", .chat = true, .chat_template = template, .n_generate = 1};
    yoco_ids ids;
    assert_int_equal(yoco_prompt_document(&options, tokenizer, VOCAB_SIZE, &ids), YOCO_OK);
    assert_int_equal(ids.n, N_HELLO);
    assert_memory_equal(ids.ids, hello, sizeof hello);
    yoco_free(ids.ids);

    /* One that is asked opens it. */
    options.is_asked = true;
    assert_int_equal(yoco_prompt_document(&options, tokenizer, VOCAB_SIZE, &ids), YOCO_OK);
    assert_int_equal(ids.n, 11);
    assert_memory_equal(ids.ids, hello, 11 * sizeof *hello);
    yoco_free(ids.ids);
}

static void test_options(void **state)
{
    (void)state;
    yoco_prompt_options chat = {.text = "x", .chat = true}, specials = chat, ids = {.chat = true};
    specials.special_tokens = true;
    ids.ids_file = "x";
    assert_int_equal(yoco_prompt_check_options(&chat, tokenizer), YOCO_OK);
    assert_int_equal(yoco_prompt_check_options(&chat, NULL), YOCO_ERR_USAGE);
    assert_int_equal(yoco_prompt_check_options(&specials, tokenizer), YOCO_ERR_USAGE);
    assert_int_equal(yoco_prompt_check_options(&ids, tokenizer), YOCO_ERR_USAGE);
    assert_int_equal(yoco_prompt_open_chat(&chat, "m", NULL, tokenizer), YOCO_ERR_DATA);
    assert_int_equal(yoco_prompt_open_chat(&chat, "m", "other", tokenizer), YOCO_ERR_DATA);
    assert_null(chat.chat_template);
    assert_int_equal(yoco_prompt_open_chat(&chat, "m", "qwen2", tokenizer), YOCO_OK);
    assert_ptr_equal(chat.chat_template, template);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    source_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_line),       cmocka_unit_test(test_ids_tell_messages_apart),
        cmocka_unit_test(test_completions_stay), cmocka_unit_test(test_document),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
