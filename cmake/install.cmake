# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` brings: the agent, its manual page, documents and example configurations.
include(GNUInstallDirs)
string(TIMESTAMP STRATA_DATE "%Y-%m-%d" UTC)    # of SOURCE_DATE_EPOCH, where that is set
configure_file(${CMAKE_SOURCE_DIR}/docs/strata-agent.1.in ${CMAKE_BINARY_DIR}/docs/strata-agent.1 @ONLY)
if(TARGET strata-agent)
    install(TARGETS strata-agent RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES ${CMAKE_BINARY_DIR}/docs/strata-agent.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
file(GLOB documents CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/*.md ${CMAKE_SOURCE_DIR}/docs/*.md)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${documents} DESTINATION ${CMAKE_INSTALL_DOCDIR})
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/deploy/*.yaml)
install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/consumers OPTIONAL DESTINATION ${CMAKE_INSTALL_DOCDIR}
        PATTERN __pycache__ EXCLUDE)
