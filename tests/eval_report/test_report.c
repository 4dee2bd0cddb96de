/* Reports from samples.jsonl alone: the fixture's results byte for byte, markup that no answer can
 * break out of, garbled files refused by line. The reports stay below argv[2] for check_markup.py.
 */
#include "coordinator/eval/report.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *source, *folder;
static char *fixture; /* samples.jsonl */
static size_t fixture_size;
static char dir[4096]; /* of the report in hand */

static const char *path_of(const char *base, const char *name)
{
    static char path[8192];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return path;
}

/* The caller frees it; a NUL stands behind the last byte. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    char *data = NULL;
    FILE *copy = open_memstream(&data, size);
    for (int c; (c = fgetc(file)) != EOF;)
        fputc(c, copy);
    fclose(copy);
    fclose(file);
    return data;
}

static void write_samples(const char *data, size_t size)
{
    FILE *file = fopen(path_of(dir, "samples.jsonl"), "wb");
    assert_non_null(file);
    fwrite(data, 1, size, file);
    fclose(file);
}

/* The files of the folder in hand, which `visit`, if any, is called for. */
static int each_file(int (*visit)(const char *path))
{
    int n = 0;
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        if (visit)
            visit(path_of(dir, entry->d_name));
    }
    closedir(stream);
    return n;
}

/* Empty, whatever an earlier run left. */
static void make_folder(const char *name)
{
    snprintf(dir, sizeof dir, "%s/%s", folder, name);
    mkdir(dir, 0777);
    each_file(unlink);
}

