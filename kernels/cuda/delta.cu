/* The gated delta rule, for heads of any size. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_delta.h"

constexpr int ROWS = YOCO_DELTA_ROWS;
constexpr int BLOCK_THREADS = 128;
constexpr int COLUMNS = 32;      /* of a state, for a block of threads */
constexpr int GROUPS = 8;        /* that take rows in turn */
constexpr int MOST_STATES = 128; /* of a launch */

/* One value head of one block of rows. */
struct delta_block {
    int64_t first, n_rows;
    const float *q, *k; /* of its q,k head */
    int64_t qk_stride, u_stride, w_stride;
    float *u, *minus_w;
    const float *g, *beta; /* every n_heads-th */
};

__device__ static delta_block cut_block(const yoco_delta_args &args, int64_t block, int head)
{
    int qk_head = head / (args.n_heads / args.n_qk_heads);
    delta_block b;
    b.first = block * ROWS;
    b.n_rows = args.n_rows - b.first < ROWS ? args.n_rows - b.first : (int64_t)ROWS;
    b.qk_stride = (int64_t)args.n_qk_heads * args.k_dim;
    b.u_stride = (int64_t)args.n_heads * args.v_dim;
    b.w_stride = (int64_t)args.n_heads * args.k_dim;
    b.q = args.q + b.first * b.qk_stride + (int64_t)qk_head * args.k_dim;
    b.k = args.k + b.first * b.qk_stride + (int64_t)qk_head * args.k_dim;
    b.u = args.u + b.first * b.u_stride + (int64_t)head * args.v_dim;
    b.minus_w = args.minus_w + b.first * b.w_stride + (int64_t)head * args.k_dim;
    b.g = args.g + b.first * args.n_heads + head;
    b.beta = args.beta + b.first * args.n_heads + head;
    return b;
}

/* sums (ROWS): of g up to each row, in f64. Ends with the block's threads in step. */
__device__ static void sum_decay(const delta_block &b, int n_heads, double *sums)
{
    __syncthreads(); /* earlier sums are read */
    if (threadIdx.x == 0) {
        double sum = 0.0;
        for (int64_t t = 0; t < b.n_rows; t++)
            sums[t] = sum += b.g[t * n_heads];
    }
    __syncthreads();
}

/* weights (ROWS, ROWS) of row and s, for s < row, or s <= row: e^(sum_row - sum_s) (x_row k_s). */
__device__ static void row_weights(const delta_block &b, const float *x, int k_dim, bool with_own,
                                   const double *sums, float *weights)
{
    for (int i = threadIdx.x; i < b.n_rows * ROWS; i += blockDim.x) {
        int row = i / ROWS, s = i % ROWS;
        if (s > row || (s == row && !with_own))
            continue;
        const float *x_row = x + row * b.qk_stride, *k_row = b.k + s * b.qk_stride;
        float dot = 0.0f;
        for (int j = 0; j < k_dim; j++)
            dot = fmaf(x_row[j], k_row[j], dot);
        weights[i] = expf((float)(sums[row] - sums[s])) * dot;
    }
    __syncthreads();
}

/* Column j of rows x: x_t -= sum over s < t of weights (t, s) x_s, each from those before. */
__device__ static void solve_column(const delta_block &b, int n_heads, const float *weights,
                                    float *x, int64_t stride)
{
    for (int64_t t = 0; t < b.n_rows; t++) {
        float sum = x[t * stride], beta = b.beta[t * n_heads];
        for (int64_t s = 0; s < t; s++)
            sum = fmaf(-beta * weights[t * ROWS + s], x[s * stride], sum);
        x[t * stride] = sum;
    }
}

/* A block of threads for each (block, head), a thread for a column of U or of W. */
__global__ void __launch_bounds__(BLOCK_THREADS) delta_local_kernel(yoco_delta_args args)
{
    YOCO_SHARED(shared);
    double *sums = (double *)shared;
    float *weights = (float *)(sums + ROWS);
    int n_heads = args.n_heads;
    delta_block b = cut_block(args, blockIdx.x, blockIdx.y);
    sum_decay(b, n_heads, sums);
    row_weights(b, b.k, args.k_dim, false, sums, weights);
    for (int j = threadIdx.x; j < args.v_dim; j += BLOCK_THREADS) {
        for (int64_t t = 0; t < b.n_rows; t++)
            b.u[t * b.u_stride + j] *= b.beta[t * n_heads];
        solve_column(b, n_heads, weights, b.u + j, b.u_stride);
    }
    for (int j = threadIdx.x; j < args.k_dim; j += BLOCK_THREADS) {
        for (int64_t t = 0; t < b.n_rows; t++)
            b.minus_w[t * b.w_stride + j] =
                -b.beta[t * n_heads] * expf((float)sums[t]) * b.k[t * b.qk_stride + j];
        solve_column(b, n_heads, weights, b.minus_w + j, b.w_stride);
    }
}

