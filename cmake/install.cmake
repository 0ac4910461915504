# Installation of the libraries: a CMake package `ql` with ql::engine and ql::models, and pkg-config files ql and ql-models.
include(GNUInstallDirs)
install(TARGETS ql ql-models EXPORT ql LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ggml/include/ql models/include/ql DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(EXPORT ql NAMESPACE ql:: FILE ql-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ql)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ql-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/ql-config.cmake ${PROJECT_BINARY_DIR}/ql-config-version.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ql)
file(RELATIVE_PATH QL_PREFIX_FROM_PC "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/") # so that an installation can be moved
foreach(package ql ql-models)
    configure_file(cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# For people: the texts link to each other as they do in the source.
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY examples/embed-c examples/embed-cpp examples/python DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY examples/finetune DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        FILES_MATCHING PATTERN "*.md" PATTERN "*.jsonl" PATTERN "*.py")
