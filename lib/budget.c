/* SPDX-License-Identifier: Apache-2.0 */
#include "budget.h"

#include <assert.h>
#include <stdatomic.h>

static const char *const part_names[BUDGET_PARTS] = {
    [BUDGET_PAGES] = "pages",         [BUDGET_BODIES] = "bodies",
    [BUDGET_WORK] = "work",           [BUDGET_CHANNELS] = "channels",
    [BUDGET_PAYLOADS] = "payloads",   [BUDGET_SPOOLS] = "spools",
    [BUDGET_DISCOVERY] = "discovery", [BUDGET_CLIENTS] = "clients",
    [BUDGET_ALLOCATOR] = "allocator",
};

#define LAST_BYTES ((size_t)4 << 20)

/* Relaxed throughout: nothing else is read on the strength of these. */
static _Atomic size_t parts[BUDGET_PARTS], used, peak;
static _Atomic size_t bound = SIZE_MAX, waiting;

const char *budget_part_name(enum budget_part part)
{
    return part_names[part];
}

void budget_set_bound(size_t bytes)
{
    atomic_store_explicit(&bound, bytes, memory_order_relaxed);
}

size_t budget_bound(void)
{
    return atomic_load_explicit(&bound, memory_order_relaxed);
}

size_t budget_used(void)
{
    return atomic_load_explicit(&used, memory_order_relaxed);
}

size_t budget_peak(void)
{
    return atomic_load_explicit(&peak, memory_order_relaxed);
}

size_t budget_part_bytes(enum budget_part part)
{
    return atomic_load_explicit(&parts[part], memory_order_relaxed);
}

static void raise_peak(size_t now)
{
    size_t most = budget_peak();
    while (now > most && !atomic_compare_exchange_weak_explicit(
                             &peak, &most, now, memory_order_relaxed, memory_order_relaxed))
        ;
}

void budget_add(enum budget_part part, ptrdiff_t bytes)
{
    size_t by = (size_t)bytes; /* negative ones wrap, and so does the sum back */
    size_t of = atomic_fetch_add_explicit(&parts[part], by, memory_order_relaxed);
    assert(bytes >= 0 || of >= (size_t)-bytes);
    (void)of;
    size_t now = atomic_fetch_add_explicit(&used, by, memory_order_relaxed) + by;
    if (bytes > 0)
        raise_peak(now);
}

void budget_set(enum budget_part part, size_t bytes)
{
    size_t before = atomic_exchange_explicit(&parts[part], bytes, memory_order_relaxed);
    size_t by = bytes - before;
    size_t now = atomic_fetch_add_explicit(&used, by, memory_order_relaxed) + by;
    if (bytes > before)
        raise_peak(now);
}

void budget_count(enum budget_part part, size_t *counted, size_t bytes)
{
    if (bytes != *counted)
        budget_add(part, (ptrdiff_t)(bytes - *counted));
    *counted = bytes;
}

void budget_wait(ptrdiff_t scrapes)
{
    atomic_fetch_add_explicit(&waiting, (size_t)scrapes, memory_order_relaxed);
}

size_t budget_waiting(void)
{
    return atomic_load_explicit(&waiting, memory_order_relaxed);
}

static size_t mark_of(enum budget_class of)
{
    size_t all = budget_bound();
    switch (of) {
    case BUDGET_TEXTS: return all / 2;
    case BUDGET_SERIES: return all / 4 * 3;
    case BUDGET_BODY: return all / 8 * 7;
    case BUDGET_PAYLOAD: break;
    case BUDGET_LAST: return all + LAST_BYTES;
    }
    return all;
}

size_t budget_to_give_up(bool *ret_old)
{
    size_t all = budget_bound(), now = budget_used();
    if (all == SIZE_MAX)
        return 0;
    *ret_old = now <= all;
    size_t mark = now > all ? all : mark_of(BUDGET_SERIES);
    return now > mark && (now > all || budget_waiting() > 0) ? now - mark : 0;
}

size_t budget_room(enum budget_class of)
{
    size_t now = budget_used(), mark = mark_of(of);
    if (budget_bound() == SIZE_MAX)
        return SIZE_MAX;
    return now < mark ? mark - now : 0;
}

bool budget_has_room(enum budget_class of, size_t bytes)
{
    size_t now = budget_used(), mark = mark_of(of);
    if (budget_bound() == SIZE_MAX)
        return true;
    return now <= mark && bytes <= mark - now;
}
