/* SPDX-License-Identifier: Apache-2.0 */
#include "kube_frame.h"

#include "budget.h"
#include "mem.h"

#include <cjson/cJSON.h>

#define KEY_MAX  192    /* bytes of a key as it stands there; longer ones are none of ours */
#define KEEP_MAX 262144 /* bytes of the buffer that are kept from thing to thing */

/* What a list's next byte that is no blank may be. */
enum place { START, KEY_OR_END, KEY, COLON, VALUE, AFTER, ITEM_OR_END, ITEM, ITEM_AFTER, DONE };

/* What is being read from its first byte to its last. */
enum part { NOTHING, A_KEY, AN_ITEM, A_VERSION, A_CONTINUE, NO_ITEMS, ANOTHER };

enum field { OTHER, METADATA, ITEMS, VERSION, CONTINUE };

struct kube_frame {
    enum kube_frame_kind kind;
    size_t max;
    struct kube_frame_sink sink;
    uint64_t before; /* bytes of earlier calls */
    size_t oversize;
    struct buf text; /* of the part, or of the line */
    size_t counted;  /* of it, in the budget */
    bool left_out;   /* its text is not kept */
    bool failed;

    enum place place;
    enum part part;
    enum field field;         /* whose value comes */
    bool inside;              /* metadata */
    bool had_items, had_meta; /* twice is once too many */

    bool scalar, quoted, escaped, deep;
    size_t depth;
    uint64_t arrays; /* a bit for each of the outer KUBE_DEPTH_MAX levels */

    char *version, *token;
};

enum { IN_TEXT = 1, AROUND = 2, BLANK = 4, SCALAR = 8 };

/* What ends a run of bytes that change nothing, within quotes and around them. */
static const unsigned char class[256] = {
    ['"'] = IN_TEXT | AROUND, ['\\'] = IN_TEXT, ['{'] = AROUND,         ['}'] = AROUND,
    ['['] = AROUND,           [']'] = AROUND,   [' '] = BLANK,          ['\t'] = BLANK,
    ['\n'] = BLANK,           ['\r'] = BLANK,   ['0' ... '9'] = SCALAR, ['a' ... 'z'] = SCALAR,
    ['A' ... 'Z'] = SCALAR,   ['-'] = SCALAR,   ['+'] = SCALAR,         ['.'] = SCALAR,
};

static unsigned class_of(char c)
{
    return class[(unsigned char)c];
}

struct kube_frame *kube_frame_new(enum kube_frame_kind kind, size_t max,
                                  struct kube_frame_sink sink)
{
    struct kube_frame *f = mem_alloc(sizeof *f);
    *f = (struct kube_frame){
        .kind = kind, .max = max, .sink = sink, .text = BUF_INIT(max), .place = START};
    return f;
}

static void drop_text(struct kube_frame *f)
{
    buf_done(&f->text);
    budget_count(BUDGET_DISCOVERY, &f->counted, 0);
}

void kube_frame_free(struct kube_frame *f)
{
    if (!f)
        return;
    drop_text(f);
    mem_free(f->version);
    mem_free(f->token);
    mem_free(f);
}

static enum status fault(struct kube_frame *f, struct err *err, uint64_t at, const char *what)
{
    f->failed = true;
    return err_set(err, ERR_INVALID, "byte %llu: %s", (unsigned long long)at, what);
}

static void keep(struct kube_frame *f, const char *data, size_t n)
{
    if (f->left_out)
        return;
    f->left_out = buf_add(&f->text, data, n) != OK;
    if (f->left_out)
        drop_text(f);
    else
        budget_count(BUDGET_DISCOVERY, &f->counted, f->text.cap);
}

static void forget(struct kube_frame *f)
{
    if (f->text.cap > KEEP_MAX)
        drop_text(f);
    else
        buf_truncate(&f->text, 0);
    f->left_out = false;
}

/* Hands on the thing in the buffer. */
static enum status deliver(struct kube_frame *f)
{
    enum status s = OK;
    if (f->left_out)
        f->oversize++;
    else
        s = f->sink.thing(f->sink.of, f->text.data, f->text.len);
    f->failed = s != OK;
    forget(f);
    return s;
}

static bool is_blank(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (class_of(b->data[i]) != BLANK)
            return false;
    return true;
}

static enum status add_lines(struct kube_frame *f, struct span bytes)
{
    const char *p = bytes.data, *end = p + bytes.len;
    while (p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        keep(f, p, (size_t)((line ? line : end) - p));
        if (!line)
            break;
        p = line + 1;
        if (!f->left_out && is_blank(&f->text)) {
            forget(f);
            continue;
        }
        enum status s = deliver(f);
        if (s != OK)
            return s;
    }
    return OK;
}

