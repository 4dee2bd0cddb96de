/* Gated retention for heads of any size, the walk over blocks, and the step of decode. */
#include "kernels/cuda/retention.cuh"

constexpr int STEP_COLUMNS = 32;
constexpr int STEP_GROUPS = 8;
constexpr int MOST_STATES = 128; /* of a launch */

/* A block of threads for each (block, head, row). */
__global__ void __launch_bounds__(DECAY_THREADS) retention_out_kernel(yoco_retention_args args)
{
    YOCO_SHARED(shared);
    double *decay = (double *)shared, *totals = decay + YOCO_RETENTION_ROWS;
    float *weights = (float *)(totals + DECAY_WARPS);
    int dim = args.head_dim, head = blockIdx.y, t = threadIdx.x;
    retention_block rows = block_rows(args, blockIdx.x / YOCO_RETENTION_ROWS);
    int64_t row = blockIdx.x % YOCO_RETENTION_ROWS, stride = (int64_t)args.n_heads * dim;
    if (row >= rows.n_rows)
        return;
    sum_decays(args, rows, head, decay, totals);
    int64_t at = rows.first * stride + head * dim;
    if (t <= row) {
        const float *q = args.q + at + row * stride, *k = args.k + at + t * stride;
        float dot = 0.0f;
        for (int i = 0; i < dim; i++)
            dot = fmaf(q[i], k[i], dot);
        weights[t] = expf((float)(decay[row] - decay[t])) * dot;
    }
    if (t == 0)
        args.decay[(rows.first + row) * args.n_heads + head] = (float)decay[row];
    __syncthreads();
    for (int j = t; j < dim; j += DECAY_THREADS) {
        float sum = 0.0f;
        for (int64_t s = 0; s <= row; s++)
            sum = fmaf(weights[s], args.v[at + s * stride + j], sum);
        args.out[at + row * stride + j] = sum;
    }
}

/* A block of threads for each (block, head, row of the state). */
__global__ void __launch_bounds__(DECAY_THREADS) retention_state_kernel(yoco_retention_args args)
{
    YOCO_SHARED(shared);
    double *decay = (double *)shared, *totals = decay + YOCO_RETENTION_ROWS;
    float *weights = (float *)(totals + DECAY_WARPS);
    int dim = args.head_dim, head = blockIdx.y, t = threadIdx.x;
    int64_t block = blockIdx.x / (unsigned)dim, i = blockIdx.x % (unsigned)dim;
    int64_t stride = (int64_t)args.n_heads * dim;
    retention_block rows = block_rows(args, block);
    sum_decays(args, rows, head, decay, totals);
    int64_t at = rows.first * stride + head * dim;
    if (t < rows.n_rows)
        weights[t] = expf((float)(decay[rows.n_rows - 1] - decay[t])) * args.k[at + t * stride + i];
    __syncthreads();
    float *state = args.state + ((block * args.n_heads + head) * dim + i) * dim;
    for (int j = t; j < dim; j += DECAY_THREADS) {
        float sum = 0.0f;
        for (int64_t s = 0; s < rows.n_rows; s++)
            sum = fmaf(weights[s], args.v[at + s * stride + j], sum);
        state[j] = sum;
    }
}

/* The state is in f32 at every block's end, as it is where a piece ends. */
__global__ void retention_scan_kernel(yoco_retention_args args, int64_t n_blocks)
{
    int64_t state_size = (int64_t)args.head_dim * args.head_dim, n = args.n_heads * state_size;
    for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
        float carry = args.edge_in[i];
        for (int64_t block = 0; block < n_blocks; block++) {
            retention_block rows = block_rows(args, block);
            int64_t last = rows.first + rows.n_rows - 1;
            float decay = expf(args.decay[last * args.n_heads + i / state_size]);
            float *state = &args.state[block * n + i];
            float local = *state;
            *state = carry;
            carry = fmaf(decay, carry, local);
        }
        args.edge_out[i] = carry;
    }
}

__global__ void retention_correct_kernel(yoco_retention_args args)
{
    int dim = args.head_dim;
    int64_t n = args.n_rows * args.n_heads * dim;
    for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
        int64_t row = i / dim / args.n_heads, head = i / dim % args.n_heads, j = i % dim;
        int64_t block = row / YOCO_RETENTION_ROWS;
        const float *q = args.q + i - j;
        const float *state = args.state + (block * args.n_heads + head) * dim * dim + j;
        float sum = 0.0f;
        for (int64_t k = 0; k < dim; k++)
            sum = fmaf(q[k], state[k * dim], sum);
        args.out[i] = fmaf(expf(args.decay[row * args.n_heads + head]), sum, args.out[i]);
    }
}

