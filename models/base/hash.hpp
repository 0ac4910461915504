// FNV-1a, 64 bits: tells files and settings apart, against mistakes, not against forgers.  (Fowler, Noll, Vo; RFC 9923)
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

class Hash64 {
  public:
    void bytes(const void * data, size_t n) {
        for (size_t i = 0; i < n; ++i) value_ = (value_ ^ static_cast<const unsigned char *>(data)[i]) * 0x100000001b3;
    }
    void text(std::string_view t) { bytes(t.data(), t.size()); }
    uint64_t value() const { return value_; }
    std::string hex() const { return hash_text(value_); }

    /// 16 hexadecimal digits.
    static std::string hash_text(uint64_t value) { return format("%016llx", static_cast<unsigned long long>(value)); }

  private:
    uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace ql
