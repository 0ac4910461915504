# Writes a file as a C++ array: cmake -DIN=page.html -DOUT=page_data.cpp -P embed.cmake
file(READ "${IN}" bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR size "${length} / 2")
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${bytes}")
get_filename_component(name "${IN}" NAME)
file(WRITE "${OUT}" "// ${name}, written by embed.cmake
namespace ql::cli {
extern const char kBoardPage[];
extern const unsigned long kBoardPageSize;
const char kBoardPage[] = {
${bytes}0};
const unsigned long kBoardPageSize = ${size};
}  // namespace ql::cli
")