/* A block of threads for 32 columns of the state of a (row, head); its 8 groups take the state's
 * rows in turn, and their sums are added in order. */
__global__ void __launch_bounds__(STEP_COLUMNS *STEP_GROUPS)
    retention_step_kernel(yoco_retention_step_args args, by_value<float *, MOST_STATES> states)
{
    YOCO_SHARED(shared);
    float *sums = (float *)shared; /* (groups, columns) */
    int dim = args.head_dim, column = threadIdx.x % STEP_COLUMNS,
        group = threadIdx.x / STEP_COLUMNS;
    int64_t i = blockIdx.x, head = i % args.n_heads;
    int64_t j = (int64_t)blockIdx.y * STEP_COLUMNS + column;
    const float *q = args.q + i * dim, *k = args.k + i * dim;
    float *state = in_global(states.at[i / args.n_heads]) + head * dim * dim + j;
    float decay = expf((float)log_decay(args.gate[i], args.gate_scale)), sum = 0.0f;
    if (j < dim) {
        float v = args.v[i * dim + j];
        for (int64_t m = group; m < dim; m += STEP_GROUPS) {
            float s = fmaf(decay, state[m * dim], k[m] * v);
            state[m * dim] = s;
            sum = fmaf(q[m], s, sum);
        }
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (group > 0 || j >= dim)
        return;
    sum = 0.0f;
    for (int m = 0; m < STEP_GROUPS; m++)
        sum += sums[m * STEP_COLUMNS + column];
    args.out[i * dim + j] = sum;
}

static int64_t n_blocks_of(const yoco_retention_args *args)
{
    return yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS);
}

static void local(yoco_device *device, const yoco_retention_args *args)
{
    size_t shared =
        (YOCO_RETENTION_ROWS + DECAY_WARPS) * sizeof(double) + YOCO_RETENTION_ROWS * sizeof(float);
    if (args->n_rows == 0 || yoco_cuda_retention_tiles_local(device, args))
        return;
    dim3 rows((unsigned)(n_blocks_of(args) * YOCO_RETENTION_ROWS), (unsigned)args->n_heads);
    dim3 states((unsigned)(n_blocks_of(args) * args->head_dim), (unsigned)args->n_heads);
    YOCO_LAUNCH(retention_out_kernel, rows, DECAY_THREADS, shared, device->stream, *args);
    YOCO_LAUNCH(retention_state_kernel, states, DECAY_THREADS, shared, device->stream, *args);
}

static void scan(yoco_device *device, const yoco_retention_args *args)
{
    int64_t n = (int64_t)args->n_heads * args->head_dim * args->head_dim;
    YOCO_LAUNCH(retention_scan_kernel, grid_for(n), 256, 0, device->stream, *args,
                n_blocks_of(args));
}

static void correct(yoco_device *device, const yoco_retention_args *args)
{
    if (args->n_rows == 0 || yoco_cuda_retention_tiles_correct(device, args))
        return;
    YOCO_LAUNCH(retention_correct_kernel, grid_for(args->n_rows * args->n_heads * args->head_dim),
                256, 0, device->stream, *args);
}

/* The rows first .. first + n - 1. */
static void step_rows(yoco_device *device, const yoco_retention_step_args *args, int64_t first,
                      int64_t n)
{
    yoco_retention_step_args own = *args;
    by_value<float *, MOST_STATES> states = {};
    int64_t values = first * args->n_heads * args->head_dim;
    own.n_rows = n;
    own.q += values;
    own.k += values;
    own.v += values;
    own.gate += first * args->n_heads;
    own.out += values;
    own.state = NULL; /* host memory */
    for (int64_t i = 0; i < n; i++)
        states.at[i] = args->state[first + i];
    dim3 grid((unsigned)(n * args->n_heads), (unsigned)yoco_div_up(args->head_dim, STEP_COLUMNS));
    YOCO_LAUNCH(retention_step_kernel, grid, STEP_COLUMNS * STEP_GROUPS,
                STEP_COLUMNS * STEP_GROUPS * sizeof(float), device->stream, own, states);
}

static void step(yoco_device *device, const yoco_retention_step_args *args)
{
    for (int64_t first = 0; first < args->n_rows; first += MOST_STATES)
        step_rows(device, args, first, yoco_i64_min(MOST_STATES, args->n_rows - first));
}

const yoco_retention_ops yoco_cuda_retention = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
