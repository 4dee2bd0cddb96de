/* Draws, by several blocks for each row. Weights are integers, so sums over blocks have no order.
 * What is kept, and what is drawn, is found by a radix search: the ids stand in one order, by
 * descending logit, then ascending id; a pass sums up what the 256 next digits of that order weigh,
 * and the following pass begins by choosing the digit in which the sum from the top reaches what is
 * sought. Nothing is sorted. */
#include "kernels/cuda/choice.cuh"

constexpr int BINS = CHOICE_THREADS; /* one for each thread of a block */
constexpr int CHOICE_WARPS = CHOICE_THREADS / WARP;
constexpr int ID_DIGITS = 3, ORDER_DIGITS = 7;
constexpr int MOST_PASSES = 2 * ORDER_DIGITS + ID_DIGITS;
constexpr int MOST_ROWS = 64; /* of a launch */
constexpr uint64_t LAST_ID = ((uint64_t)1 << 8 * ID_DIGITS) - 1;

/* TOP_K counts ids, the others weigh them; DRAW goes by the id alone. */
enum draw_search { TOP_K, TOP_P, DRAW, FINISH };

/* A pass over a digit, the last of a search being 0. */
struct draw_pass {
    draw_search search;
    int digit;
    bool is_first;
};

struct draw_state {
    uint64_t cut;   /* ids before it in the order are kept, and it itself; 0: all */
    uint64_t found; /* digits of the search under way */
    int64_t sought; /* what the ids with these digits still have to reach */
};

/* Of one row, from zeros. */
struct draw_row {
    unsigned max_key, bad;
    draw_state states[MOST_PASSES + 1];         /* as pass i begins */
    unsigned long long sums[MOST_PASSES][BINS]; /* of pass i */
};

struct draw_memory {
    int32_t out[MOST_ROWS];
    draw_row rows[MOST_ROWS];
};

struct draw_args {
    int n;
    banned_ids banned;
    int64_t top_k;
    double temperature, top_p;
    const float *x;
    draw_memory *memory;
    by_value<double, MOST_ROWS> units;
};

__device__ static uint64_t order_of(uint32_t key, int id)
{
    return (uint64_t)key << 8 * ID_DIGITS | (LAST_ID - (uint64_t)id);
}

__device__ static float value_of(uint32_t key)
{
    return __uint_as_float(key ^ (key >> 31 ? 0x80000000u : 0xffffffffu));
}

__device__ static uint64_t weight_of(uint32_t key, double most, double temperature)
{
    double power = exp(((double)value_of(key) - most) / temperature);
    return (uint64_t)__double2ll_rn(ldexp(power, YOCO_DRAW_BITS));
}

__global__ void __launch_bounds__(CHOICE_THREADS) draw_scan_kernel(draw_args args)
{
    draw_row *row = &args.memory->rows[blockIdx.y];
    uint32_t keys[CHOICE_EACH];
    unsigned most = 0, bad = 0;
    load_keys(args.x + (int64_t)blockIdx.y * args.n, args.n, keys);
#pragma unroll
    for (int i = 0; i < CHOICE_EACH; i++) {
        int id = choice_id(i);
        bad |= is_finite_key(keys[i]) ? 0u : 1u;
        if (id < args.n && keys[i] > most && !is_banned(args.banned, id))
            most = keys[i];
    }
    for (int mask = WARP / 2; mask > 0; mask /= 2) {
        unsigned other = __shfl_xor_sync(ALL_LANES, most, mask);
        most = other > most ? other : most;
        bad |= __shfl_xor_sync(ALL_LANES, bad, mask);
    }
    if (threadIdx.x % WARP == 0) {
        atomicMax(&row->max_key, most);
        atomicOr(&row->bad, bad);
    }
}

