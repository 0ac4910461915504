#include "models/quantize/output_parts.hpp"

#include <filesystem>

namespace ql {
namespace {

std::string part_path(const std::string & out, size_t i, size_t n) {
    constexpr std::string_view kEnd = ".gguf";
    const std::string stem = out.ends_with(kEnd) ? out.substr(0, out.size() - kEnd.size()) : out;
    return stem + format("-%05zu-of-%05zu.gguf", i + 1, n);
}

}  // namespace

std::vector<OutputPart> output_parts(const std::string & out, std::span<const Conversion> tensors,
                                     uint64_t most_bytes) {
    if (most_bytes == 0) return {{out, 0, tensors.size()}};
    std::vector<OutputPart> parts = {{"", 0, 0}};
    uint64_t bytes = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const Conversion & c = tensors[i];
        const uint64_t more = ql_dtype_bytes(c.choice.dtype, c.row() * c.rows());
        if (i > parts.back().first && bytes + more > most_bytes) {
            parts.push_back({"", i, i});
            bytes = 0;
        }
        bytes += more;
        parts.back().end = i + 1;
    }
    for (size_t i = 0; i < parts.size(); ++i) parts[i].path = part_path(out, i, parts.size());
    return parts;
}

Status set_part_keys(ql_gguf_writer * w, size_t i, size_t n, size_t n_tensors) {
    QL_TRY(ql_gguf_set_int(w, "split.no", QL_GGUF_U16, static_cast<int64_t>(i)));
    QL_TRY(ql_gguf_set_int(w, "split.count", QL_GGUF_U16, static_cast<int64_t>(n)));
    return ql_gguf_set_int(w, "split.tensors.count", QL_GGUF_I32, static_cast<int64_t>(n_tensors));
}

PendingFiles::~PendingFiles() {
    std::error_code ignored;
    for (const File & file : files_) std::filesystem::remove(file.written, ignored);
}

const std::string & PendingFiles::add(const std::string & path) {
    files_.push_back({path, path + ".pending"});
    return files_.back().written;
}

Status PendingFiles::publish() {
    for (const File & file : files_) {
        std::error_code ec;
        std::filesystem::rename(file.written, file.path, ec);
        if (ec) return error(QL_IO, "%s: cannot be written: %s", file.path.c_str(), ec.message().c_str());
    }
    files_.clear();
    return {};
}

}  // namespace ql
