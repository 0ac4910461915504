#include "models/data/source.hpp"

#include "models/data/gunzip.hpp"
#include "models/data/other_kinds.hpp"
#include "models/json/blanks.hpp"
#include "ql/ql.hpp"

namespace ql {

namespace {

constexpr size_t kMaxData = size_t{4} << 30;

}  // namespace

Result<std::string> read_data_file(const std::string & path) {
    QL_ASSIGN(const FileBytes file, read_file(path, kMaxData));
    const std::string_view bytes = file.view();
    std::string text;
    if (is_gzip(bytes)) {
        auto unpacked = gunzip(bytes);
        if (!unpacked.ok()) return error(unpacked.code(), "%s: %s", path.c_str(), unpacked.message().c_str());
        text = std::move(unpacked).value();
    } else {
        text = bytes;
    }
    text.erase(0, text.size() - without_mark(text).size());
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
        return error(QL_BAD_FILE, "%s: the file is UTF-16; UTF-8 is read: iconv -f UTF-16 -t UTF-8 converts it",
                     path.c_str());
    if (const char * kind = other_kind(text))
        return error(QL_BAD_FILE, "%s: %s, a kind of file that is not read: save the samples as CSV or JSONL",
                     path.c_str(), kind);
    return text;
}

bool is_plain_text(const std::string & path) {
    return path.ends_with(".txt") || path.ends_with(".txt.gz");
}

}  // namespace ql
