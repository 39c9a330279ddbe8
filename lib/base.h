/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - the few macros every file may use.  Include it first. */
#ifndef BASE_H
#define BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NODISCARD    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN     __attribute__((noreturn))

/* AUTO(buf) struct buf b = BUF_INIT(max);  runs buf_done(&b) at scope end.
 * Works for every type whose module declares DEFINE_AUTO. */
#define AUTO(type) __attribute__((cleanup(type##_auto)))
#define DEFINE_AUTO(type, done)                    \
    static inline void type##_auto(struct type *p) \
    {                                              \
        done(p);                                   \
    }
#define AUTO_PTR(type) __attribute__((cleanup(type##_autop)))
#define DEFINE_AUTO_PTR(type, free_fn)               \
    static inline void type##_autop(struct type **p) \
    {                                                \
        free_fn(*p);                                 \
    }

/* Functions we do not call: use buf.h, number.h, mem.h. */
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok
#pragma GCC poison atoi atol atof

#endif
