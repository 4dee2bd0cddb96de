/* Temporary folders, made files, and what the log says, for the tests of configs. */
#ifndef YOCO_TESTS_CONFIGS_FIXTURE_H
#define YOCO_TESTS_CONFIGS_FIXTURE_H

#include "configs/model/checkpoint.h"

/* A new folder below /tmp, created by `folder_create` and removed with everything in it. */
char *folder_create(void);
void folder_remove(char *folder);

/* "folder/name"; overwritten by the eighth call after it. */
const char *path_in(const char *folder, const char *name);

void file_write(const char *path, const void *data, size_t size);
void text_write(const char *path, const char *text);
/* The caller frees it with free. */
char *file_read(const char *path, size_t *size);
void file_copy(const char *from, const char *to);
/* Replaces `from`, which must occur, by `to` of the same length; only its first place. */
void file_patch(const char *path, const char *from, const char *to);

/* A safetensors file: the length of `header`, `header`, n_data bytes 0, 1, 2, ... */
char *safetensors_bytes(const char *header, size_t n_data, size_t *size);
void safetensors_file(const char *path, const char *header, size_t n_data);

/* What a shape of the authors' release was made from. */
yoco_model_config config_of(const yoco_model_shape *shape);

/* Random weights in f32, the same at every call: 2 + 2 layers, 50 ids, at most 1000 positions;
 * sliding_window 0: gated retention. */
yoco_checkpoint *checkpoint_tiny(int sliding_window);
/* Random weights of a model that no params.json describes: a window, a retention, two layers that
 * keep K,V of different widths, three that read one or the other. */
yoco_checkpoint *checkpoint_mixed(void);

/* Random weights of 2 + 2 layers whose self-decoder is the gated delta rule: 2 q,k heads of 6, 4
 * value heads of 9, convolutions of 4 taps. */
yoco_checkpoint *checkpoint_delta(void);

/* Catches stderr between the two calls. `log_end` fails the test unless exactly one line came, and
 * it holds `expected`; NULL: no line at all. */
void log_begin(void);
void log_end(const char *expected);

#endif
