#include "configs/files/text_file.h"

#include "configs/files/file_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 1 << 16, PEEK_BYTES = 4096 };

const size_t yoco_text_max_bytes = (size_t)1 << 32;

/* Room for the rest of a regular file at once, else twice what there is. */
static yoco_status grow(int fd, size_t used, size_t max_bytes, size_t *capacity, char **memory)
{
    struct stat info;
    size_t wanted = *capacity ? 2 * *capacity : FIRST_BYTES;
    if (!*capacity && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        if ((size_t)info.st_size > max_bytes) {
            errno = EFBIG;
            return YOCO_ERR_IO;
        }
        if ((size_t)info.st_size >= wanted)
            wanted = (size_t)info.st_size + 2;
    }
    char *larger = realloc(*memory, wanted);
    if (!larger) {
        yoco_log_error("cannot allocate %zu bytes for a text of which %zu are read", wanted, used);
        return YOCO_ERR_MEMORY;
    }
    *memory = larger;
    *capacity = wanted;
    return YOCO_OK;
}

static yoco_status read_all(int fd, size_t max_bytes, size_t *used, char **memory)
{
    size_t capacity = 0;
    for (;;) {
        if (*used + 1 >= capacity)
            YOCO_TRY(grow(fd, *used, max_bytes, &capacity, memory));
        ssize_t n = read(fd, *memory + *used, capacity - *used - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return YOCO_ERR_IO;
        if (n == 0)
            break;
        *used += (size_t)n;
        if (*used > max_bytes) {
            errno = EFBIG;
            return YOCO_ERR_IO;
        }
    }
    (*memory)[*used] = '\0';
    return YOCO_OK;
}

yoco_status yoco_text_read_fd(int fd, size_t max_bytes, yoco_text *out)
{
    char *memory = NULL;
    size_t used = 0;
    yoco_status status = read_all(fd, max_bytes, &used, &memory);
    if (status != YOCO_OK) {
        int reason = errno;
        free(memory);
        errno = reason;
        return status;
    }
    *out = (yoco_text){.data = memory, .size = used, .memory = memory};
    return YOCO_OK;
}

static yoco_status open_file(const char *path, int *fd)
{
    char hint[YOCO_FILE_NAME_HINT];
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        return YOCO_OK;
    int reason = errno;
    yoco_file_name_hint(path, hint);
    yoco_log_error("cannot open %s: %s%s", path, strerror(reason), hint);
    return YOCO_ERR_OPEN;
}

static yoco_status read_named(const char *name, int fd, size_t max_bytes, yoco_text *out)
{
    yoco_status status = yoco_text_read_fd(fd, max_bytes, out);
    if (status != YOCO_ERR_IO)
        return status;
    if (errno == EFBIG) {
        yoco_log_error("%s has more than %zu bytes, the most that are read: shorten it", name,
                       max_bytes);
        return YOCO_ERR_DATA;
    }
    bool is_folder = errno == EISDIR;
    yoco_log_error("cannot read %s: %s", name,
                   is_folder ? "it is a folder, and a file is wanted" : strerror(errno));
    return is_folder ? YOCO_ERR_OPEN : YOCO_ERR_IO;
}

/* Takes `text`. */
static yoco_status give(const char *name, yoco_file_use use, yoco_text text, yoco_text *out)
{
    yoco_status status = yoco_first_bytes_check(name, use, text.data, text.size);
    if (status != YOCO_OK) {
        yoco_text_free(&text);
        return status;
    }
    size_t mark = use == YOCO_FILE_DATA ? yoco_first_bytes_mark(text.data, text.size) : 0;
    *out = (yoco_text){text.data + mark, text.size - mark, text.memory};
    return YOCO_OK;
}

yoco_status yoco_text_read(const char *path, yoco_file_use use, yoco_text *out)
{
    /* Linux cannot open /dev/stdin anew where it is a socket. */
    bool is_stdin = strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0;
    const char *name = is_stdin ? "stdin" : path;
    int fd = STDIN_FILENO;
    yoco_text text;
    if (!is_stdin)
        YOCO_TRY(open_file(path, &fd));
    yoco_status status = read_named(name, fd, yoco_text_max_bytes, &text);
    if (!is_stdin)
        close(fd);
    YOCO_TRY(status);
    return give(name, use, text, out);
}

/* Weights in place of a config may be many gigabytes. A pipe has no bytes to go back to. */
static yoco_status peek(const char *path, int fd)
{
    char bytes[PEEK_BYTES];
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    return n > 0 ? yoco_first_bytes_check(path, YOCO_FILE_DATA, bytes, (size_t)n) : YOCO_OK;
}

yoco_status yoco_text_read_data(const char *path, bool any_kind, size_t max_bytes, yoco_text *out)
{
    int fd;
    yoco_text text;
    struct stat info;
    /* A name that nothing has may stand there in another form, which open_file looks for. */
    bool is_there = lstat(path, &info) == 0;
    YOCO_TRY(any_kind || !is_there ? open_file(path, &fd) : yoco_regular_open(path, &fd));
    yoco_status status = peek(path, fd);
    if (status == YOCO_OK)
        status = read_named(path, fd, max_bytes, &text);
    close(fd);
    YOCO_TRY(status);
    return give(path, YOCO_FILE_DATA, text, out);
}

void yoco_text_free(yoco_text *text)
{
    free(text->memory);
    *text = (yoco_text){0};
}
