#include "coordinator/text/merges.h"

#include <string.h>

/* Open addressing, linear probing, at most half full. */
typedef struct slot {
    int32_t left, right;
    uint32_t rank; /* YOCO_NO_MERGE: free */
} slot;

struct yoco_merges {
    slot *slots; /* (slot_mask + 1) */
    size_t slot_mask;
    int32_t *ids; /* (n): by rank */
    uint32_t n;
};

yoco_status yoco_merges_create(size_t max, yoco_merges **out)
{
    yoco_merges *merges;
    size_t n_slots = 16;
    while (n_slots < 2 * max)
        n_slots *= 2;
    YOCO_TRY(yoco_alloc(sizeof *merges, "merges", (void **)&merges));
    *merges = (yoco_merges){.slot_mask = n_slots - 1};
    yoco_status status =
        yoco_alloc(n_slots * sizeof *merges->slots, "merges", (void **)&merges->slots);
    if (status == YOCO_OK)
        status = yoco_alloc(max * sizeof *merges->ids, "merges", (void **)&merges->ids);
    if (status != YOCO_OK) {
        yoco_merges_free(merges);
        return status;
    }
    memset(merges->slots, 0xff, n_slots * sizeof *merges->slots);
    *out = merges;
    return YOCO_OK;
}

void yoco_merges_free(yoco_merges *merges)
{
    if (!merges)
        return;
    yoco_free(merges->slots);
    yoco_free(merges->ids);
    yoco_free(merges);
}

/* The slot of a pair: the one that holds it, or the free one where it belongs. */
static slot *slot_of(const yoco_merges *merges, int32_t left, int32_t right)
{
    /* The finisher of splitmix64 (Steele, Lea, Flood 2014). */
    uint64_t hash = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
    for (size_t i = hash & merges->slot_mask;; i = (i + 1) & merges->slot_mask) {
        slot *s = &merges->slots[i];
        if (s->rank == YOCO_NO_MERGE || (s->left == left && s->right == right))
            return s;
    }
}

void yoco_merges_add(yoco_merges *merges, int32_t left, int32_t right, int32_t id)
{
    *slot_of(merges, left, right) = (slot){left, right, merges->n};
    merges->ids[merges->n++] = id;
}

uint32_t yoco_merges_find(const yoco_merges *merges, int32_t left, int32_t right)
{
    return slot_of(merges, left, right)->rank;
}

int32_t yoco_merges_id(const yoco_merges *merges, uint32_t rank)
{
    return merges->ids[rank];
}
