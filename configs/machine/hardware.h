/* configs/hardware/NAME.json: a machine that the formula (partition/cost.h) and the simulation
 * (kernels/sim) run on: what one device can do, what joins the devices of a node, and the network
 * between nodes. Rates are in flops and bytes per second, times in seconds. docs/SCALING.md
 * explains each field. */
#ifndef YOCO_HARDWARE_H
#define YOCO_HARDWARE_H

#include "base.h"

/* Kinds of work with rates of their own. Each names the ops (kernels/ops_*.h) that it stands for.
 */
typedef enum yoco_work_kind {
    YOCO_WORK_SLABS,     /* dense->linear_slabs: the products of prefill */
    YOCO_WORK_ROWS,      /* dense->linear_rows: the products of a step */
    YOCO_WORK_WINDOW,    /* window->attend */
    YOCO_WORK_RETENTION, /* retention->local */
    YOCO_WORK_STATE,     /* retention->scan, correct, step */
    YOCO_WORK_ATTEND,    /* attend->partials, window->step: reading K,V for few queries */
    YOCO_WORK_POINTWISE, /* everything else */
    YOCO_N_WORK_KINDS
} yoco_work_kind;

enum { YOCO_HARDWARE_NAME_BYTES = 64, YOCO_HARDWARE_SOURCE_BYTES = 256 };

typedef struct yoco_rate {
    double flop_s, byte_s;
} yoco_rate;

typedef struct yoco_hardware {
    char name[YOCO_HARDWARE_NAME_BYTES];
    struct {
        char name[YOCO_HARDWARE_NAME_BYTES];
        char source[YOCO_HARDWARE_SOURCE_BYTES]; /* where the rates come from */
        bool measured;                           /* by yoco bench --profile; else a data sheet's */
        int64_t memory_bytes;
        double launch_s;                   /* added to every op */
        double host_byte_s, host_s;        /* a copy between device and host */
        yoco_rate rate[YOCO_N_WORK_KINDS]; /* an op takes the larger of its two times */
    } device;
    struct {
        int n_devices; /* one rank each */
        double byte_s, latency_s;
        char source[YOCO_HARDWARE_SOURCE_BYTES];
    } node;
    struct {
        double port_byte_s; /* of each device */
        double latency_s;   /* between two nodes below one leaf switch */
        double hop_s;       /* more of it for two nodes below different ones */
        int leaf_nodes;     /* nodes below a leaf switch */
        double taper;       /* uplinks of a leaf, as a part of its nodes' ports; 1: none is lost */
        char source[YOCO_HARDWARE_SOURCE_BYTES];
    } network;
} yoco_hardware;

/* Reads and checks `text`; `name` stands in error lines. */
yoco_status yoco_hardware_parse(const char *name, const char *text, size_t size,
                                yoco_hardware *out);
/* A file, or the name of one that is installed or in the source tree. */
yoco_status yoco_hardware_load(const char *name, yoco_hardware *out);
/* The file's text; the caller frees it with yoco_free. */
yoco_status yoco_hardware_print(const yoco_hardware *hardware, char **text);

/* Time of one op on this device. */
static inline double yoco_hardware_op_s(const yoco_hardware *hardware, yoco_work_kind kind,
                                        double flops, double bytes)
{
    const yoco_rate *rate = &hardware->device.rate[kind];
    double compute_s = flops / rate->flop_s, memory_s = bytes / rate->byte_s;
    return hardware->device.launch_s + (compute_s > memory_s ? compute_s : memory_s);
}

#endif
