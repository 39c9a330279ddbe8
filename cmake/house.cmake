# SPDX-License-Identifier: Apache-2.0
# The rules of the house as tests, label house; in one preset (dev), for they look at sources.
# A tool that is not there: skipped, or failed under STRATA_REQUIRE=all.
function(strata_house name timeout)
    add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${name} PROPERTIES LABELS house TIMEOUT ${timeout} SKIP_RETURN_CODE 77)
endfunction()

strata_house(layers 30 python3 scripts/layers.py .)
strata_house(spdx 30 python3 scripts/spdx.py .)
strata_house(format 60 scripts/format.sh)
strata_house(shellcheck 60 scripts/shell.sh)
strata_house(tidy 600 scripts/tidy.sh ${CMAKE_BINARY_DIR})
set_tests_properties(tidy PROPERTIES PROCESSORS 2)
strata_house(hardened 30 python3 scripts/hardened.py --debug $<TARGET_FILE:strata-agent>)
strata_house(settings_doc 30 sh -c "'$<TARGET_FILE:strata-agent>' settings --markdown | diff -u docs/SETTINGS.md -")
strata_house(values_schema 30 python3 scripts/values_schema.py $<TARGET_FILE:strata-agent> --check)
