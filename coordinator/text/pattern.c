#include "coordinator/text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

/* Oniguruma counts the fractions and raised digits of Latin-1, and no others. */
#define WORD "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe"

/* Longer than what any two bytes of a pattern become. */
enum { MOST_PER_BYTE = 256, MAX_PATTERN_BYTES = 1 << 16 };

typedef struct spelling {
    const char *name;
    const char *pattern, *at;
    char *out;
    size_t used;
    bool in_class;
} spelling;

static void put(spelling *s, const char *text)
{
    size_t size = strlen(text);
    memcpy(s->out + s->used, text, size);
    s->used += size;
}

static void copy(spelling *s, size_t n)
{
    memcpy(s->out + s->used, s->at, n);
    s->used += n;
    s->at += n;
}

static yoco_status refuse(const spelling *s, const char *what)
{
    yoco_log_error("%s: the pattern has %s near its byte %zu, which is not supported", s->name,
                   what, (size_t)(s->at - s->pattern));
    return YOCO_ERR_DATA;
}

static yoco_status begin(spelling *s, const char *name, const char *pattern)
{
    *s = (spelling){.name = name, .pattern = pattern, .at = pattern};
    if (strlen(pattern) > MAX_PATTERN_BYTES) {
        yoco_log_error("%s: a pattern of %zu bytes is too long, at most %d", name, strlen(pattern),
                       MAX_PATTERN_BYTES);
        return YOCO_ERR_DATA;
    }
    return yoco_alloc(strlen(pattern) * MOST_PER_BYTE + 1, "split pattern", (void **)&s->out);
}

static yoco_status finish(spelling *s, yoco_status status, char **out)
{
    if (status != YOCO_OK) {
        yoco_free(s->out);
        return status;
    }
    s->out[s->used] = '\0';
    *out = s->out;
    return YOCO_OK;
}

/* True where the escape at `at` is one of a space, which is spelled. */
static bool spell_space(spelling *s)
{
    if (s->at[1] != 's' && s->at[1] != 'S')
        return false;
    put(s, s->at[1] == 's' ? "\\p{White_Space}" : "\\P{White_Space}");
    s->at += 2;
    return true;
}

yoco_status yoco_pattern_spell_tiktoken(const char *name, const char *pattern, char **out)
{
    spelling s;
    if (strstr(pattern, "&&")) {
        yoco_log_error("%s: the pattern has a set intersection (&&), which is not supported", name);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(begin(&s, name, pattern));
    while (*s.at) {
        if (*s.at != '\\' || !spell_space(&s))
            copy(&s, s.at[0] == '\\' && s.at[1] ? 2 : 1);
    }
    return finish(&s, YOCO_OK, out);
}

/* Whether PCRE2 knows a script of this name. */
static bool is_script(const char *name, size_t size)
{
    char pattern[48];
    int error, n = snprintf(pattern, sizeof pattern, "\\p{sc:%.*s}", (int)size, name);
    PCRE2_SIZE offset;
    if (n < 0 || n >= (int)sizeof pattern)
        return false;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, (size_t)n, PCRE2_UTF, &error, &offset, NULL);
    pcre2_code_free(code);
    return code != NULL;
}

/* \p{...}: a script is named as one. */
static yoco_status spell_property(spelling *s)
{
    const char *open = s->at + 2, *close = *open == '{' ? strchr(open, '}') : NULL;
    if (!close)
        return refuse(s, "a property without braces");
    const char *name = open + 1 + (open[1] == '^');
    size_t size = (size_t)(close - name);
    if (!is_script(name, size)) {
        copy(s, (size_t)(close + 1 - s->at));
        return YOCO_OK;
    }
    copy(s, (size_t)(name - s->at));
    put(s, "sc:");
    copy(s, size + 1);
    return YOCO_OK;
}

/* Escapes that the two read differently; NULL: they read it alike, or PCRE2 refuses it. */
static const char *respell(char escape, bool in_class)
{
    switch (escape) {
    case 'w':
        return in_class ? WORD : "[" WORD "]";
    case 'W':
        return in_class ? NULL : "[^" WORD "]";
    case 'b':
        return in_class ? NULL : "(?:(?<=[" WORD "])(?![" WORD "])|(?<![" WORD "])(?=[" WORD "]))";
    case 'B':
        return in_class ? NULL : "(?:(?<=[" WORD "])(?=[" WORD "])|(?<![" WORD "])(?![" WORD "]))";
    case 'h':
        return in_class ? "0-9a-fA-F" : "[0-9a-fA-F]";
    case 'H':
        return in_class ? NULL : "[^0-9a-fA-F]";
    default:
        return NULL;
    }
}

