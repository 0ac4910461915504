#include "backends/apart/faults.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

namespace ql::apart {

Result<Faults> Faults::from_environment() {
    Faults faults;
    const char * text = std::getenv("QL_APART");
    std::string_view rest(text ? text : "");
    while (!rest.empty()) {
        const std::string_view item = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        const size_t equals = item.find('=');
        long at = 0;
        const char * end = item.data() + item.size();
        if (equals == item.npos || std::from_chars(item.data() + equals + 1, end, at).ptr != end || at < 1)
            return error(QL_INVALID_ARGUMENT, "QL_APART: '%s' is not NAME=NUMBER", std::string(item).c_str());
        QL_TRY(faults.set(item.substr(0, equals), at));
    }
    return faults;
}

Status Faults::set(std::string_view name, long at) {
    if (name == "alloc")
        allocation_.at = at;
    else if (name == "copy")
        copy_.at = at;
    else if (name == "lost")
        run_.at = at;
    else if (name == "seed")
        seed_ = at;
    else if (name == "delay" && at <= 100)
        delay_ = at;
    else if (name == "refused")
        refused_ = at;
    else if (name == "without_rope")
        without_rope_ = true;
    else
        return error(QL_INVALID_ARGUMENT,
                     "QL_APART: '%s' is unknown; alloc, copy, lost, seed, delay (1 to 100), refused, without_rope",
                     std::string(name).c_str());
    return {};
}

Status Faults::check_lost() const {
    return lost_ ? error(QL_IO, "apart: the device was lost") : Status();
}

Status Faults::before_allocation() {
    QL_TRY(check_lost());
    return allocation_.now() ? error(QL_NO_MEMORY, "apart: an allocation was made to fail") : Status();
}

Status Faults::before_copy() {
    QL_TRY(check_lost());
    return copy_.now() ? error(QL_IO, "apart: a copy was made to fail") : Status();
}

Status Faults::before_run() {
    if (run_.now()) lost_ = true;
    return check_lost();
}

}  // namespace ql::apart
