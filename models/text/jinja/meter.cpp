#include "models/text/jinja/meter.hpp"

#include <algorithm>

#include "ql/os.h"

namespace ql::jinja {
namespace {

constexpr size_t kDepth = 256 * 1024;
constexpr size_t kReserve = 48 * 1024;  // for what is called at the limit: allocation, formatting of the message

uintptr_t here() {
    return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

}  // namespace

StackLimit::StackLimit() {
    const size_t room = ql_os_stack_room();
    lowest_ = here() - std::min(kDepth, room > kReserve ? room - kReserve : 0);
}

Status StackLimit::check() const {
    if (here() >= lowest_) return {};
    return error(QL_UNSUPPORTED, "the template is nested too deeply, or calls itself endlessly");
}

Status Meter::step(size_t n) {
    if (n > static_cast<size_t>(steps_)) return error(QL_UNSUPPORTED, "the template runs too long");
    steps_ -= static_cast<int64_t>(n);
    return {};
}

Status Meter::charge(size_t bytes) {
    if (bytes > static_cast<size_t>(bytes_)) return error(QL_NO_MEMORY, "the template makes too much text");
    bytes_ -= static_cast<int64_t>(bytes);
    return {};
}

Status Meter::charge(size_t n, size_t size) {
    size_t bytes = 0;
    return charge(__builtin_mul_overflow(n, size, &bytes) ? SIZE_MAX : bytes);
}

}  // namespace ql::jinja
