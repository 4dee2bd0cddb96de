/* Regular expressions of tokenizers from elsewhere, spelled for PCRE2 (UTF, UCP).
 *
 * tiktoken's patterns (Rust's fancy-regex):
 *   \s, \S   PCRE2 counts U+180E as a space: spelled \p{White_Space}, \P{White_Space}
 *   $        the very end only, not also before a last newline
 *   &&       no set intersection in PCRE2's classes: refused
 *   \w, \b   PCRE2's: letters, numbers and the underscore
 *
 * Those of the library `tokenizers` (Oniguruma, Ruby's syntax):
 *   \s, \S   as above
 *   \w, \W   letters, marks, decimal digits, connectors, and ²³¹¼½¾; \b and \B follow
 *   \h, \H   hexadecimal digits
 *   ^, $     of every line
 *   \p{Han}  the script alone, without PCRE2's script extensions
 *   empty matches count: they cut a text without taking of it
 *   refused, where the two would read something else: && and [ inside a class, x{2,3}+ and x{2}?,
 *   x{,3}, (?i) behind the start, \p without braces, options other than (?i)
 *
 * \p{...} is of the Unicode version of the PCRE2 at hand (Unicode 14 in 10.42). */
#ifndef YOCO_PATTERN_H
#define YOCO_PATTERN_H

#include "base.h"

/* The caller frees *out with yoco_free. `name` stands in error lines. */
yoco_status yoco_pattern_spell_tiktoken(const char *name, const char *pattern, char **out);
yoco_status yoco_pattern_spell_oniguruma(const char *name, const char *pattern, char **out);

#endif
