/* What every folder may use: status codes, the log, checked arithmetic, memory, the clock,
 * read-only file maps. */
#ifndef YOCO_BASE_H
#define YOCO_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0 is success. Whoever decides on an error logs it, callers pass it up; outputs are written only
 * on success. */
typedef enum yoco_status {
    YOCO_OK = 0,
    YOCO_ERR_USAGE,    /* exit 2: wrong arguments */
    YOCO_ERR_DATA,     /* exit 65: input that breaks its format or its limits */
    YOCO_ERR_OPEN,     /* exit 66: a file or folder that cannot be opened */
    YOCO_ERR_INTERNAL, /* exit 70: a library failed, or ranks diverged */
    YOCO_ERR_MEMORY,   /* exit 70: not enough memory */
    YOCO_ERR_IO,       /* exit 74: reading or writing failed midway */
    YOCO_ERR_STOPPED,  /* exit 75: a wait failed or passed its deadline */
    YOCO_N_STATUS
} yoco_status;

const char *yoco_status_text(yoco_status status);
int yoco_status_exit_code(yoco_status status);
/* Of a file or folder that could not be made: YOCO_ERR_IO where there is no room for it (a full
 * disk, a quota), else YOCO_ERR_OPEN. */
static inline yoco_status yoco_status_of_errno(int error)
{
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG || error == EIO;
    return full ? YOCO_ERR_IO : YOCO_ERR_OPEN;
}

#define YOCO_TRY(expr)                                                                             \
    do {                                                                                           \
        yoco_status try_status_ = (expr);                                                          \
        if (try_status_ != YOCO_OK)                                                                \
            return try_status_;                                                                    \
    } while (0)

/* Grids that decide where sums are cut, so part of what every bit depends on. Both restart at every
 * chunk. */
enum {
    YOCO_BLOCK_ROWS = 1024,    /* K,V rows per partial of the exact merge */
    YOCO_RETENTION_ROWS = 256, /* rows per block of the retention recurrence */
    YOCO_DELTA_ROWS = 64,      /* rows per block of the delta rule */
};

enum { YOCO_MERGE_FLAGS = 9 }; /* floats behind the maxima of a merge: see worker/merge.c */

/* Storage types of tensors. I64 appears in dumps only, F16 and F64 in files only. */
typedef enum yoco_dtype { YOCO_F32, YOCO_BF16, YOCO_F16, YOCO_F64, YOCO_I64 } yoco_dtype;

size_t yoco_dtype_bytes(yoco_dtype dtype);
const char *yoco_dtype_name(yoco_dtype dtype); /* "F32", "BF16", ... as in safetensors */

/* bfloat16 <-> f32; rounding is to nearest, ties to even; NaN stays NaN. */
static inline float yoco_bf16_to_f32(uint16_t bits)
{
    union {
        uint32_t u;
        float f;
    } v = {.u = (uint32_t)bits << 16};
    return v.f;
}

static inline uint16_t yoco_f32_to_bf16(float value)
{
    union {
        float f;
        uint32_t u;
    } v = {.f = value};
    if ((v.u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(v.u >> 16 | 0x40u);
    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1u)) >> 16);
}

float yoco_f16_to_f32(uint16_t bits);

/* The log goes to stderr, a line per call, "rank 3: " in front once there is more than one rank. */
void yoco_log_set_rank(int rank, int n_ranks);
const char *yoco_log_prefix(void);   /* "rank 3: " or "", for signal handlers */
void yoco_log_set_quiet(bool quiet); /* drops all lines, for what every rank would say alike */
void yoco_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void yoco_log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void yoco_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { YOCO_LOG_LINE_BYTES = 2048 };

/* From here on this thread's errors are not printed: where ranks do the same alone, whoever
 * compares them prints what is not the same (yoco_comm_agree_lines). */
void yoco_log_hold(void);
/* The first error that is held; empty: none. */
const char *yoco_log_held(void);
/* Ends that. The first error since the hold, or since the start; empty: none. False: it is printed
 * already. */
bool yoco_log_release(char line[YOCO_LOG_LINE_BYTES]);

/* The last error of this thread as it was logged, for a record; "" where none was since the last
 * yoco_log_forget_error. */
const char *yoco_log_last_error(void);
void yoco_log_forget_error(void);

/* False on overflow; *out is then untouched. */
static inline bool yoco_size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline bool yoco_size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline int64_t yoco_i64_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t yoco_i64_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t yoco_div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline int64_t yoco_round_up(int64_t a, int64_t multiple)
{
    return yoco_div_up(a, multiple) * multiple;
}

/* 64-byte aligned, contents undefined; logs and returns YOCO_ERR_MEMORY with `what` in the line. 0
 * bytes give NULL. */
yoco_status yoco_alloc(size_t bytes, const char *what, void **out);
void yoco_free(void *ptr);

double yoco_now_s(void); /* monotonic seconds */

/* Which file it is, and which state of it. On one machine, equal ids are the same bytes. */
typedef struct yoco_file_id {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
} yoco_file_id;

/* A whole regular file, mapped read-only. An empty file has data NULL and size 0. If the file is
 * cut short while it is mapped, reading what is gone ends the program with one line and exit
 * code 74. */
typedef struct yoco_map {
    const uint8_t *data;
    size_t size;
    yoco_file_id id; /* as it was opened; 0 where the bytes are of no file */
} yoco_map;

yoco_status yoco_map_open(const char *path, yoco_map *out);
/* A regular file to read from; of anything else YOCO_ERR_OPEN and a line, without a wait. */
yoco_status yoco_regular_open(const char *path, int *fd);
void yoco_map_close(yoco_map *map);

/* "1048576", "128K", "1M", "80G" (powers of 1024), at least 0. False when it is no such number. */
bool yoco_parse_size(const char *text, int64_t *out);

#endif
