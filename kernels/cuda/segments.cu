/* Every layer of a step has the same segments, so a list is sent once: as long as it stays the
 * same, the device's copy serves. It is written on the stream, after the kernels that read the one
 * before. Maps stand before their list, and are sent with it.
 */
#include "kernels/cuda/bulk_copy.cuh"
#include "kernels/cuda/segments.cuh"

#include <string.h>

constexpr int MOST_KEPT = 1024; /* segments; longer lists are sent with every call */

yoco_status yoco_cuda_segments_open(yoco_device *device)
{
    for (kept_segments &kept : device->segments) {
        void *host;
        /* The list as sent, and the one to compare with it. */
        YOCO_TRY(yoco_alloc(2 * MOST_KEPT * sizeof(device_segment), "lists of segments", &host));
        kept.host = (device_segment *)host;
        YOCO_TRY(yoco_cuda_alloc(device,
                                 MOST_KEPT * (sizeof(segment_maps) + sizeof(device_segment)),
                                 "a list of segments", (void **)&kept.device));
    }
    return YOCO_OK;
}

void yoco_cuda_segments_close(yoco_device *device)
{
    for (kept_segments &kept : device->segments) {
        yoco_cuda_free(device, kept.device);
        yoco_free(kept.host);
    }
}

static int64_t fill(device_segment *list, const yoco_attend_args *args,
                    const segment_tasks &n_tasks)
{
    int64_t total = 0;
    memset((void *)list, 0, (size_t)args->n_segments * sizeof *list); /* padding too */
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        list[i].segment = *segment;
        list[i].n_blocks = yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        list[i].first_task = total;
        total += segment->n_queries > 0 ? n_tasks(list[i].n_blocks, segment->n_queries) : 0;
    }
    return total;
}

/* A list and its maps. */
struct sent_list {
    const yoco_attend_args *args;
    int map_rows;
    int64_t columns; /* 0: no maps */
    size_t map_bytes, list_bytes;
};

static sent_list describe(const yoco_attend_args *args, int map_rows)
{
    size_t n = (size_t)args->n_segments;
    sent_list s = {args, map_rows, 0, 0, n * sizeof(device_segment)};
    if (map_rows > 0) {
        s.columns = (int64_t)args->n_kv_heads * args->head_dim;
        s.map_bytes = n * sizeof(segment_maps);
    }
    return s;
}

/* Of K,V rows of s.columns; of a segment without rows there is no map, and nobody asks for one. */
static bool make_maps(yoco_device *device, const sent_list &s, segment_maps *maps)
{
    for (int i = 0; s.columns > 0 && i < s.args->n_segments; i++) {
        const yoco_kv_segment *segment = &s.args->segments[i];
        int64_t n = segment->n_rows;
        if (n > 0 &&
            (!yoco_cuda_tile_map(device, segment->k, n, s.columns, s.map_rows, &maps[i].k) ||
             !yoco_cuda_tile_map(device, segment->v, n, s.columns, s.map_rows, &maps[i].v)))
            return false;
    }
    return true;
}

static segment_list list_at(const char *device_memory, const sent_list &s, int64_t n_tasks)
{
    return {(const device_segment *)(device_memory + s.map_bytes),
            s.columns ? (const segment_maps *)device_memory : NULL, s.args->n_segments, n_tasks};
}

/* Room for a list in the ring, behind its maps, which stand there; *host is where both begin. */
static device_segment *begin(yoco_device *device, const sent_list &s, char **host, void **mirror)
{
    *host = (char *)yoco_cuda_staging_begin(device, s.map_bytes + s.list_bytes, mirror);
    if (!*host || !make_maps(device, s, (segment_maps *)*host))
        return NULL;
    return (device_segment *)(*host + s.map_bytes);
}

static bool keep(yoco_device *device, kept_segments *kept, const sent_list &s,
                 const segment_tasks &n_tasks, segment_list *out)
{
    device_segment *list = kept->host + MOST_KEPT;
    int64_t total = fill(list, s.args, n_tasks);
    char *host;
    *out = list_at(kept->device, s, total);
    if (total == 0 || (kept->n == s.args->n_segments && kept->map_columns == s.columns &&
                       memcmp(kept->host, list, s.list_bytes) == 0))
        return total > 0;
    kept->n = 0;
    device_segment *sent = begin(device, s, &host, NULL);
    if (!sent)
        return false;
    memcpy((void *)sent, list, s.list_bytes);
    yoco_cuda_staging_send(device, host, s.map_bytes + s.list_bytes, kept->device);
    memcpy((void *)kept->host, list, s.list_bytes);
    kept->n = s.args->n_segments;
    kept->map_columns = s.columns;
    return true;
}

bool yoco_cuda_send_segments(yoco_device *device, segment_use use, const yoco_attend_args *args,
                             const segment_tasks &n_tasks, int map_rows, segment_list *out)
{
    sent_list s = describe(args, map_rows);
    char *host;
    void *mirror;
    if (args->n_segments == 0)
        return false;
    if (args->n_segments <= MOST_KEPT)
        return keep(device, &device->segments[use], s, n_tasks, out);
    device_segment *list = begin(device, s, &host, &mirror);
    if (!list)
        return false;
    int64_t total = fill(list, args, n_tasks);
    yoco_cuda_staging_send(device, host, s.map_bytes + s.list_bytes, mirror);
    *out = list_at((const char *)mirror, s, total);
    return total > 0;
}