/* What stderr says during a report goes to `log`. */
static yoco_status report(char *log, size_t size)
{
    FILE *file = tmpfile();
    int old = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    yoco_status status = yoco_eval_report(dir);
    dup2(old, STDERR_FILENO);
    close(old);
    rewind(file);
    log[fread(log, 1, size - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void report_ok(void)
{
    char log[4096];
    if (report(log, sizeof log) != YOCO_OK || *log)
        fail_msg("%s: %s", dir, log);
}

/* The report of a text fails with YOCO_ERR_DATA, the log says `said`, no file appears. */
static void refuse(const char *text, size_t size, const char *said)
{
    char log[4096];
    make_folder("refused");
    write_samples(text, size);
    assert_int_equal(report(log, sizeof log), YOCO_ERR_DATA);
    if (!strstr(log, said) || strchr(log, '\n') != log + strlen(log) - 1)
        fail_msg("expected '%s' in one line, got '%s'", said, log);
    assert_int_not_equal(access(path_of(dir, "results.json"), F_OK), 0);
}

static void check_same(const char *path, const char *data, size_t size)
{
    size_t other_size;
    char *other = read_file(path, &other_size);
    if (size != other_size || memcmp(data, other, size) != 0)
        fail_msg("%s differs", path);
    free(other);
}

static void check_results(void)
{
    size_t size;
    char *results = read_file(path_of(dir, "results.json"), &size);
    check_same(path_of(source, "tests/eval_report/fixture/results.json"), results, size);
    free(results);
}

static void test_fixture(void **state)
{
    (void)state;
    make_folder("all");
    write_samples(fixture, fixture_size);
    report_ok();
    check_results();
    size_t size;
    char *html = read_file(path_of(dir, "report.html"), &size);
    report_ok(); /* over the files of the first */
    check_same(path_of(dir, "report.html"), html, size);
    assert_int_equal(each_file(NULL), 5);
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quotes&quot; "
                                 "\xe2\x80\x93 \xe4\xbd\xa0"));
    assert_non_null(strstr(html, "7392\xef\xbf\xbd"));
    assert_non_null(strstr(html, "<h1>t\xc3\xafny &amp; &lt;demo&gt;</h1>"));
    assert_non_null(strstr(html, "yoco-compat: the authors"));
    assert_null(strstr(html, "<script"));
    free(html);
}

static void test_order(void **state)
{
    (void)state;
    char *copy = strdup(fixture), *reversed = malloc(fixture_size + 1), *at = reversed;
    const char *lines[100];
    int n = 0;
    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
        lines[n++] = line;
    while (n > 0)
        at += sprintf(at, "%s\n", lines[--n]);
    make_folder("reversed");
    write_samples(reversed, fixture_size);
    report_ok();
    check_results();
    free(reversed);
    free(copy);
}

static void test_torn(void **state)
{
    (void)state;
    char log[4096], *text = malloc(fixture_size + 40);
    memcpy(text, fixture, fixture_size);
    memcpy(text + fixture_size, fixture, 40);
    make_folder("torn");
    write_samples(text, fixture_size + 40);
    assert_int_equal(report(log, sizeof log), YOCO_OK);
    assert_non_null(strstr(log, "samples.jsonl:38: "));
    check_results();
    free(text);
}

/* The fixture's first lines, then `line`. */
static void refuse_third(const char *line, size_t size, const char *said)
{
    size_t two = (size_t)(strchr(strchr(fixture, '\n') + 1, '\n') + 1 - fixture);
    char *text = malloc(two + size + 1);
    memcpy(text, fixture, two);
    memcpy(text + two, line, size);
    text[two + size] = '\n';
    refuse(text, two + size + 1, said);
    free(text);
}

/* The fixture's third line with the first `from` replaced. */
static void refuse_change(const char *from, const char *to, const char *said)
{
    char text[4096];
    const char *line = strchr(strchr(fixture, '\n') + 1, '\n') + 1, *at = strstr(line, from);
    int size = snprintf(text, sizeof text, "%.*s%s%.*s", (int)(at - line), line, to,
                        (int)strcspn(at + strlen(from), "\n"), at + strlen(from));
    refuse_third(text, (size_t)size, said);
}

static void test_hostile(void **state)
{
    (void)state;
    char log[4096], nested[4001];
    memset(nested, '[', sizeof nested - 1);
    refuse("", 0, "holds no answers");
    refuse("{\"version\":1", 12, "holds no answers");
    refuse_third("{\"version\":1}", 13, "samples.jsonl:3: ");
    refuse_third("\0\0\0\0", 4, "samples.jsonl:3: ");
    refuse_third("\xff\xfe{}", 4, "samples.jsonl:3: ");
    refuse_third(nested, sizeof nested - 1, "samples.jsonl:3: ");
    refuse_third(fixture, strcspn(fixture, "\n"),
                 "samples.jsonl:3: the same question of the same document as line 1");
    refuse_change("\"seed\":17", "\"seed\":18", "samples.jsonl:3: made with another seed");
    refuse_change("3f9a", "3f9b", "samples.jsonl:3: made with another model");
    refuse_change("aa17", "aa18", "samples.jsonl:3: made with another haystack");
    refuse_change("\"chunk\":256", "\"chunk\":512", "samples.jsonl:3: made with another chunk");
    refuse_change("avx2", "avx3", "samples.jsonl:3: made with another arithmetic");
    make_folder("missing");
    assert_int_equal(report(log, sizeof log), YOCO_ERR_OPEN);
}

/* Lines of the fixture that hold `word`. */
static void report_part(const char *name, const char *word)
{
    char *text = malloc(fixture_size + 1), *copy = strdup(fixture), *at = text;
    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
        if (strstr(line, word))
            at += sprintf(at, "%s\n", line);
    make_folder(name);
    write_samples(text, (size_t)(at - text));
    report_ok();
    free(text);
    free(copy);
}

static void test_parts(void **state)
{
    (void)state;
    report_part("needle", "\"needle\"");
    report_part("multiquery", "\"multiquery\"");
    report_part("compat", "yoco-compat");
    report_part("one", "\"n\":4,\"trial\":1");
}

/* As many lengths and depths as nobody would draw: nothing overflows or leaves the picture. */
static void test_crowd(void **state)
{
    (void)state;
    char *text = NULL, line[4096];
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    for (int i = 0; i < 300; i++) {
        const char *from = "\"length\":1024,\"depth\":0.0,\"n\":1,";
        const char *at = strstr(fixture, from);
        snprintf(line, sizeof line, "%.*s\"length\":%lld,\"depth\":%.17g,\"n\":1,%.*s\n",
                 (int)(at - fixture), fixture, i == 299 ? 1LL << 48 : 1 + 997LL * i, i / 299.0,
                 (int)strcspn(at + strlen(from), "\n"), at + strlen(from));
        fputs(line, stream);
        char *task = strstr(line, "needle\"");
        fprintf(stream, "%.*smultikey%s", (int)(task - line), line, task + strlen("needle"));
    }
    fclose(stream);
    make_folder("crowd");
    write_samples(text, size);
    report_ok();
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixture), cmocka_unit_test(test_order), cmocka_unit_test(test_torn),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_parts), cmocka_unit_test(test_crowd),
    };
    if (argc != 3)
        return 2;
    source = argv[1];
    folder = argv[2];
    mkdir(folder, 0777);
    fixture = read_file(path_of(source, "tests/eval_report/fixture/samples.jsonl"), &fixture_size);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(fixture);
    return failed;
}
