#include "configs/machine/hardware.h"

#include "configs/files/json_text.h"
#include "configs/files/text_file.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_PATH_BYTES = 4096, MAX_COUNT = 1 << 20 };

static const char *const kind_names[YOCO_N_WORK_KINDS] = {
    [YOCO_WORK_SLABS] = "slabs",         [YOCO_WORK_ROWS] = "rows",   [YOCO_WORK_WINDOW] = "window",
    [YOCO_WORK_RETENTION] = "retention", [YOCO_WORK_STATE] = "state", [YOCO_WORK_ATTEND] = "attend",
    [YOCO_WORK_POINTWISE] = "pointwise",
};

/* Every number of the file but the rates. */
static const struct {
    const char *object, *field;
    size_t offset;
    double min, max;
} reals[] = {
    {"device", "launch_s", offsetof(yoco_hardware, device.launch_s), 0, 1},
    {"device", "host_byte_s", offsetof(yoco_hardware, device.host_byte_s), 1, 1e18},
    {"device", "host_s", offsetof(yoco_hardware, device.host_s), 0, 1},
    {"node", "byte_s", offsetof(yoco_hardware, node.byte_s), 1, 1e18},
    {"node", "latency_s", offsetof(yoco_hardware, node.latency_s), 0, 1},
    {"network", "port_byte_s", offsetof(yoco_hardware, network.port_byte_s), 1, 1e18},
    {"network", "latency_s", offsetof(yoco_hardware, network.latency_s), 0, 1},
    {"network", "hop_s", offsetof(yoco_hardware, network.hop_s), 0, 1},
    {"network", "taper", offsetof(yoco_hardware, network.taper), 1e-6, 1},
};

static const struct {
    const char *object, *field;
    size_t offset, size;
} texts[] = {
    {NULL, "name", offsetof(yoco_hardware, name), YOCO_HARDWARE_NAME_BYTES},
    {"device", "name", offsetof(yoco_hardware, device.name), YOCO_HARDWARE_NAME_BYTES},
    {"device", "source", offsetof(yoco_hardware, device.source), YOCO_HARDWARE_SOURCE_BYTES},
    {"node", "source", offsetof(yoco_hardware, node.source), YOCO_HARDWARE_SOURCE_BYTES},
    {"network", "source", offsetof(yoco_hardware, network.source), YOCO_HARDWARE_SOURCE_BYTES},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static yoco_status real_check(const char *name, const char *object, const char *field,
                              const json_t *value, double min, double max, double *out)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    double real = json_number_value(value);
    if (!value) {
        yoco_log_error("%s: %s.%s is missing; give a number from %g to %g", name, object, field,
                       min, max);
        return YOCO_ERR_DATA;
    }
    if (!json_is_number(value) || !(real >= min && real <= max)) {
        yoco_log_error("%s: %s.%s is %s; give a number from %g to %g", name, object, field,
                       yoco_json_show(value, shown), min, max);
        return YOCO_ERR_DATA;
    }
    *out = real;
    return YOCO_OK;
}

static yoco_status count_read(const char *name, const json_t *root, const char *object,
                              const char *field, double max, int64_t *out)
{
    double real = 0;
    const json_t *value = json_object_get(json_object_get(root, object), field);
    YOCO_TRY(real_check(name, object, field, value, 1, max, &real));
    if (real != floor(real)) {
        yoco_log_error("%s: %s.%s is %g; give a whole number", name, object, field, real);
        return YOCO_ERR_DATA;
    }
    *out = (int64_t)real;
    return YOCO_OK;
}

static yoco_status texts_read(const char *name, const json_t *root, yoco_hardware *out)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        const json_t *object = texts[i].object ? json_object_get(root, texts[i].object) : root;
        const char *text = json_string_value(json_object_get(object, texts[i].field));
        if (!text || strlen(text) >= texts[i].size || *text == '\0') {
            yoco_log_error("%s: %s%s%s is missing, or no text of 1 to %zu bytes", name,
                           texts[i].object ? texts[i].object : "", texts[i].object ? "." : "",
                           texts[i].field, texts[i].size - 1);
            return YOCO_ERR_DATA;
        }
        snprintf((char *)out + texts[i].offset, texts[i].size, "%s", text);
    }
    return YOCO_OK;
}

static yoco_status rates_read(const char *name, const json_t *root, yoco_hardware *out)
{
    const json_t *rates = json_object_get(json_object_get(root, "device"), "rates");
    for (int kind = 0; kind < YOCO_N_WORK_KINDS; kind++) {
        const json_t *rate = json_object_get(rates, kind_names[kind]);
        char object[64];
        snprintf(object, sizeof object, "device.rates.%s", kind_names[kind]);
        YOCO_TRY(real_check(name, object, "flop_s", json_object_get(rate, "flop_s"), 1, 1e21,
                            &out->device.rate[kind].flop_s));
        YOCO_TRY(real_check(name, object, "byte_s", json_object_get(rate, "byte_s"), 1, 1e18,
                            &out->device.rate[kind].byte_s));
    }
    return YOCO_OK;
}

