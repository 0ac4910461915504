#include "models/model/base_files.hpp"

#include <algorithm>

namespace ql {

/// A spill's path is its folder's: it has no name under which others could write to it.
bool BaseFiles::read(Stamp & stamp) {
    std::error_code size, time, type;
    stamp.bytes = std::filesystem::file_size(stamp.path, size);
    stamp.time = std::filesystem::last_write_time(stamp.path, time);
    return std::filesystem::is_regular_file(stamp.path, type) && !size && !time;
}

BaseFiles::BaseFiles(const std::vector<Weight> & weights) {
    for (const Weight & w : weights) {
        const char * path = ql_os_mapped_path(w.data);
        const auto is_it = [&](const Stamp & s) { return s.path == path; };
        if (!path || std::any_of(stamps_.begin(), stamps_.end(), is_it)) continue;
        if (Stamp stamp{path, 0, {}}; read(stamp)) stamps_.push_back(stamp);
    }
}

const std::string * BaseFiles::touched() const {
    for (const Stamp & before : stamps_)
        if (Stamp now = before; read(now) && now != before) return &before.path;
    return nullptr;
}

}  // namespace ql
