// A file that is there whole, or as it was.
#pragma once
#include <string>

#include "common/guarded.hpp"
#include "ql/os.h"
#include "ql/ql.hpp"

namespace ql {

/// ql_os_replace_file by a function Status(const std::string & temporary).
template <typename Make>
Status replace_file(const std::string & path, Make make) {
    return ql_os_replace_file(
        path.c_str(),
        [](void * user, const char * temporary) {
            return guarded([&]() -> Status { return (*static_cast<Make *>(user))(std::string(temporary)); });
        },
        &make);
}

}  // namespace ql