/* \x{4e00}, \x4e, \u4e00. */
static yoco_status spell_code(spelling *s)
{
    const char *digits = s->at + 2;
    size_t n = strspn(digits, "0123456789abcdefABCDEF");
    if (s->at[1] == 'x' && *digits == '{' && strchr(digits, '}')) {
        copy(s, (size_t)(strchr(digits, '}') + 1 - s->at));
        return YOCO_OK;
    }
    if (n < (s->at[1] == 'x' ? 2 : 4))
        return refuse(s, "a code of too few digits");
    n = s->at[1] == 'x' ? 2 : 4;
    put(s, "\\x{");
    s->at = digits;
    copy(s, n);
    put(s, "}");
    return YOCO_OK;
}

static yoco_status spell_escape(spelling *s)
{
    char escape = s->at[1];
    if (!escape)
        return refuse(s, "a backslash at its end");
    if (spell_space(s))
        return YOCO_OK;
    if (escape == 'p' || escape == 'P')
        return spell_property(s);
    if (s->in_class && (escape == 'W' || escape == 'H'))
        return refuse(s, escape == 'W' ? "\\W in a class" : "\\H in a class");
    if (escape == 'Q' || escape == 'E')
        return refuse(s, "\\Q or \\E");
    if (escape == 'x' || escape == 'u')
        return spell_code(s);
    const char *spelled = respell(escape, s->in_class);
    if (!spelled) {
        copy(s, 2);
        return YOCO_OK;
    }
    put(s, spelled);
    s->at += 2;
    return YOCO_OK;
}

/* {2}, {2,}, {2,3}: what may follow one differs. */
static yoco_status spell_interval(spelling *s)
{
    size_t n = 1 + strspn(s->at + 1, "0123456789,");
    if (s->at[n] != '}' || n == 1)
        return refuse(s, "a brace that is no interval");
    if (s->at[1] == ',')
        return refuse(s, "an interval without lower bound");
    if (s->at[n + 1] == '+')
        return refuse(s, "a possessive interval, x{1,3}+, which Oniguruma reads as a repeated one");
    if (s->at[n + 1] == '?' && !memchr(s->at, ',', n))
        return refuse(s, "x{2}?");
    copy(s, n + 1);
    return YOCO_OK;
}

/* A group's opening; options may be (?i: ...), or (?i) at the start of all. */
static yoco_status spell_group(spelling *s)
{
    if (s->at[1] == '*')
        return refuse(s, "a verb");
    if (s->at[1] != '?') {
        copy(s, 1);
        return YOCO_OK;
    }
    size_t n = strspn(s->at + 2, "imxs-");
    if (n > 0 && (s->at[2] != 'i' || n > 1))
        return refuse(s, "options other than (?i)");
    if (n > 0 && s->at[3] == ')' && s->at != s->pattern)
        return refuse(s, "(?i) behind its start");
    copy(s, 2 + n);
    return YOCO_OK;
}

static yoco_status spell_in_class(spelling *s)
{
    if (*s->at == '[')
        return refuse(s, "[ inside a class");
    if (s->at[0] == '&' && s->at[1] == '&')
        return refuse(s, "a set intersection (&&)");
    s->in_class = *s->at != ']';
    copy(s, 1);
    return YOCO_OK;
}

static yoco_status spell_next(spelling *s)
{
    if (*s->at == '\\')
        return spell_escape(s);
    if (s->in_class)
        return spell_in_class(s);
    switch (*s->at) {
    case '[':
        s->in_class = true;
        copy(s, s->at[1] == '^' ? 2 : 1);
        if (*s->at == ']')
            return refuse(s, "] at the start of a class");
        return YOCO_OK;
    case '{':
        return spell_interval(s);
    case '(':
        return spell_group(s);
    default:
        copy(s, 1);
        return YOCO_OK;
    }
}

yoco_status yoco_pattern_spell_oniguruma(const char *name, const char *pattern, char **out)
{
    spelling s;
    YOCO_TRY(begin(&s, name, pattern));
    yoco_status status = YOCO_OK;
    while (status == YOCO_OK && *s.at)
        status = spell_next(&s);
    return finish(&s, status, out);
}
