/* Which transports UCX has here, by the part of it that opens devices. */
#include "comm/comm.h"

#include <stdio.h>
#include <string.h>
#include <ucp/api/ucp.h>
#include <uct/api/uct.h>

enum { MAX_DOMAINS = 64 };

/* Once, as "tcp, self". */
static void add_name(char *text, size_t size, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strstr(text, name); at; at = strstr(at + length, name))
        if ((at == text || at[-1] == ' ') && (at[length] == ',' || at[length] == '\0'))
            return;
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

static void add_domain(uct_component_h component, const char *name, char *text, size_t size)
{
    uct_md_config_t *config;
    uct_tl_resource_desc_t *resources;
    uct_md_h domain;
    unsigned n;
    if (uct_md_config_read(component, NULL, NULL, &config) != UCS_OK)
        return;
    ucs_status_t opened = uct_md_open(component, name, config, &domain);
    uct_config_release(config);
    if (opened != UCS_OK)
        return;
    if (uct_md_query_tl_resources(domain, &resources, &n) == UCS_OK) {
        for (unsigned i = 0; i < n; i++)
            add_name(text, size, resources[i].tl_name);
        uct_release_tl_resource_list(resources);
    }
    uct_md_close(domain);
}

static void add_component(uct_component_h component, char *text, size_t size)
{
    uct_md_resource_desc_t domains[MAX_DOMAINS];
    uct_component_attr_t count = {.field_mask = UCT_COMPONENT_ATTR_FIELD_MD_RESOURCE_COUNT};
    uct_component_attr_t names = {.field_mask = UCT_COMPONENT_ATTR_FIELD_MD_RESOURCES,
                                  .md_resources = domains};
    if (uct_component_query(component, &count) != UCS_OK || count.md_resource_count > MAX_DOMAINS ||
        uct_component_query(component, &names) != UCS_OK)
        return;
    for (unsigned i = 0; i < count.md_resource_count; i++)
        add_domain(component, domains[i].md_name, text, size);
}

void yoco_comm_ucx_version(char *version, size_t version_size, char *names, size_t names_size)
{
    uct_component_h *components;
    unsigned n;
    snprintf(version, version_size, "%s", ucp_get_version_string());
    names[0] = '\0';
    if (uct_query_components(&components, &n) != UCS_OK)
        return;
    for (unsigned i = 0; i < n; i++)
        add_component(components[i], names, names_size);
    uct_release_component_list(components);
}
