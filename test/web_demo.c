/* SPDX-License-Identifier: Apache-2.0 */
/* web_demo.c - the agent's pages with made-up numbers, for looking at them.
 *     web_demo [ADDRESS]     serves them until standard input ends; prints where */
#include "made_view.h"
#include "web.h"

#include <unistd.h>

static void take(void *of, struct view *v)
{
    struct made *m = of;
    *v = m->view;
}

static void release(void *of, struct view *v)
{
    (void)of, (void)v;
}

int main(int argc, char **argv)
{
    AUTO(made) struct made m;
    made_init(&m, 12);
    struct web *w;
    struct err err;
    struct web_conf conf = {
        .listen = argc > 1 ? argv[1] : "127.0.0.1:0", .take = take, .release = release, .of = &m};
    if (web_new(&w, &conf, &err) != OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%s/\n", web_url(w));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    web_free(w);
    return 0;
}
