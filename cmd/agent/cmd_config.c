/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd_config.h"

#include <errno.h>

#define FAULTS_MAX_BYTES ((size_t)1 << 20)

struct config *cmd_config_load(const char *path)
{
    AUTO(buf) struct buf text = BUF_INIT(FAULTS_MAX_BYTES);
    struct faults faults = {0};
    struct config *c = NULL;
    if (config_load(&c, path, NULL, &faults) == OK)
        return c;
    faults_print(&faults, path, &text);
    size_t n = faults.len + faults.more;
    fprintf(stderr, "%s%zu fault%s\n", text.data, n, n == 1 ? "" : "s");
    faults_done(&faults);
    return NULL;
}

bool cmd_is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

bool cmd_print(const struct buf *out)
{
    if (fwrite(out->data, 1, out->len, stdout) == out->len && fflush(stdout) == 0)
        return true;
    fprintf(stderr, "standard output: %s\n", strerror(errno));
    return false;
}
