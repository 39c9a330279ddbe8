# SPDX-License-Identifier: Apache-2.0
# The flags every target of ours is built with.  Hidden, so that no shared library ever takes a
# function of ours for its own: libyaml has a yaml_free as well.
add_library(warnings INTERFACE)
target_compile_options(warnings INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wundef -Wvla -Wformat=2 -Wwrite-strings
    -Wpointer-arith -Wcast-align -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wredundant-decls -Wnull-dereference
    -fno-common -fstack-protector-strong -fvisibility=hidden
    $<$<BOOL:${STRATA_WERROR}>:-Werror>)
target_compile_definitions(warnings INTERFACE _GNU_SOURCE)

# Hardening, as Debian's own packages have it; scripts/hardened.py looks whether it is there.
add_compile_options(-fPIE -fstack-clash-protection)
add_link_options(-pie -Wl,-z,relro,-z,now)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    add_compile_options(-fcf-protection)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL Debug AND NOT STRATA_SANITIZE) # it needs an optimizer
    add_compile_definitions(_FORTIFY_SOURCE=2)
endif()

if(STRATA_SANITIZE)
    add_compile_options(-fsanitize=${STRATA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${STRATA_SANITIZE})
endif()
if(STRATA_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
