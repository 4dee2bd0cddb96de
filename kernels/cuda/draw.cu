/* Draws, by a block for each row. Weights are integers, so sums over the block have no order. What
 * is kept, and what is drawn, is found bit by bit: with each bit a sum over the row tells on which
 * side of it the answer lies. Nothing is sorted, and nothing but sums is stored. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"

#include <string.h>

constexpr int DRAW_THREADS = 256;
constexpr int KEY_BITS = 32;

struct draw_args {
    int n, n_banned;
    int64_t top_k;
    double temperature, top_p;
    const float *x;
    const double *units;
    int32_t *out;
    int32_t banned[YOCO_MAX_BANNED];
};

/* Of the ids with greater keys all, of those with this key the ones up to `id`. */
struct draw_cut {
    uint32_t key;
    int id;
};

struct draw_row {
    const draw_args *args;
    const float *x;
    double most;
    int64_t *sums; /* shared, (DRAW_THREADS) */
};

/* Ascends with x; both zeros are one. */
__device__ static uint32_t key_of(float x)
{
    uint32_t bits = __float_as_uint(x + 0.0f);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

__device__ static bool is_allowed(const draw_args &args, int id)
{
    for (int i = 0; i < args.n_banned; i++)
        if (args.banned[i] == id)
            return false;
    return true;
}

__device__ static int64_t weight_of(const draw_row &row, int id)
{
    double power = exp(((double)row.x[id] - row.most) / row.args->temperature);
    return __double2ll_rn(ldexp(power, YOCO_DRAW_BITS));
}

/* The sum over the row's allowed ids, to every thread. */
template <typename Value> __device__ static int64_t row_sum(const draw_row &row, Value value)
{
    int64_t mine = 0;
    for (int id = threadIdx.x; id < row.args->n; id += DRAW_THREADS)
        if (is_allowed(*row.args, id))
            mine += value(id);
    row.sums[threadIdx.x] = mine;
    __syncthreads();
    for (int n = DRAW_THREADS / 2; n > 0; n /= 2) {
        if ((int)threadIdx.x < n)
            row.sums[threadIdx.x] += row.sums[threadIdx.x + n];
        __syncthreads();
    }
    int64_t sum = row.sums[0];
    __syncthreads();
    return sum;
}

__device__ static bool is_kept(const draw_row &row, const draw_cut &cut, int id)
{
    uint32_t key = key_of(row.x[id]);
    return key > cut.key || (key == cut.key && id <= cut.id);
}

__device__ static int64_t kept_weight(const draw_row &row, const draw_cut &cut)
{
    return row_sum(row, [&](int id) { return is_kept(row, cut, id) ? weight_of(row, id) : 0; });
}

/* The least id whose sum over the ids up to it is at least `least`: row_sum reaches that. */
template <typename Value>
__device__ static int first_id(const draw_row &row, int64_t least, Value value)
{
    int low = 0, high = row.args->n - 1;
    while (low < high) {
        int middle = low + (high - low) / 2;
        bool reaches = row_sum(row, [&](int id) { return id <= middle ? value(id) : 0; }) >= least;
        if (reaches)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The smallest cut whose values sum up to `least` or more. */
template <typename Value>
__device__ static draw_cut find_cut(const draw_row &row, int64_t least, Value value)
{
    uint32_t key = 0;
    for (int bit = KEY_BITS - 1; bit >= 0; bit--) {
        uint32_t higher = key | 1u << bit;
        if (row_sum(row, [&](int id) { return key_of(row.x[id]) >= higher ? value(id) : 0; }) >=
            least)
            key = higher;
    }
    int64_t above = row_sum(row, [&](int id) { return key_of(row.x[id]) > key ? value(id) : 0; });
    int id =
        first_id(row, least - above, [&](int i) { return key_of(row.x[i]) == key ? value(i) : 0; });
    return {key, id};
}

__device__ static int draw(draw_row &row)
{
    const draw_args &args = *row.args;
    int64_t n = row_sum(row, [](int) { return (int64_t)1; });
    if (n == 0)
        return YOCO_ARGMAX_NONE;
    auto one = [](int) { return (int64_t)1; };
    draw_cut first = find_cut(row, 1, one), cut = {0, args.n - 1};
    row.most = row.x[first.id];
    if (args.top_k > 0 && args.top_k < n)
        cut = find_cut(row, args.top_k, one);
    int64_t kept = kept_weight(row, cut);
    if (args.top_p < 1.0) {
        int64_t least = (int64_t)ceil(args.top_p * (double)kept);
        draw_cut outer = cut;
        cut = find_cut(row, least > 1 ? least : 1, [&](int id) {
            return is_kept(row, outer, id) ? weight_of(row, id) : (int64_t)0;
        });
        kept = kept_weight(row, cut);
    }
    int64_t before = (int64_t)(args.units[blockIdx.x] * (double)kept);
    before = before < kept - 1 ? before : kept - 1;
    return first_id(row, before + 1, [&](int id) {
        return is_kept(row, cut, id) ? weight_of(row, id) : (int64_t)0;
    });
}

__global__ void __launch_bounds__(DRAW_THREADS) draw_kernel(draw_args args)
{
    YOCO_SHARED(shared);
    draw_row row = {&args, args.x + (int64_t)blockIdx.x * args.n, 0.0, (int64_t *)shared};
    bool finite = true;
    for (int id = threadIdx.x; id < args.n; id += DRAW_THREADS)
        finite = finite && (__float_as_uint(row.x[id]) & 0x7f800000u) != 0x7f800000u;
    row.sums[threadIdx.x] = finite ? 0 : 1;
    __syncthreads();
    int64_t n_bad = 0;
    for (int i = 0; i < DRAW_THREADS; i++)
        n_bad += row.sums[i];
    __syncthreads();
    int id = n_bad > 0 ? YOCO_ARGMAX_NOT_FINITE : draw(row);
    if (threadIdx.x == 0)
        args.out[blockIdx.x] = id;
}

/* The random numbers, and the result until it is downloaded, lie in the ring of descriptors. */
void yoco_cuda_draw(yoco_device *device, const yoco_draw_args *args)
{
    size_t unit_bytes = (size_t)args->n_rows * sizeof *args->units;
    size_t out_bytes = (size_t)args->n_rows * sizeof *args->out;
    void *units, *host;
    if (args->n_rows == 0 ||
        !(host = yoco_cuda_staging_begin(device, unit_bytes + out_bytes, &units)))
        return;
    memcpy(host, args->units, unit_bytes);
    yoco_cuda_staging_send(device, host, unit_bytes, units);
    int32_t *out = (int32_t *)((char *)units + unit_bytes);
    draw_args own = {args->n,     args->n_banned, args->top_k,           args->temperature,
                     args->top_p, args->x,        (const double *)units, out,
                     {}};
    if (args->n_banned > 0)
        memcpy(own.banned, args->banned, (size_t)args->n_banned * sizeof *args->banned);
    YOCO_LAUNCH(draw_kernel, (unsigned)args->n_rows, DRAW_THREADS, DRAW_THREADS * sizeof(int64_t),
                device->stream, own);
    yoco_cuda_download(device, args->out, out, out_bytes);
}
