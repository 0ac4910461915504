// A whole file in memory.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "models/base/last_error.hpp"
#include "ql/os.h"

namespace ql {

/// The bytes of a file, as long as this lives.
class FileBytes {
  public:
    FileBytes(char * data, size_t size) : data_(data), size_(size) {}
    std::string_view view() const { return {data_.get(), size_}; }

  private:
    struct Free {
        void operator()(char * p) const { ql_os_free(p); }
    };
    std::unique_ptr<char, Free> data_;
    size_t size_;
};

/// errors  those of ql_os_read_file: no such file, more than `limit` bytes; the message names the path
inline Result<FileBytes> read_file(const std::string & path, size_t limit) {
    char * data = nullptr;
    size_t size = 0;
    QL_TRY(last_error(ql_os_read_file(path.c_str(), limit, &data, &size)));
    return FileBytes(data, size);
}

}  // namespace ql
