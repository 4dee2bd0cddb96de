#include "configs/files/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

void yoco_hash_text(yoco_hash hash, char text[YOCO_HASH_TEXT_BYTES])
{
    snprintf(text, YOCO_HASH_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}

bool yoco_hash_parse(const char *text, yoco_hash *out)
{
    uint64_t halves[2] = {0};
    if (strlen(text) != YOCO_HASH_TEXT_BYTES - 1)
        return false;
    for (int i = 0; i < YOCO_HASH_TEXT_BYTES - 1; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, text[i]);
        if (!digit)
            return false;
        halves[i / 16] = halves[i / 16] << 4 | (uint64_t)(digit - digits);
    }
    *out = (yoco_hash){halves[0], halves[1]};
    return true;
}

yoco_status yoco_hasher_create(yoco_hasher **out)
{
    yoco_hasher *hasher = XXH3_createState();
    if (!hasher) {
        yoco_log_error("cannot allocate the state of a hash");
        return YOCO_ERR_MEMORY;
    }
    XXH3_128bits_reset(hasher);
    *out = hasher;
    return YOCO_OK;
}

void yoco_hasher_add(yoco_hasher *hasher, const void *data, size_t bytes)
{
    if (bytes > 0)
        XXH3_128bits_update(hasher, data, bytes);
}

yoco_hash yoco_hasher_finish(yoco_hasher *hasher)
{
    XXH128_hash_t hash = XXH3_128bits_digest(hasher);
    XXH3_freeState(hasher);
    return (yoco_hash){hash.high64, hash.low64};
}
