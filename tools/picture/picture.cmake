# ql_picture: pictures of curves, for ql-finetune --plot and ql-plot. Whoever links it brings the reader of JSON.
include_guard(GLOBAL)
find_path(STB_INCLUDE_DIR stb/stb_truetype.h REQUIRED)
find_package(ZLIB REQUIRED)
# The font and its licence, which is installed where the font is in a program.
find_file(QL_FONT DejaVuSans.ttf PATHS /usr/share/fonts /usr/local/share/fonts
          PATH_SUFFIXES truetype/dejavu dejavu dejavu-sans-fonts TTF REQUIRED NO_CMAKE_FIND_ROOT_PATH)
find_file(QL_FONT_LICENCE NAMES copyright LICENSE PATHS /usr/share/doc/fonts-dejavu-core /usr/share/licenses/dejavu-sans-fonts
          /usr/share/licenses/ttf-dejavu NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
if(QL_INSTALL AND QL_FONT_LICENCE)
    install(FILES ${QL_FONT_LICENCE} DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME LICENSE.DejaVu)
endif()

ql_glob(files ql_picture ${CMAKE_CURRENT_LIST_DIR})
add_library(ql_picture OBJECT ${files} ${CMAKE_CURRENT_LIST_DIR}/font.S)
ql_target(ql_picture)
ql_unity(ql_picture)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/font.S TARGET_DIRECTORY ql_picture PROPERTIES
    COMPILE_DEFINITIONS "QL_PICTURE_FONT=\"${QL_FONT}\"" OBJECT_DEPENDS ${QL_FONT})
target_include_directories(ql_picture PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/ggml/include)
target_include_directories(ql_picture SYSTEM PRIVATE ${STB_INCLUDE_DIR})
target_link_libraries(ql_picture PUBLIC ql_flags nlohmann_json::nlohmann_json ZLIB::ZLIB)
