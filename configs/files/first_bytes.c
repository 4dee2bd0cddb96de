#include "configs/files/first_bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LOOK_BYTES = 4096, LFS_BYTES = 1024, LEAST_UNITS = 8 };

typedef struct format {
    const char *bytes;
    size_t size, at;
    const char *name, *advice;
} format;

#define BYTES(text) (text), sizeof(text) - 1

static const char unpack[] = "unpack it first";
static const char convert[] = "a file of text is wanted";

/* Never text, whoever reads it. */
static const format formats[] = {
    {BYTES("\x1f\x8b\x08"), 0, "gzip data", "unpack it first (gunzip, zcat)"},
    {BYTES("\x28\xb5\x2f\xfd"), 0, "zstd data", "unpack it first (unzstd, zstdcat)"},
    {BYTES("\xfd"
           "7zXZ\0"),
     0, "xz data", "unpack it first (unxz, xzcat)"},
    {BYTES("1AY&SY"), 4, "bzip2 data", "unpack it first (bunzip2, bzcat)"},
    {BYTES("\x04\x22\x4d\x18"), 0, "lz4 data", "unpack it first (unlz4)"},
    {BYTES("\x1f\x9d"), 0, "compressed data (.Z)", "unpack it first (gunzip)"},
    {BYTES("LZIP\x01"), 0, "lzip data", "unpack it first (lzip -d)"},
    {BYTES("7z\xbc\xaf\x27\x1c"), 0, "a 7-Zip archive", "unpack it first (7z x)"},
    {BYTES("Rar!\x1a\x07"), 0, "a RAR archive", unpack},
    {BYTES("PK\x03\x04"), 0,
     "a ZIP archive, as .docx, .xlsx, .epub, .npz and PyTorch's .pth and .bin are",
     "unpack or convert it first (unzip; for weights tools/convert_checkpoint.py)"},
    {BYTES("PK\x05\x06"), 0, "an empty ZIP archive", convert},
    {BYTES("ustar"), 257, "a tar archive", "unpack it first (tar -xf)"},
    {BYTES("%PDF-"), 0, "a PDF", "take the text out first (pdftotext)"},
    {BYTES("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), 0, "an old Office document",
     "save it as plain text"},
    {BYTES("\x89PNG\r\n\x1a\n"), 0, "a PNG image", convert},
    {BYTES("\xff\xd8\xff"), 0, "a JPEG image", convert},
    {BYTES("GIF87a"), 0, "a GIF image", convert},
    {BYTES("GIF89a"), 0, "a GIF image", convert},
    {BYTES("II*\0"), 0, "a TIFF image", convert},
    {BYTES("MM\0*"), 0, "a TIFF image", convert},
    {BYTES("OggS\0"), 0, "Ogg audio", convert},
    {BYTES("fLaC\0"), 0, "FLAC audio", convert},
    {BYTES("ID3\x03"), 0, "MP3 audio", convert},
    {BYTES("ID3\x04"), 0, "MP3 audio", convert},
    {BYTES("\x7f"
           "ELF"),
     0, "a program (ELF)", convert},
    {BYTES("SQLite format 3\0"), 0, "an SQLite database", "export what is wanted as text"},
    {BYTES("PAR1\x15"), 0, "a Parquet file", "export what is wanted as text"},
    {BYTES("ARROW1\0"), 0, "an Arrow file", "export what is wanted as text"},
    {BYTES("\x93NUMPY"), 0, "a NumPy array", "export what is wanted as text or safetensors"},
    {BYTES("\x89HDF\r\n\x1a\n"), 0, "an HDF5 file (also Keras weights)",
     "export what is wanted as text or safetensors"},
    {BYTES("GGUF\x02\0\0\0"), 0, "weights in the GGUF format",
     "yoco reads safetensors (docs/MODELS.md)"},
    {BYTES("GGUF\x03\0\0\0"), 0, "weights in the GGUF format",
     "yoco reads safetensors (docs/MODELS.md)"},
};

static const format pickle = {.name = "a Python pickle, as PyTorch's old .pth and .bin are",
                              .advice = "convert it (tools/convert_checkpoint.py)"};
static const format safetensors = {.name = "a safetensors file",
                                   .advice = "give the folder it stands in where a model is "
                                             "wanted (-m), and text here"};
static const format lfs = {.name = "a Git LFS pointer, not the file itself",
                           .advice = "fetch the file (git lfs pull)"};
static const format html = {.name = "a page of HTML",
                            .advice = "as servers send in place of a file, so look at it and "
                                      "download the file again"};
static const format tags = {.name = "a page of HTML", .advice = "its tags are read as text"};
static const format rich_text = {.name = "rich text (RTF)",
                                 .advice = "its commands are read as text"};
static const format xml = {.name = "XML",
                           .advice = "as servers send in place of a file, so look at it and "
                                     "download the file again"};

static bool has(const uint8_t *data, size_t size, size_t at, const char *bytes, size_t n)
{
    return size >= at + n && memcmp(data + at, bytes, n) == 0;
}

size_t yoco_first_bytes_mark(const void *data, size_t size)
{
    return has(data, size, 0, BYTES("\xef\xbb\xbf")) ? 3 : 0;
}

static bool is_pickle(const uint8_t *data, size_t size)
{
    return size > 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5 &&
           memchr("\x8a\x95}](c", data[2], 6);
}

static bool is_safetensors(const uint8_t *data, size_t size)
{
    return size > 9 && data[5] == 0 && data[6] == 0 && data[7] == 0 && data[8] == '{' &&
           data[9] == '"';
}

/* The first word of a page, past a mark and white space, whatever its case. */
static bool begins_page(const uint8_t *data, size_t size, const char *word)
{
    size_t at = yoco_first_bytes_mark(data, size), n = strlen(word);
    while (at < size && isspace(data[at]))
        at++;
    return size - at >= n && strncasecmp((const char *)data + at, word, n) == 0;
}

static const format *find_binary(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (has(data, size, formats[i].at, formats[i].bytes, formats[i].size))
            return &formats[i];
    return is_pickle(data, size) ? &pickle : NULL;
}

/* Text in units of 2 or 4 bytes. */
typedef struct wide {
    int width;
    bool big_endian;
} wide;

static uint32_t unit_at(const uint8_t *data, wide kind)
{
    uint32_t unit = 0;
    for (int i = 0; i < kind.width; i++)
        unit = unit << 8 | data[kind.big_endian ? i : kind.width - 1 - i];
    return unit;
}

/* Whether everything looked at can be such text: no NUL, without a mark no control character, no
 * unit that is none, surrogates in pairs. *n_plain counts what is ASCII. */
static bool is_wide(const uint8_t *data, size_t size, wide kind, bool marked, size_t *n_units,
                    size_t *n_plain)
{
    bool high = false;
    *n_units = *n_plain = 0;
    for (size_t at = 0; at + (size_t)kind.width <= size; at += (size_t)kind.width) {
        uint32_t unit = unit_at(data + at, kind);
        bool low = unit >= 0xdc00 && unit < 0xe000;
        bool control = unit < 0x20 && !(unit >= '\t' && unit <= '\r') && !(marked && unit > 0);
        if (control || unit == 0xfffe || unit == 0xffff || unit > 0x10ffff)
            return false;
        if (kind.width == 4 ? unit >= 0xd800 && unit < 0xe000 : high != low)
            return false;
        high = kind.width == 2 && unit >= 0xd800 && unit < 0xdc00;
        *n_plain += unit < 0x7f;
        ++*n_units;
    }
    return true;
}

/* The encoding's name for iconv, or NULL. With a mark, all but a few files are what it says;
 * without one, text has at least its spaces, digits and line breaks in ASCII, and every unit fits.
 */
static const char *find_wide(const uint8_t *data, size_t size, bool *marked)
{
    static const struct {
        wide kind;
        const char *mark;
        const char *marked_name, *name;
    } kinds[] = {
        {{4, false}, "\xff\xfe\0\0", "UTF-32", "UTF-32LE"},
        {{4, true}, "\0\0\xfe\xff", "UTF-32", "UTF-32BE"},
        {{2, false}, "\xff\xfe", "UTF-16", "UTF-16LE"},
        {{2, true}, "\xfe\xff", "UTF-16", "UTF-16BE"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n_units, n_plain, width = (size_t)kinds[i].kind.width;
        *marked = has(data, size, 0, kinds[i].mark, width);
        if (!is_wide(data, size, kinds[i].kind, *marked, &n_units, &n_plain))
            continue;
        if (*marked)
            return kinds[i].marked_name;
        if (n_units >= LEAST_UNITS && n_plain >= n_units / 8 + 2 && memchr(data, '\0', size))
            return kinds[i].name;
    }
    return NULL;
}

static yoco_file_fault say(char *text, yoco_file_fault fault, const format *is)
{
    snprintf(text, YOCO_FIRST_BYTES_TEXT, "is %s: %s", is->name, is->advice);
    return fault;
}

yoco_file_fault yoco_first_bytes_judge(yoco_file_use use, const void *data, size_t size,
                                       char text[YOCO_FIRST_BYTES_TEXT])
{
    const uint8_t *bytes = data;
    size_t looked = size < LOOK_BYTES ? size : LOOK_BYTES;
    bool marked, is_document = use == YOCO_FILE_DOCUMENT;
    if (use == YOCO_FILE_WEIGHTS && is_safetensors(bytes, looked))
        return YOCO_FILE_FINE;
    const format *binary = find_binary(bytes, looked);
    if (binary)
        return say(text, YOCO_FILE_WRONG, binary);
    if (is_safetensors(bytes, looked))
        return say(text, YOCO_FILE_WRONG, &safetensors);
    if (size < LFS_BYTES && has(bytes, looked, 0, BYTES("version https://git-lfs.github.com/")))
        return say(text, YOCO_FILE_WRONG, &lfs);
    if (begins_page(bytes, looked, "<!doctype html") || begins_page(bytes, looked, "<html")) {
        if (!is_document)
            return say(text, YOCO_FILE_WRONG, &html);
        return say(text, YOCO_FILE_ODD, &tags);
    }
    if (is_document && begins_page(bytes, looked, "{\\rtf"))
        return say(text, YOCO_FILE_ODD, &rich_text);
    if (!is_document && begins_page(bytes, looked, "<?xml"))
        return say(text, YOCO_FILE_WRONG, &xml);
    const char *encoding = find_wide(bytes, looked, &marked);
    if (!encoding)
        return YOCO_FILE_FINE;
    snprintf(text, YOCO_FIRST_BYTES_TEXT,
             "%s %s text, and UTF-8 is wanted: convert it (iconv -f %s -t UTF-8)",
             marked ? "is" : "looks like", encoding, encoding);
    return is_document && !marked ? YOCO_FILE_ODD : YOCO_FILE_WRONG;
}

yoco_status yoco_first_bytes_check(const char *name, yoco_file_use use, const void *data,
                                   size_t size)
{
    char text[YOCO_FIRST_BYTES_TEXT];
    yoco_file_fault fault = yoco_first_bytes_judge(use, data, size, text);
    if (fault == YOCO_FILE_WRONG)
        yoco_log_error("%s %s", name, text);
    else if (fault == YOCO_FILE_ODD)
        yoco_log_warn("%s %s", name, text);
    return fault == YOCO_FILE_WRONG ? YOCO_ERR_DATA : YOCO_OK;
}
