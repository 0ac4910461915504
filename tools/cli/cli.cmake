# What the programs share: the library ql_cli, and ql_program(NAME DIR), which makes bin/NAME of every .cpp file in DIR.
include_guard(GLOBAL)
find_package(CLI11 REQUIRED) # command lines
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED) # --config files: TOML whole, with the line of a mistake; headers alone

ql_glob(files ql_cli ${CMAKE_CURRENT_LIST_DIR})
add_library(ql_cli STATIC ${files})
ql_target(ql_cli)
ql_unity(ql_cli 16)
target_include_directories(ql_cli PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(ql_cli PUBLIC ql_flags ql::models ql::engine nlohmann_json::nlohmann_json)
target_link_libraries(ql_cli PRIVATE CLI11::CLI11) # command.hpp hides it
target_include_directories(ql_cli SYSTEM PRIVATE ${TOMLPLUSPLUS_INCLUDE_DIR})
target_link_libraries(ql_cli PRIVATE ql_models_json) # inside this library: libql-models exports the C API alone

# Installs what a program prints of its own options: the man page, completions for a shell.
function(ql_help_file name file folder)
    list(JOIN ARGN " " words)
    set(made ${CMAKE_CURRENT_BINARY_DIR}/help/${folder}/${file})
    install(CODE "execute_process(COMMAND \"$<TARGET_FILE:${name}>\" ${words} OUTPUT_FILE \"${made}\" COMMAND_ERROR_IS_FATAL ANY)")
    install(FILES ${made} DESTINATION ${folder})
    get_filename_component(made_in ${made} DIRECTORY)
    file(MAKE_DIRECTORY ${made_in})
endfunction()

set_property(GLOBAL PROPERTY QL_PROGRAMS "")
function(ql_program name dir)
    ql_glob(files ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${dir})
    add_executable(${name} ${files})
    ql_target(${name})
    ql_unity(${name})
    target_link_libraries(${name} PRIVATE ql_cli)
    set_target_properties(${name} PROPERTIES BUILD_RPATH "$ORIGIN/../lib" BUILD_RPATH_USE_ORIGIN ON
                                             INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
    if(QL_INSTALL)
        install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
        if(NOT CMAKE_CROSSCOMPILING)
            ql_help_file(${name} ${name}.1 ${CMAKE_INSTALL_MANDIR}/man1 --man)
            ql_help_file(${name} ${name} ${CMAKE_INSTALL_DATADIR}/bash-completion/completions --completion bash)
            ql_help_file(${name} _${name} ${CMAKE_INSTALL_DATADIR}/zsh/site-functions --completion zsh)
            ql_help_file(${name} ${name}.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d --completion fish)
        endif()
    endif()
    set_property(GLOBAL APPEND PROPERTY QL_PROGRAMS ${name})
endfunction()
