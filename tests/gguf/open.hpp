// Opens files and creates writers; a failure gives null.
#pragma once
#include <string>

#include "ql/ql.hpp"

namespace ql::test {

inline GgufPtr open_gguf(const std::string & path) {
    GgufPtr file;
    (void)ql_gguf_open(path.c_str(), out(file));
    return file;
}

inline GgufWriterPtr new_writer() {
    GgufWriterPtr writer;
    (void)ql_gguf_writer_create(out(writer));
    return writer;
}

}  // namespace ql::test
