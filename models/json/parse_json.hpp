// The only way by which JSON from a file enters the product. Every file may come from a stranger: its nesting, size and
// number of values are limited while it is parsed, before anything that recurses (a copy, a dump, a template) sees it.
// A key that is given twice is an error, where other parsers silently keep the last one. Nothing throws.
#pragma once
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

/// Objects keep the order of the file: PEFT's rank_pattern and a tool's parameters depend on it. Looking a key up takes
/// time linear in the object's size: iterate over objects that may be large.
using Json = nlohmann::ordered_json;

struct JsonLimits {
    size_t bytes = size_t{64} << 20;  // an index of the largest models has some MB
    size_t values =
        size_t{1} << 23;  // the largest tokenizers have two million; a value takes up to 100 bytes of memory
    size_t depth = 64;    // arrays and objects in each other; real files have less than 20
};

/// One value, with nothing but blanks after it; a byte order mark before it is skipped.
/// `first_line` is the number of the text's first line in its file, for messages.
/// errors  QL_BAD_FILE: "line 3, byte 14: what": not JSON (NaN and Infinity are not), not UTF-8, a number beyond a
///         double's range, a key given twice, a limit exceeded
Result<Json> parse_json(std::string_view text, int64_t first_line = 1, const JsonLimits & limits = {});

/// The same for a whole file that must hold an object; messages begin with the path.
/// errors  those of parse_json;  QL_NOT_FOUND, QL_IO
Result<Json> read_json_object(const std::string & path, const JsonLimits & limits = {});

}  // namespace ql