/* A block of threads for some columns of a head's state, which stands in edge_out. */
__global__ void __launch_bounds__(COLUMNS *GROUPS)
    delta_scan_kernel(yoco_delta_args args, int64_t n_blocks)
{
    YOCO_SHARED(shared);
    double *sums = (double *)shared;
    int head = blockIdx.x, group = threadIdx.x / COLUMNS, k_dim = args.k_dim, v_dim = args.v_dim;
    int j = blockIdx.y * COLUMNS + threadIdx.x % COLUMNS;
    int64_t size = (int64_t)k_dim * v_dim, at = head * size + j;
    bool inside = j < v_dim;
    float *state = args.edge_out + at;
    for (int i = group; inside && i < k_dim; i += GROUPS)
        state[(int64_t)i * v_dim] = args.edge_in[at + (int64_t)i * v_dim];
    for (int64_t block = 0; block < n_blocks; block++) {
        delta_block b = cut_block(args, block, head);
        float *entering = args.state + block * args.n_heads * size + at;
        sum_decay(b, args.n_heads, sums);
        double last = sums[b.n_rows - 1];
        for (int i = group; inside && i < k_dim; i += GROUPS)
            entering[(int64_t)i * v_dim] = state[(int64_t)i * v_dim];
        for (int64_t t = group; inside && t < b.n_rows; t += GROUPS) {
            float sum = b.u[t * b.u_stride + j];
            for (int64_t i = 0; i < k_dim; i++)
                sum = fmaf(b.minus_w[t * b.w_stride + i], state[i * v_dim], sum);
            b.u[t * b.u_stride + j] = sum;
        }
        __syncthreads();
        float kept = expf((float)last);
        for (int i = group; inside && i < k_dim; i += GROUPS) {
            float sum = kept * state[(int64_t)i * v_dim];
            for (int64_t t = 0; t < b.n_rows; t++)
                sum = fmaf(expf((float)(last - sums[t])) * b.k[t * b.qk_stride + i],
                           b.u[t * b.u_stride + j], sum);
            state[(int64_t)i * v_dim] = sum;
        }
    }
}

/* A block of threads for each (block, head), a thread for a column. From the last row on: a row's
 * output takes the place of its u. */
__global__ void __launch_bounds__(BLOCK_THREADS) delta_out_kernel(yoco_delta_args args)
{
    YOCO_SHARED(shared);
    double *sums = (double *)shared;
    float *weights = (float *)(sums + ROWS);
    int head = blockIdx.y, k_dim = args.k_dim, v_dim = args.v_dim;
    int64_t block = blockIdx.x;
    delta_block b = cut_block(args, block, head);
    const float *state = args.state + (block * args.n_heads + head) * k_dim * v_dim;
    sum_decay(b, args.n_heads, sums);
    row_weights(b, b.q, k_dim, true, sums, weights);
    for (int j = threadIdx.x; j < v_dim; j += BLOCK_THREADS) {
        for (int64_t t = b.n_rows - 1; t >= 0; t--) {
            float read = 0.0f;
            for (int64_t i = 0; i < k_dim; i++)
                read = fmaf(b.q[t * b.qk_stride + i], state[i * v_dim + j], read);
            float sum = expf((float)sums[t]) * read;
            for (int64_t s = 0; s <= t; s++)
                sum = fmaf(weights[t * ROWS + s], b.u[s * b.u_stride + j], sum);
            b.u[t * b.u_stride + j] = sum;
        }
    }
}

/* The groups' sums of a column, added in their order. */
__device__ static float add_groups(float x, float *sums)
{
    __syncthreads(); /* earlier sums are read */
    sums[threadIdx.x] = x;
    __syncthreads();
    float sum = 0.0f;
    for (int i = 0; i < GROUPS; i++)
        sum += sums[i * COLUMNS + threadIdx.x % COLUMNS];
    return sum;
}

/* A block of threads for some columns of the state of a (row, head). */
__global__ void __launch_bounds__(COLUMNS *GROUPS)
    delta_step_kernel(yoco_delta_step_args args, by_value<float *, MOST_STATES> states)
{
    YOCO_SHARED(shared);
    int k_dim = args.k_dim, v_dim = args.v_dim, group = threadIdx.x / COLUMNS;
    int64_t i = blockIdx.x, row = i / args.n_heads, head = i % args.n_heads;
    int64_t qk = row * args.n_qk_heads + head / (args.n_heads / args.n_qk_heads);
    int64_t j = (int64_t)blockIdx.y * COLUMNS + threadIdx.x % COLUMNS;
    const float *q = args.q + qk * k_dim, *k = args.k + qk * k_dim;
    float *state = in_global(states.at[row]) + head * k_dim * v_dim + j;
    float decay = expf(args.g[i]), held = 0.0f, sum = 0.0f;
    bool inside = j < v_dim;
    for (int64_t m = group; inside && m < k_dim; m += GROUPS)
        held = fmaf(k[m], decay * state[m * v_dim], held);
    held = add_groups(held, (float *)shared);
    float added = inside ? args.beta[i] * (args.v[i * v_dim + j] - held) : 0.0f;
    for (int64_t m = group; inside && m < k_dim; m += GROUPS) {
        float s = fmaf(k[m], added, decay * state[m * v_dim]);
        state[m * v_dim] = s;
        sum = fmaf(q[m], s, sum);
    }
    sum = add_groups(sum, (float *)shared);
    if (group == 0 && inside)
        args.out[i * v_dim + j] = sum;
}

