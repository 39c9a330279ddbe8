/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - a configuration in the format that is asked for. */
#include "doc.h"

enum status config_describe(const struct config *c, enum describe_format format, struct buf *out)
{
    AUTO_PTR(doc) struct doc *d = NULL;
    enum status s = doc_new(&d, c);
    if (s != OK)
        return s;
    switch (format) {
    case DESCRIBE_TEXT: return doc_write_text(d, out);
    case DESCRIBE_JSON: return doc_write_json(d, out);
    case DESCRIBE_DOT: return doc_write_dot(d, out);
    case DESCRIBE_YAML: return doc_write_yaml(d, out);
    }
    return ERR_INVALID;
}
