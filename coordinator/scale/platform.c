#include "coordinator/scale/platform.h"

#include <stdarg.h>
#include <stdio.h>

#include "configs/files/atomic_file.h"

/* A text that grows in an atomic file; the first failure sticks. */
typedef struct writer {
    yoco_atomic_file *file;
    yoco_status status;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (w->status == YOCO_OK)
        w->status = yoco_atomic_file_write(w->file, line, (size_t)n);
}

typedef struct layout {
    const yoco_hardware *hardware;
    const yoco_what_if *what_if;
    int n_nodes, n_leaves;
} layout;

static double node_factor(const layout *l, int node)
{
    return node == l->what_if->slow_node ? l->what_if->slow_node_bandwidth : 1;
}

/* A message passes one private link at each end. Hosts do 1e9 flops per second: a flop is a
 * nanosecond of a rank's account (kernels/sim/account.c). */
static void put_node(writer *w, const layout *l, int node)
{
    const yoco_hardware *h = l->hardware;
    double byte_s = h->node.byte_s * node_factor(l, node);
    put(w,
        "<cluster id=\"node%d\" prefix=\"n%d-\" suffix=\"\" radical=\"0-%d\" speed=\"1Gf\" "
        "bw=\"%.9gBps\" lat=\"%.9gs\" loopback_bw=\"%.9gBps\" loopback_lat=\"%.9gs\" "
        "router_id=\"router%d\"/>\n",
        node, node, h->node.n_devices - 1, byte_s, h->node.latency_s / 2, byte_s, h->node.latency_s,
        node);
}

/* `up`: what the node's devices share; `port`: what each of them has. */
static void put_node_links(writer *w, const layout *l, int node)
{
    const yoco_hardware *h = l->hardware;
    double port = h->network.port_byte_s * l->what_if->bandwidth * node_factor(l, node);
    double latency = (h->network.latency_s - h->node.latency_s) / 2;
    put(w,
        "<link id=\"up%d\" bandwidth=\"%.9gBps\" latency=\"%.9gs\" "
        "sharing_policy=\"SPLITDUPLEX\"/>\n"
        "<link id=\"port%d\" bandwidth=\"%.9gBps\" latency=\"0s\" sharing_policy=\"FATPIPE\"/>\n",
        node, port * h->node.n_devices, latency > 0 ? latency : 0, node, port);
}

static void put_route(writer *w, const char *from, const char *to, const char *from_gateway,
                      const char *to_gateway, const char *link, const char *direction,
                      const char *port)
{
    put(w,
        "<zoneRoute src=\"%s\" dst=\"%s\" gw_src=\"%s\" gw_dst=\"%s\" symmetrical=\"NO\">"
        "<link_ctn id=\"%s\" direction=\"%s\"/>",
        from, to, from_gateway, to_gateway, link, direction);
    if (port)
        put(w, "<link_ctn id=\"%s\"/>", port);
    put(w, "</zoneRoute>\n");
}

/* A link up and down between a zone and a switch above it. */
static void put_routes(writer *w, const char *zone, const char *gateway, const char *above,
                       const char *switch_name, const char *link, const char *port)
{
    put_route(w, zone, above, gateway, switch_name, link, "UP", port);
    put_route(w, above, zone, switch_name, gateway, link, "DOWN", port);
}

static void put_leaf(writer *w, const layout *l, int leaf)
{
    int first = leaf * l->hardware->network.leaf_nodes;
    int last = (int)yoco_i64_min(first + l->hardware->network.leaf_nodes, l->n_nodes);
    put(w,
        "<zone id=\"leaf%d\" routing=\"Floyd\">\n<zone id=\"leaf%d-switch\" routing=\"None\">"
        "<router id=\"leaf%d-router\"/></zone>\n",
        leaf, leaf, leaf);
    for (int node = first; node < last; node++)
        put_node(w, l, node);
    for (int node = first; node < last; node++)
        put_node_links(w, l, node);
    for (int node = first; node < last; node++) {
        char zone[32], gateway[32], above[32], router[32], link[32], port[32];
        snprintf(zone, sizeof zone, "node%d", node);
        snprintf(gateway, sizeof gateway, "router%d", node);
        snprintf(above, sizeof above, "leaf%d-switch", leaf);
        snprintf(router, sizeof router, "leaf%d-router", leaf);
        snprintf(link, sizeof link, "up%d", node);
        snprintf(port, sizeof port, "port%d", node);
        put_routes(w, zone, gateway, above, router, link, port);
    }
    put(w, "</zone>\n");
}

static void put_core(writer *w, const layout *l)
{
    const yoco_hardware *h = l->hardware;
    double byte_s = h->network.port_byte_s * l->what_if->bandwidth * h->network.taper *
                    h->node.n_devices * h->network.leaf_nodes;
    for (int leaf = 0; leaf < l->n_leaves; leaf++)
        put(w,
            "<link id=\"core%d\" bandwidth=\"%.9gBps\" latency=\"%.9gs\" "
            "sharing_policy=\"SPLITDUPLEX\"/>\n",
            leaf, byte_s, h->network.hop_s / 2);
    for (int leaf = 0; leaf < l->n_leaves; leaf++) {
        char zone[32], gateway[32], link[32];
        snprintf(zone, sizeof zone, "leaf%d", leaf);
        snprintf(gateway, sizeof gateway, "leaf%d-router", leaf);
        snprintf(link, sizeof link, "core%d", leaf);
        put_routes(w, zone, gateway, "core", "core-router", link, NULL);
    }
}

static void put_platform(writer *w, const layout *l)
{
    put(w, "<?xml version=\"1.0\"?>\n<!DOCTYPE platform SYSTEM "
           "\"https://simgrid.org/simgrid.dtd\">\n<platform version=\"4.1\">\n"
           "<zone id=\"machine\" routing=\"Floyd\">\n"
           "<zone id=\"core\" routing=\"None\"><router id=\"core-router\"/></zone>\n");
    for (int leaf = 0; leaf < l->n_leaves; leaf++)
        put_leaf(w, l, leaf);
    put_core(w, l);
    put(w, "</zone>\n</platform>\n");
}

static void put_hosts(writer *w, const layout *l, int n_ranks)
{
    int n_devices = l->hardware->node.n_devices;
    for (int rank = 0; rank < n_ranks; rank++)
        put(w, "n%d-%d\n", rank / n_devices, rank % n_devices);
}

static yoco_status finish(writer *w)
{
    if (w->status == YOCO_OK)
        return yoco_atomic_file_finish(w->file);
    yoco_atomic_file_discard(w->file);
    return w->status;
}

yoco_status yoco_scale_platform_write(const yoco_hardware *hardware, const yoco_what_if *what_if,
                                      int n_ranks, const char *platform_path,
                                      const char *hosts_path)
{
    int n_nodes = (int)yoco_div_up(n_ranks, hardware->node.n_devices);
    layout l = {.hardware = hardware,
                .what_if = what_if,
                .n_nodes = n_nodes,
                .n_leaves = (int)yoco_div_up(n_nodes, hardware->network.leaf_nodes)};
    writer w = {0};
    YOCO_TRY(yoco_atomic_file_create(platform_path, &w.file));
    put_platform(&w, &l);
    YOCO_TRY(finish(&w));
    w = (writer){0};
    YOCO_TRY(yoco_atomic_file_create(hosts_path, &w.file));
    put_hosts(&w, &l, n_ranks);
    return finish(&w);
}
