/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - shared libraries: what only their start has touched is given back.
 *
 * A program maps all that it is linked with, and its libraries what they are linked with: fifty here,
 * most for protocols of libcurl that nobody speaks.  Their constructors and the linking itself touch
 * pages of code and constants that are never looked at again, but count as resident until memory is
 * short. */
#ifndef LIBRARY_H
#define LIBRARY_H

#include "base.h"

/* Takes those pages out of the process, in all threads; what is needed again comes back from the
 * kernel's cache of the files at the first touch.  Data, and code that the linker has changed, stay.
 * To be called once all has started; a debugger's breakpoints are lost.  Any thread, at any time. */
void library_rest(void);

#endif
