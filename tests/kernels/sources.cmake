# What the op tests share; linked here against every backend, in tests/cuda_host against the GPU's on the host.
set(YOCO_OPS_TESTING
    attend_ops.c
    causal_ops.c
    delta_ops.c
    dense_ops.c
    differential_ops.c
    invariance.c
    mamba_ops.c
    ops_testing.c
    retention_ops.c
    window_ops.c)
