#include "tests/kernels/differential_ops.h"

float *run_combine(rig *r, yoco_differential_args args)
{
    int64_t n = args.n_rows * args.n_pairs * args.dim;
    args.x = rig_upload(r, args.x, 2 * n, YOCO_F32);
    args.weight = rig_upload(r, args.weight, args.dim, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->differential->combine(r->device, &args);
    return rig_download(r, args.out, n, args.out_dtype);
}