/* What a search whose values sum up to `total` looks for: at least 1, at most the total. */
__device__ static int64_t sought_of(const draw_args &args, draw_search search, int64_t total)
{
    int64_t sought;
    if (search == TOP_K)
        sought = args.top_k;
    else if (search == TOP_P)
        sought = (int64_t)ceil(args.top_p * (double)total);
    else
        sought = (int64_t)(args.units.at[blockIdx.y] * (double)total) + 1;
    sought = sought > 1 ? sought : 1;
    return sought < total ? sought : total;
}

/* The state as the pass after `pass` begins, to all threads: thread i adds up the bins from the top
 * to 255 - i. */
__device__ static draw_state advance(const draw_args &args, draw_pass pass, draw_state state,
                                     const unsigned long long *sums, unsigned long long *shared)
{
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, bin = BINS - 1 - (int)threadIdx.x;
    unsigned long long own = sums[bin], sum = own;
    for (int delta = 1; delta < WARP; delta *= 2) {
        unsigned long long before = __shfl_up_sync(ALL_LANES, sum, delta);
        sum += lane >= delta ? before : 0;
    }
    if (lane == WARP - 1)
        shared[warp] = sum;
    __syncthreads();
    unsigned long long total = 0;
    for (int i = 0; i < CHOICE_WARPS; i++) {
        sum += i < warp ? shared[i] : 0;
        total += shared[i];
    }
    int64_t sought = pass.is_first ? sought_of(args, pass.search, (int64_t)total) : state.sought;
    __syncthreads();
    /* One bin crosses, but where there are no ids at all. */
    if ((int64_t)sum >= sought && (int64_t)(sum - own) < sought) {
        shared[0] = (unsigned long long)bin;
        shared[1] = (unsigned long long)sought - (sum - own);
    }
    __syncthreads();
    state.found = (pass.is_first ? 0 : state.found) | (uint64_t)(uint8_t)shared[0]
                                                          << 8 * pass.digit;
    state.sought = (int64_t)shared[1];
    if (pass.digit == 0 && pass.search != DRAW)
        state.cut = state.found;
    __syncthreads();
    return state;
}

/* Adds up a value in the block's bins: 16 bits of it and the rest, since shared memory adds 32. */
__device__ static void add_value(unsigned *low, unsigned *high, int bin, uint64_t value)
{
    if ((value & 0xffff) != 0)
        atomicAdd(&low[bin], (unsigned)(value & 0xffff));
    if (value >> 16 != 0)
        atomicAdd(&high[bin], (unsigned)(value >> 16));
}

/* This thread's ids, neighbours in the same bin together. */
__device__ static void add_ids(const draw_args &args, const draw_row &row, draw_pass pass,
                               const draw_state &state, unsigned *low, unsigned *high)
{
    uint32_t keys[CHOICE_EACH];
    double most = (double)value_of(row.max_key);
    int bin = 0, above = 8 * (pass.digit + 1);
    uint64_t sum = 0;
    load_keys(args.x + (int64_t)blockIdx.y * args.n, args.n, keys);
#pragma unroll 1
    for (int i = 0; i < CHOICE_EACH; i++) {
        int id = choice_id(i);
        uint64_t order = order_of(keys[i], id);
        bool counts = id < args.n && order >= state.cut && !is_banned(args.banned, id);
        if (pass.search == DRAW)
            order &= LAST_ID;
        if (!counts || (!pass.is_first && order >> above != state.found >> above))
            continue;
        int own = (int)(order >> 8 * pass.digit & 0xff);
        if (own != bin) {
            add_value(low, high, bin, sum);
            sum = 0;
            bin = own;
        }
        sum += pass.search == TOP_K ? 1 : weight_of(keys[i], most, args.temperature);
    }
    add_value(low, high, bin, sum);
}

__device__ static int id_of(const draw_row &row, const draw_state &state)
{
    if (row.bad)
        return YOCO_ARGMAX_NOT_FINITE;
    return row.max_key == 0 ? YOCO_ARGMAX_NONE : (int)(LAST_ID - state.found);
}

