# The two shared libraries, libql (the engine and its CPU backend) and libql-models, and their installation: a CMake
# package `ql` with ql::engine and ql::models, and pkg-config files ql and ql-models.
set(QL_ENGINE_MODULES ql_core ql_dtypes ql_gguf ql_graph ql_capi ql_cpu)

function(ql_library name)
    cmake_parse_arguments(L "" "ALIAS;OUTPUT" "MODULES;PUBLIC;PRIVATE" ${ARGN})
    set(objects)
    foreach(module ${L_MODULES})
        list(APPEND objects $<TARGET_OBJECTS:${module}>)
    endforeach()
    add_library(${name} SHARED ${objects})
    add_library(ql::${L_ALIAS} ALIAS ${name})
    set_target_properties(${name} PROPERTIES OUTPUT_NAME ${L_OUTPUT} EXPORT_NAME ${L_ALIAS} VERSION ${PROJECT_VERSION}
                                             SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE CXX
                                             BUILD_RPATH "$ORIGIN" INSTALL_RPATH "$ORIGIN")
    target_link_libraries(${name} PUBLIC ${L_PUBLIC} PRIVATE $<BUILD_INTERFACE:ql_flags> ${L_PRIVATE})
    # Nothing of libstdc++ or of a static dependency leaks out: the exported names are those of the headers.
    target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL
                        -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
    install(TARGETS ${name} EXPORT ql LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()

ql_library(ql ALIAS engine OUTPUT ql MODULES ${QL_ENGINE_MODULES} PRIVATE $<BUILD_INTERFACE:PkgConfig::HWY> ${CMAKE_DL_LIBS})
target_include_directories(ql PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/ggml/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
ql_library(ql-models ALIAS models OUTPUT ql-models MODULES ${QL_MODELS_MODULES} PUBLIC ql
           PRIVATE $<BUILD_INTERFACE:PkgConfig::PCRE2> $<BUILD_INTERFACE:ZLIB::ZLIB>)
target_include_directories(ql-models PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/models/include>)

install(DIRECTORY ggml/include/ql models/include/ql DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(EXPORT ql NAMESPACE ql:: FILE ql-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ql)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ql-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/ql-config.cmake ${CMAKE_BINARY_DIR}/ql-config-version.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ql)
file(RELATIVE_PATH QL_PREFIX_FROM_PC "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/") # so that an installation can be moved
foreach(package ql ql-models)
    configure_file(cmake/${package}.pc.in ${CMAKE_BINARY_DIR}/${package}.pc @ONLY)
    install(FILES ${CMAKE_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
