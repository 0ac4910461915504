// Owning handles for the C API.
#pragma once
#include <memory>
#include <string>

#include "ql/gguf.h"

namespace ql::test {

struct Closer {
    void operator()(ql_gguf * file) const { ql_gguf_close(file); }
    void operator()(ql_gguf_writer * writer) const { ql_gguf_writer_free(writer); }
};
using File = std::unique_ptr<ql_gguf, Closer>;
using Writer = std::unique_ptr<ql_gguf_writer, Closer>;

inline File open_gguf(const std::string & path) {
    ql_gguf * file = nullptr;
    return File(ql_gguf_open(path.c_str(), &file) == QL_OK ? file : nullptr);
}

inline Writer new_writer() {
    ql_gguf_writer * writer = nullptr;
    return Writer(ql_gguf_writer_create(&writer) == QL_OK ? writer : nullptr);
}

}  // namespace ql::test
