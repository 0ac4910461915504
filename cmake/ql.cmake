# What every target of the project shares: language, warnings, floating-point rules, sanitizers, and ways to make a target.

# ql_target(NAME): C++20 and C99 without extensions, hidden names, position-independent code. These are properties of our
# targets, not CMAKE_ variables, which would be the parent project's.
function(ql_target name)
    set_target_properties(${name} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
                                             C_STANDARD 99 C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
                                             CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
endfunction()

add_library(ql_flags INTERFACE)
# Warnings are for those who work on this project. They are errors only in its presets, which set QL_WERROR, and only with
# GCC, which builds what is shipped: another compiler, such as the fuzz targets', warns of other things.
# -Wno-restrict: GCC 12 warns of std::string operations that are sound (GCC bug 105329).
if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(ql_flags INTERFACE -Wall -Wextra $<$<AND:$<BOOL:${QL_WERROR}>,$<CXX_COMPILER_ID:GNU>>:-Werror>
                                              -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
endif()
# -ffp-contract=off: codecs and scalar references must give the same bits on every machine; kernels fuse explicitly.
target_compile_options(ql_flags INTERFACE -ffp-contract=off)
target_compile_definitions(ql_flags INTERFACE QL_VERSION="${PROJECT_VERSION}")
if(QL_SANITIZE)
    # -Wno-maybe-uninitialized: GCC warns wrongly of code that a sanitizer has instrumented; the sanitizer sees the truth.
    target_compile_options(ql_flags INTERFACE -fsanitize=${QL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
                                              $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_link_options(ql_flags INTERFACE -fsanitize=${QL_SANITIZE})
endif()
target_link_libraries(ql_flags INTERFACE Threads::Threads)

# ql_glob(VARIABLE NAME DIR): the .cpp files directly in a folder, for the target NAME. There must be at least one: a
# target without code would hide a folder that was moved, or misspelt, until something does not link.
function(ql_glob variable name dir)
    file(GLOB files CONFIGURE_DEPENDS ${dir}/*.cpp)
    if(NOT files)
        message(FATAL_ERROR "${name}: ${dir} has no .cpp file; put one there, or take the folder out of ${name}")
    endif()
    set(${variable} ${files} PARENT_SCOPE)
endfunction()

# ql_unity(NAME [N]): compiles the target's files N at a time, which reads their headers once: a third of the processor's time.
# N is 8, or what a folder sets QL_UNITY_FILES to.
# Apart stay those that ql_apart names, those with options of their own, and kernels: Highway compiles each file that
# includes foreach_target.h several times.
set(QL_UNITY_FILES 8)
function(ql_unity name)
    if(NOT QL_UNITY)
        return()
    endif()
    set(n ${QL_UNITY_FILES})
    if(ARGC GREATER 1)
        set(n ${ARGV1})
    endif()
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${n})
    get_target_property(files ${name} SOURCES)
    foreach(file ${files})
        file(STRINGS ${file} kernels REGEX "foreach_target" LIMIT_COUNT 1)
        if(kernels)
            set_source_files_properties(${file} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endif()
    endforeach()
endfunction()

# ql_apart(FILE...): files whose local names other files of the target have, too; patterns.
function(ql_apart)
    file(GLOB files ${ARGN})
    set_source_files_properties(${files} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# ql_kernels(NAME GROUP FILES pattern... [OPTIONS option...]): the kernels among these files of the target are compiled by
# sixteens. Highway's headers, read for every instruction set, are most of the work of a short kernel. A file that includes the
# kernels takes their place: it is what foreach_target.h compiles once for each instruction set. Kernels of a group have names of
# their own.
function(ql_kernels name group)
    if(NOT QL_UNITY)
        return()
    endif()
    cmake_parse_arguments(K "" "" "FILES;OPTIONS" ${ARGN})
    set(kernels)
    file(GLOB files CONFIGURE_DEPENDS ${K_FILES})
    foreach(file ${files})
        file(STRINGS ${file} kernel REGEX "foreach_target" LIMIT_COUNT 1)
        if(kernel)
            list(APPEND kernels ${file})
        endif()
    endforeach()
    set_source_files_properties(${kernels} PROPERTIES HEADER_FILE_ONLY ON)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/${name}_kernels)
    target_include_directories(${name} PRIVATE ${folder})
    list(LENGTH kernels n)
    math(EXPR last "${n} - 1")
    foreach(first RANGE 0 ${last} 16)
        list(SUBLIST kernels ${first} 16 batch)
        set(includes)
        foreach(file ${batch})
            file(RELATIVE_PATH file ${PROJECT_SOURCE_DIR} ${file})
            string(APPEND includes "#include \"${file}\"\n")
        endforeach()
        set(together ${group}_${first}.cpp)
        configure_file(${PROJECT_SOURCE_DIR}/cmake/kernels.cpp.in ${folder}/${together} @ONLY)
        set_source_files_properties(${folder}/${together} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON COMPILE_OPTIONS "${K_OPTIONS}")
        target_sources(${name} PRIVATE ${folder}/${together})
    endforeach()
endfunction()

# ql_module(NAME DIR... [DEPENDS target...]): an object library of every .cpp file directly in the folders.
function(ql_module name)
    cmake_parse_arguments(M "" "" "DIRS;DEPENDS" ${ARGN})
    set(files)
    foreach(dir ${M_DIRS})
        ql_glob(found ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${dir})
        list(APPEND files ${found})
    endforeach()
    add_library(${name} OBJECT ${files})
    ql_target(${name})
    target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/ggml/include
                                              ${PROJECT_SOURCE_DIR}/models/include)
    target_link_libraries(${name} PUBLIC ql_flags ${M_DEPENDS})
    target_compile_definitions(${name} PRIVATE QL_BUILDING)
    ql_unity(${name})
endfunction()

# ql_test(NAME DIR MODULE...): one GoogleTest program of every .cpp file in tests/DIR over object modules.
function(ql_test name dir)
    ql_glob(files ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${dir})
    add_executable(${name} ${files})
    ql_target(${name})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/ggml/include
                                               ${PROJECT_SOURCE_DIR}/models/include ${PROJECT_SOURCE_DIR}/tests)
    target_link_libraries(${name} PRIVATE ql_flags GTest::gtest_main ${ARGN})
    target_compile_definitions(${name} PRIVATE QL_SOURCE_DIR="${PROJECT_SOURCE_DIR}" QL_BINARY_DIR="${PROJECT_BINARY_DIR}"
                                               QL_STATIC)
    ql_unity(${name})
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES PROPERTIES TIMEOUT 900 ENVIRONMENT QL_CHECK_PLANS=1)
endfunction()
