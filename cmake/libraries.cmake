# The two shared libraries: libql (ql::engine: the engine and its CPU backend) and libql-models (ql::models). The names are
# those of the installed package, so that a project may get them by find_package or by add_subdirectory.
set(QL_ENGINE_MODULES ql_core ql_dtypes ql_gguf ql_graph ql_capi ql_cpu)

function(ql_library name)
    cmake_parse_arguments(L "" "ALIAS;OUTPUT;INCLUDE" "MODULES;PUBLIC;PRIVATE" ${ARGN})
    set(objects)
    foreach(module ${L_MODULES})
        list(APPEND objects $<TARGET_OBJECTS:${module}>)
    endforeach()
    add_library(${name} SHARED ${objects})
    add_library(ql::${L_ALIAS} ALIAS ${name})
    ql_target(${name})
    set_target_properties(${name} PROPERTIES OUTPUT_NAME ${L_OUTPUT} EXPORT_NAME ${L_ALIAS} VERSION ${PROJECT_VERSION}
                                             SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE CXX
                                             BUILD_RPATH "$ORIGIN" INSTALL_RPATH "$ORIGIN")
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${L_INCLUDE}>)
    target_link_libraries(${name} PUBLIC ${L_PUBLIC} PRIVATE $<BUILD_INTERFACE:ql_flags> ${L_PRIVATE})
    # Nothing of libstdc++ or of a static dependency leaks out: the exported names are those of the headers.
    target_link_options(${name} PRIVATE -Wl,--no-undefined -Wl,--exclude-libs,ALL
                        -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
endfunction()

ql_library(ql ALIAS engine OUTPUT ql INCLUDE ggml/include MODULES ${QL_ENGINE_MODULES}
           PRIVATE $<BUILD_INTERFACE:PkgConfig::QL_HWY> ${CMAKE_DL_LIBS})
ql_library(ql-models ALIAS models OUTPUT ql-models INCLUDE models/include MODULES ${QL_MODELS_MODULES} PUBLIC ql
           PRIVATE $<BUILD_INTERFACE:PkgConfig::QL_PCRE2> $<BUILD_INTERFACE:ZLIB::ZLIB>)
