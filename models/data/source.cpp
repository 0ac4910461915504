#include "models/data/source.hpp"

#include <algorithm>
#include <memory>

#include "models/data/gunzip.hpp"
#include "ql/os.h"

namespace ql {

namespace {

constexpr size_t kMaxData = size_t{4} << 30;

}  // namespace

Result<std::string> read_data_file(const std::string & path) {
    char * data = nullptr;
    size_t size = 0;
    if (const ql_status failed = ql_os_read_file(path.c_str(), kMaxData, &data, &size); failed != QL_OK)
        return error(failed, "%s", ql_error_message());
    const std::unique_ptr<char, void (*)(void *)> owner(data, ql_os_free);
    const std::string_view bytes(data, size);
    std::string text;
    if (is_gzip(bytes)) {
        auto unpacked = gunzip(bytes);
        if (!unpacked.ok()) return error(unpacked.code(), "%s: %s", path.c_str(), unpacked.message().c_str());
        text = std::move(unpacked).value();
    } else {
        text = bytes;
    }
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    return text;
}

bool is_plain_text(const std::string & path) {
    return path.ends_with(".txt") || path.ends_with(".txt.gz");
}

}  // namespace ql