/* A warp for each head of q and of k. */
__global__ void delta_heads_kernel(yoco_delta_prepare_args args)
{
    int64_t n = args.n_rows * args.n_qk_heads, head = grid_thread() / WARP;
    int lane = threadIdx.x % WARP;
    bool is_k = head >= n;
    if (head >= 2 * n)
        return;
    float *x = (is_k ? args.k : args.q) + (is_k ? head - n : head) * args.k_dim;
    float squares = 0.0f;
    for (int i = lane; i < args.k_dim; i += WARP)
        squares = fmaf(x[i], x[i], squares);
    float factor =
        (is_k ? 1.0f : 1.0f / sqrtf((float)args.k_dim)) / norm_root(warp_sum(squares) + 1e-6f);
    for (int i = lane; i < args.k_dim; i += WARP)
        x[i] *= factor;
}

__global__ void delta_gates_kernel(yoco_delta_prepare_args args)
{
    for (int64_t i = grid_thread(); i < args.n_rows * args.n_heads; i += grid_threads()) {
        int64_t head = i % args.n_heads;
        float x = args.a_g[i] + args.dt_bias[head];
        float softplus = fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
        args.a_g[i] = -expf(args.a_log[head]) * softplus;
        args.b_beta[i] = args.beta_scale / (1.0f + expf(-args.b_beta[i]));
    }
}

static unsigned n_blocks_of(const yoco_delta_args *args)
{
    return (unsigned)yoco_div_up(args->n_rows, ROWS);
}

static const size_t BLOCK_SHARED = ROWS * sizeof(double) + ROWS * ROWS * sizeof(float);

static void local(yoco_device *device, const yoco_delta_args *args)
{
    dim3 grid(n_blocks_of(args), (unsigned)args->n_heads);
    if (args->n_rows > 0)
        YOCO_LAUNCH(delta_local_kernel, grid, BLOCK_THREADS, BLOCK_SHARED, device->stream, *args);
}

static void scan(yoco_device *device, const yoco_delta_args *args)
{
    dim3 grid((unsigned)args->n_heads, (unsigned)yoco_div_up(args->v_dim, COLUMNS));
    YOCO_LAUNCH(delta_scan_kernel, grid, COLUMNS * GROUPS, ROWS * sizeof(double), device->stream,
                *args, (int64_t)n_blocks_of(args));
}

static void out(yoco_device *device, const yoco_delta_args *args)
{
    dim3 grid(n_blocks_of(args), (unsigned)args->n_heads);
    if (args->n_rows > 0)
        YOCO_LAUNCH(delta_out_kernel, grid, BLOCK_THREADS, BLOCK_SHARED, device->stream, *args);
}

/* The rows first .. first + n - 1. */
static void step_rows(yoco_device *device, const yoco_delta_step_args *args, int64_t first,
                      int64_t n)
{
    yoco_delta_step_args own = *args;
    by_value<float *, MOST_STATES> states = {};
    int64_t qk = first * args->n_qk_heads * args->k_dim, heads = first * args->n_heads;
    own.n_rows = n;
    own.q += qk;
    own.k += qk;
    own.g += heads;
    own.beta += heads;
    own.v += heads * args->v_dim;
    own.out += heads * args->v_dim;
    own.state = NULL; /* host memory */
    for (int64_t i = 0; i < n; i++)
        states.at[i] = args->state[first + i];
    dim3 grid((unsigned)(n * args->n_heads), (unsigned)yoco_div_up(args->v_dim, COLUMNS));
    YOCO_LAUNCH(delta_step_kernel, grid, COLUMNS * GROUPS, COLUMNS * GROUPS * sizeof(float),
                device->stream, own, states);
}

static void step(yoco_device *device, const yoco_delta_step_args *args)
{
    for (int64_t first = 0; first < args->n_rows; first += MOST_STATES)
        step_rows(device, args, first, yoco_i64_min(MOST_STATES, args->n_rows - first));
}

static void prepare(yoco_device *device, const yoco_delta_prepare_args *args)
{
    int64_t n_warps = 2 * args->n_rows * args->n_qk_heads;
    if (args->n_rows == 0)
        return;
    YOCO_LAUNCH(delta_heads_kernel, (unsigned)yoco_div_up(n_warps * WARP, 256), 256, 0,
                device->stream, *args);
    YOCO_LAUNCH(delta_gates_kernel, grid_for(args->n_rows * args->n_heads), 256, 0, device->stream,
                *args);
}

const yoco_delta_ops yoco_cuda_delta = {
    .prepare = prepare, .local = local, .scan = scan, .out = out, .step = step};