static yoco_status fields_read(const char *name, const json_t *root, yoco_hardware *out)
{
    int64_t n_devices = 0, leaf_nodes = 0;
    YOCO_TRY(texts_read(name, root, out));
    for (size_t i = 0; i < COUNT(reals); i++) {
        const json_t *object = json_object_get(root, reals[i].object);
        YOCO_TRY(real_check(name, reals[i].object, reals[i].field,
                            json_object_get(object, reals[i].field), reals[i].min, reals[i].max,
                            (double *)(void *)((char *)out + reals[i].offset)));
    }
    YOCO_TRY(count_read(name, root, "device", "memory_bytes", 1e18, &out->device.memory_bytes));
    YOCO_TRY(count_read(name, root, "node", "devices", MAX_COUNT, &n_devices));
    YOCO_TRY(count_read(name, root, "network", "leaf_nodes", MAX_COUNT, &leaf_nodes));
    out->node.n_devices = (int)n_devices;
    out->network.leaf_nodes = (int)leaf_nodes;
    const json_t *measured = json_object_get(json_object_get(root, "device"), "measured");
    if (!json_is_boolean(measured)) {
        yoco_log_error("%s: device.measured is missing; true where yoco bench --profile wrote the "
                       "rates, false for a data sheet's",
                       name);
        return YOCO_ERR_DATA;
    }
    out->device.measured = json_is_true(measured);
    return rates_read(name, root, out);
}

yoco_status yoco_hardware_parse(const char *name, const char *text, size_t size, yoco_hardware *out)
{
    if (size > MAX_FILE_BYTES) {
        yoco_log_error("%s: %zu bytes are too many for a hardware file; the limit is %d", name,
                       size, MAX_FILE_BYTES);
        return YOCO_ERR_DATA;
    }
    json_t *root;
    YOCO_TRY(yoco_json_parse(name, text, size, &root));
    yoco_hardware hardware = {0};
    yoco_status status = fields_read(name, root, &hardware);
    json_decref(root);
    if (status == YOCO_OK)
        *out = hardware;
    return status;
}

static yoco_status file_load(const char *path, yoco_hardware *out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &text));
    yoco_status status = yoco_hardware_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}

yoco_status yoco_hardware_load(const char *name, yoco_hardware *out)
{
    static const char *const folders[] = {YOCO_SOURCE_HARDWARE, YOCO_INSTALLED_HARDWARE};
    for (size_t i = 0; i < COUNT(folders) && !strchr(name, '/') && access(name, R_OK) != 0; i++) {
        char path[MAX_PATH_BYTES];
        int n = snprintf(path, sizeof path, "%s/%s.json", folders[i], name);
        if (n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0)
            return file_load(path, out);
    }
    return file_load(name, out);
}

static json_t *device_print(const yoco_hardware *h)
{
    json_t *rates = json_object();
    for (int kind = 0; kind < YOCO_N_WORK_KINDS; kind++)
        json_object_set_new(rates, kind_names[kind],
                            json_pack("{s:f, s:f}", "flop_s", h->device.rate[kind].flop_s, "byte_s",
                                      h->device.rate[kind].byte_s));
    return json_pack("{s:s, s:s, s:b, s:I, s:f, s:f, s:f, s:o}", "name", h->device.name, "source",
                     h->device.source, "measured", h->device.measured, "memory_bytes",
                     (json_int_t)h->device.memory_bytes, "launch_s", h->device.launch_s,
                     "host_byte_s", h->device.host_byte_s, "host_s", h->device.host_s, "rates",
                     rates);
}

yoco_status yoco_hardware_print(const yoco_hardware *h, char **text)
{
    json_t *root =
        json_pack("{s:s, s:o, s:{s:i, s:f, s:f, s:s}, s:{s:f, s:f, s:f, s:i, s:f, s:s}}", "name",
                  h->name, "device", device_print(h), "node", "devices", h->node.n_devices,
                  "byte_s", h->node.byte_s, "latency_s", h->node.latency_s, "source",
                  h->node.source, "network", "port_byte_s", h->network.port_byte_s, "latency_s",
                  h->network.latency_s, "hop_s", h->network.hop_s, "leaf_nodes",
                  h->network.leaf_nodes, "taper", h->network.taper, "source", h->network.source);
    size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(6);
    size_t size = root ? json_dumpb(root, NULL, 0, flags) : 0;
    yoco_status status = yoco_alloc(size + 2, "the text of a profile", (void **)text);
    if (status == YOCO_OK) {
        json_dumpb(root, *text, size, flags);
        memcpy(*text + size, "\n", 2);
    }
    json_decref(root);
    return status;
}
