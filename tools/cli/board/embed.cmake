# Writes a file as a C++ string: cmake -DIN=page.html -DOUT=page_data.cpp -P embed.cmake
file(READ "${IN}" bytes HEX)
string(LENGTH "${bytes}" length)
math(EXPR size "${length} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" text "${bytes}")
string(REGEX REPLACE "(................................................................)" "\\1\"\n    \"" text "${text}")
get_filename_component(name "${IN}" NAME)
file(WRITE "${OUT}" "// ${name}, written by embed.cmake
namespace ql::cli {
extern const char kBoardPage[];
extern const unsigned long kBoardPageSize;
const char kBoardPage[] =
    \"${text}\";
const unsigned long kBoardPageSize = ${size};
}  // namespace ql::cli
")
