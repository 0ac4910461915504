// Writing "<arch>.<key>" into a GGUF file: the other side of gguf_keys.hpp.
#pragma once
#include <string>
#include <string_view>

#include "ql/gguf.h"
#include "ql/status.hpp"

namespace ql {

class GgufKeyWriter {
  public:
    GgufKeyWriter(ql_gguf_writer * w, std::string_view prefix) : w_(w), prefix_(std::string(prefix) + ".") {}

    Status size(std::string_view key, int64_t value) const {
        return ql_gguf_set_int(w_, name(key).c_str(), QL_GGUF_U32, value);
    }
    Status number(std::string_view key, double value) const {
        return ql_gguf_set_f32(w_, name(key).c_str(), static_cast<float>(value));
    }
    Status text(std::string_view key, std::string_view value) const {
        return ql_gguf_set_string(w_, name(key).c_str(), value.data(), value.size());
    }
    Status flag(std::string_view key, bool value) const { return ql_gguf_set_bool(w_, name(key).c_str(), value); }

  private:
    std::string name(std::string_view key) const { return prefix_ + std::string(key); }

    ql_gguf_writer * w_;
    std::string prefix_;
};

}  // namespace ql