static void part_begin(struct kube_frame *f, enum part part, char first)
{
    static const size_t max[] = {
        [A_KEY] = KEY_MAX,
        [A_VERSION] = KUBE_VERSION_MAX + 2,
        [A_CONTINUE] = KUBE_CONTINUE_MAX + 2,
        [NO_ITEMS] = 4,
        [ANOTHER] = 0,
    };
    f->part = part;
    f->text.max = part == AN_ITEM ? f->max : max[part];
    f->left_out = part == ANOTHER;
    f->scalar = class_of(first) == SCALAR;
    f->quoted = f->escaped = f->deep = false;
    f->depth = 0;
}

static void level_open(struct kube_frame *f, bool array)
{
    if (f->depth < KUBE_DEPTH_MAX) {
        uint64_t bit = UINT64_C(1) << f->depth;
        f->arrays = array ? f->arrays | bit : f->arrays & ~bit;
    } else {
        f->deep = true;
    }
    f->depth++;
}

static bool level_close(struct kube_frame *f, bool array)
{
    f->depth--;
    return f->depth >= KUBE_DEPTH_MAX || (bool)(f->arrays >> f->depth & 1) == array;
}

/* A byte that matters around texts.  False: it closes what is not open. */
static bool turn(struct kube_frame *f, char c)
{
    switch (c) {
    case '"': f->quoted = true; return true;
    case '{':
    case '[': level_open(f, c == '['); return true;
    default: return level_close(f, c == ']');
    }
}

/* Reads on in the part; *ret_done: the byte before what is returned was its last.  It has failed
 * where a bracket closes one of the other kind. */
static const char *part_scan(struct kube_frame *f, const char *p, const char *end, bool *ret_done)
{
    *ret_done = false;
    while (p < end) {
        if (f->quoted) {
            if (f->escaped) {
                f->escaped = false;
                p++;
            }
            while (p < end && !(class_of(*p) & IN_TEXT))
                p++;
            if (p == end)
                return p;
            f->escaped = *p == '\\';
            f->quoted = *p++ == '\\';
        } else {
            while (p < end && !(class_of(*p) & AROUND))
                p++;
            if (p == end)
                return p;
            f->failed = !turn(f, *p++);
            if (f->failed)
                return p;
        }
        if (f->depth == 0 && !f->quoted) {
            *ret_done = true;
            return p;
        }
    }
    return p;
}

static const char *scalar_scan(const char *p, const char *end, bool *ret_done)
{
    while (p < end && class_of(*p) == SCALAR)
        p++;
    *ret_done = p < end;
    return p;
}

/* The text of the string in the buffer, to be freed; NULL: it is none, or no value at all. */
static char *text_of(const struct kube_frame *f)
{
    const struct buf *b = &f->text;
    if (b->len < 2 || b->data[0] != '"' || memchr(b->data, '\0', b->len))
        return NULL;
    if (!memchr(b->data, '\\', b->len))
        return mem_strndup(b->data + 1, b->len - 2);
    cJSON *json = cJSON_ParseWithLength(b->data, b->len);
    char *text = mem_strdup(cJSON_GetStringValue(json));
    cJSON_Delete(json);
    return text;
}

static enum field field_of(const struct kube_frame *f)
{
    static const struct {
        const char *name;
        bool inside;
        enum field field;
    } fields[] = {
        {"metadata", false, METADATA},
        {"items", false, ITEMS},
        {"resourceVersion", true, VERSION},
        {"continue", true, CONTINUE},
    };
    char *key = text_of(f);
    enum field field = OTHER;
    for (size_t i = 0; key && i < ARRAY_LEN(fields); i++)
        if (fields[i].inside == f->inside && strcmp(fields[i].name, key) == 0)
            field = fields[i].field;
    mem_free(key);
    return field;
}

static const char *value_end(struct kube_frame *f)
{
    char **to = f->part == A_VERSION ? &f->version : &f->token;
    if (f->left_out)
        return f->part == A_VERSION ? "the resourceVersion is too long" : "the token is too long";
    mem_free(*to);
    *to = text_of(f);
    return NULL;
}

/* The part is whole.  What is wrong with it, or NULL; *ret_s: of the sink. */
static const char *part_end(struct kube_frame *f, enum status *ret_s)
{
    const char *what = NULL;
    switch (f->part) {
    case A_KEY:
        f->field = f->left_out ? OTHER : field_of(f);
        f->place = COLON;
        break;
    case AN_ITEM:
        f->left_out = f->left_out || f->deep;
        f->place = ITEM_AFTER;
        f->part = NOTHING;
        *ret_s = deliver(f);
        return NULL;
    case A_VERSION:
    case A_CONTINUE:
        what = value_end(f);
        f->place = AFTER;
        break;
    case NO_ITEMS:
        if (f->left_out || strcmp(f->text.data, "null") != 0)
            what = "items is no list";
        f->place = AFTER;
        break;
    case ANOTHER:
    case NOTHING: f->place = AFTER; break;
    }
    f->part = NOTHING;
    forget(f);
    return what;
}

