/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned d = a < b ? a : b;
    return d < c ? d : c;
}

/* Characters to be changed, added and taken away (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned row[WORD_MAX + 1];
    if (la > WORD_MAX || lb > WORD_MAX)
        return UINT32_MAX;
    for (unsigned k = 0; k <= lb; k++)
        row[k] = k;
    for (unsigned i = 1; i <= la; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= lb; k++) {
            unsigned above = row[k];
            row[k] = least(above + 1, row[k - 1] + 1, diagonal + (a[i - 1] != b[k - 1]));
            diagonal = above;
        }
    }
    return row[lb];
}

void nearest_try(struct nearest *n, const char *name)
{
    unsigned d = distance(n->word, name);
    if (!n->best || d < n->distance) {
        n->best = name;
        n->distance = d;
    }
    if (buf_cat(&n->all, n->all.len ? ", " : "", name, NULL) != OK)
        n->all.max = n->all.len; /* no shorter one out of turn */
}

const char *nearest_say(struct nearest *n)
{
    if (!n->best)
        return "";
    AUTO(buf) struct buf said = BUF_INIT(2 * NEAREST_ROOM);
    enum status s = ERR_LIMIT;
    if (n->distance <= 1 + strlen(n->word) / 3)
        s = buf_printf(&said, "; did you mean '%s'?", n->best);
    if (s != OK)
        s = buf_printf(&said, "; known: %s", n->all.data);
    buf_truncate(&n->all, 0);
    n->all.max = said.max;
    return s == OK && buf_puts(&n->all, said.data) == OK ? n->all.data : "";
}

void nearest_done(struct nearest *n)
{
    buf_done(&n->all);
}