/* Pass `index`, after `before`; the first one follows none. */
__global__ void __launch_bounds__(CHOICE_THREADS)
    draw_pass_kernel(draw_args args, int index, draw_pass before, draw_pass pass)
{
    YOCO_SHARED(shared);
    unsigned *low = (unsigned *)shared, *high = low + BINS;
    draw_row *row = &args.memory->rows[blockIdx.y];
    draw_state state = {};
    if (index > 0)
        state = advance(args, before, row->states[index - 1], row->sums[index - 1],
                        (unsigned long long *)shared);
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        row->states[index] = state;
        if (pass.search == FINISH)
            args.memory->out[blockIdx.y] = id_of(*row, state);
    }
    if (pass.search == FINISH)
        return;
    low[threadIdx.x] = high[threadIdx.x] = 0;
    __syncthreads();
    add_ids(args, *row, pass, state, low, high);
    __syncthreads();
    unsigned long long sum = low[threadIdx.x] + ((unsigned long long)high[threadIdx.x] << 16);
    if (sum > 0)
        atomicAdd(&row->sums[index][threadIdx.x], sum);
}

static int list_passes(const yoco_draw_args *args, draw_pass (&out)[MOST_PASSES + 1])
{
    const struct {
        draw_search search;
        int n_digits;
        bool wanted;
    } searches[] = {{TOP_K, ORDER_DIGITS, args->top_k > 0},
                    {TOP_P, ORDER_DIGITS, args->top_p < 1.0},
                    {DRAW, ID_DIGITS, true}};
    int n = 0;
    for (const auto &s : searches)
        for (int digit = s.n_digits - 1; s.wanted && digit >= 0; digit--)
            out[n++] = {s.search, digit, digit == s.n_digits - 1};
    out[n] = {FINISH, 0, false};
    return n + 1;
}

static void draw_rows(yoco_device *device, const yoco_draw_args *args, int64_t first, int64_t n)
{
    constexpr size_t SHARED = 2 * BINS * sizeof(unsigned);
    draw_pass passes[MOST_PASSES + 1];
    int n_passes = list_passes(args, passes);
    draw_memory *memory = device->draw;
    draw_args own = {args->n,     list_banned(args->n_banned, args->banned),
                     args->top_k, args->temperature,
                     args->top_p, args->x + first * args->n,
                     memory,      {}};
    for (int64_t i = 0; i < n; i++)
        own.units.at[i] = args->units[first + i];
    dim3 grid = choice_grid(args->n, n);
    yoco_cuda_zero(device, memory->rows, (size_t)n * sizeof(draw_row));
    YOCO_LAUNCH(draw_scan_kernel, grid, CHOICE_THREADS, 0, device->stream, own);
    for (int i = 0; i < n_passes; i++) {
        if (passes[i].search == FINISH)
            grid.x = 1;
        YOCO_LAUNCH(draw_pass_kernel, grid, CHOICE_THREADS, SHARED, device->stream, own, i,
                    passes[i > 0 ? i - 1 : 0], passes[i]);
    }
    yoco_cuda_download(device, args->out + first, memory->out, (size_t)n * sizeof *args->out);
}

static void draw(yoco_device *device, const yoco_draw_args *args)
{
    for (int64_t first = 0; first < args->n_rows; first += MOST_ROWS)
        draw_rows(device, args, first, yoco_i64_min(MOST_ROWS, args->n_rows - first));
}

yoco_status yoco_cuda_draw_open(yoco_device *device)
{
    return yoco_cuda_alloc(device, sizeof(draw_memory), "the sums of draws",
                           (void **)&device->draw);
}

void yoco_cuda_draw_close(yoco_device *device)
{
    yoco_cuda_free(device, device->draw);
}

const yoco_choose_ops yoco_cuda_choose = {
    .argmax = yoco_cuda_argmax,
    .draw = draw,
};