/* A value begins with c.  *ret_taken: it has been consumed, else the part begins with it. */
static const char *value_begin(struct kube_frame *f, char c, bool *ret_taken)
{
    if (c != '"' && c != '{' && c != '[' && class_of(c) != SCALAR)
        return "no value";
    bool nested = c == '{' || c == '[';
    if ((f->field == ITEMS && f->had_items) || (f->field == METADATA && f->had_meta))
        return "a field is there twice";
    f->had_items = f->had_items || f->field == ITEMS;
    f->had_meta = f->had_meta || f->field == METADATA;
    if (f->field == ITEMS && c == '[') {
        f->place = ITEM_OR_END;
        *ret_taken = true;
    } else if (f->field == ITEMS && (nested || c == '"')) {
        return "items is no list";
    } else if (f->field == ITEMS) {
        part_begin(f, NO_ITEMS, c);
    } else if (f->field == METADATA && c == '{') {
        f->inside = true;
        f->place = KEY_OR_END;
        *ret_taken = true;
    } else if (f->field == VERSION && !nested) {
        part_begin(f, A_VERSION, c);
    } else if (f->field == CONTINUE && !nested) {
        part_begin(f, A_CONTINUE, c);
    } else {
        part_begin(f, ANOTHER, c);
    }
    return NULL;
}

/* The end of metadata, or of the list. */
static void object_end(struct kube_frame *f)
{
    f->place = f->inside ? AFTER : DONE;
    f->inside = false;
}

/* One byte between parts.  What is wrong with it, or NULL; *ret_taken as above. */
static const char *step(struct kube_frame *f, char c, bool *ret_taken)
{
    enum place place = f->place;
    *ret_taken = true;
    if ((place == KEY_OR_END || place == KEY) && c == '"') {
        part_begin(f, A_KEY, c);
        *ret_taken = false;
    } else if (place == VALUE) {
        *ret_taken = false;
        return value_begin(f, c, ret_taken);
    } else if ((place == ITEM_OR_END || place == ITEM) && c == '{') {
        part_begin(f, AN_ITEM, c);
        *ret_taken = false;
    } else if ((place == KEY_OR_END || place == AFTER) && c == '}') {
        object_end(f);
    } else if (place == START && c == '{') {
        f->place = KEY_OR_END;
    } else if (place == COLON && c == ':') {
        f->place = VALUE;
    } else if (place == AFTER && c == ',') {
        f->place = KEY;
    } else if (place == ITEM_AFTER && c == ',') {
        f->place = ITEM;
    } else if ((place == ITEM_OR_END || place == ITEM_AFTER) && c == ']') {
        f->place = AFTER;
    } else {
        static const char *const wanted[] = {
            [START] = "no object",
            [KEY_OR_END] = "neither a key nor }",
            [KEY] = "no key",
            [COLON] = "no colon",
            [VALUE] = "no value",
            [AFTER] = "neither a comma nor }",
            [ITEM] = "no object",
            [ITEM_OR_END] = "neither an object nor ]",
            [DONE] = "more than a list",
            [ITEM_AFTER] = "neither a comma nor ]",
        };
        return wanted[place];
    }
    return NULL;
}

static enum status add_list(struct kube_frame *f, struct span bytes, struct err *err)
{
    const char *p = bytes.data, *end = p + bytes.len;
    while (p < end) {
        const char *from = p, *what = NULL;
        enum status s = OK;
        bool done = false, taken = false;
        if (f->part != NOTHING) {
            p = f->scalar ? scalar_scan(p, end, &done) : part_scan(f, p, end, &done);
            keep(f, from, (size_t)(p - from));
            if (f->failed)
                what = "brackets do not match";
            else if (done)
                what = part_end(f, &s);
        } else {
            if (class_of(*p) != BLANK)
                what = step(f, *p, &taken);
            else
                taken = true;
            p += taken && !what;
        }
        if (what)
            return fault(f, err, f->before + (uint64_t)(p - bytes.data), what);
        if (s != OK)
            return s;
    }
    return OK;
}

enum status kube_frame_add(struct kube_frame *f, struct span bytes, struct err *err)
{
    if (f->failed)
        return err_set(err, ERR_INVALID, "the body is given up");
    if (bytes.len == 0)
        return OK;
    enum status s = f->kind == KUBE_FRAME_WATCH ? add_lines(f, bytes) : add_list(f, bytes, err);
    f->before += bytes.len;
    return s;
}

enum status kube_frame_end(struct kube_frame *f, struct err *err)
{
    bool whole = f->kind == KUBE_FRAME_LIST ? f->place == DONE && f->part == NOTHING
                                            : !f->left_out && is_blank(&f->text);
    if (f->failed || !whole)
        return fault(f, err, f->before, "ends in the middle");
    return OK;
}

const char *kube_frame_version(const struct kube_frame *f)
{
    return f->version ? f->version : "";
}

const char *kube_frame_continue(const struct kube_frame *f)
{
    return f->token ? f->token : "";
}

size_t kube_frame_oversize(const struct kube_frame *f)
{
    return f->oversize;
}
