/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whether the linker has written into its code, which no file has then. */
static bool is_changed(const struct dl_phdr_info *info)
{
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_DYNAMIC)
            continue;
        for (const ElfW(Dyn) *d = (const void *)(info->dlpi_addr + part->p_vaddr);
             d->d_tag != DT_NULL; d++)
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && d->d_un.d_val & DF_TEXTREL))
                return true;
    }
    return false;
}

/* The linker's lock is held: nothing is loaded or unloaded meanwhile.  What cannot be given back, as
 * the kernel's own part, is refused and stays. */
static int rest(struct dl_phdr_info *info, size_t size, void *page)
{
    (void)size;
    const uintptr_t mask = ~(*(uintptr_t *)page - 1);
    if (is_changed(info))
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || part->p_flags & PF_W)
            continue;
        uintptr_t begin = (info->dlpi_addr + part->p_vaddr) & mask;
        uintptr_t end = (info->dlpi_addr + part->p_vaddr + part->p_filesz + ~mask) & mask;
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void library_rest(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)dl_iterate_phdr(rest, &page);
}
