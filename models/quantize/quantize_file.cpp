#include "models/quantize/quantize_file.hpp"

#include <cmath>
#include <filesystem>
#include <span>
#include <vector>

#include "common/threads.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/quantize/conversion_stream.hpp"
#include "models/quantize/weight_type.hpp"
#include "ql/model.h"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// What the writer's call for a tensor's bytes needs.
struct Source {
    ConversionStream * stream;
    Status failed;
};

int produce(void * user, size_t, void * dst, size_t size) {
    Source & source = *static_cast<Source *>(user);
    source.failed = source.stream->read(static_cast<std::byte *>(dst), size);
    return source.failed.code();
}

/// Tells the caller of a tensor that is converted.
Status report(const ql_quantize_options & options, std::span<const Conversion> tensors, size_t i,
              const ChangeSums & sums) {
    if (!options.on_tensor) return {};
    const Conversion & c = tensors[i];
    ql_quantized_tensor t{};
    t.size = sizeof(t);
    t.name = c.source.name;
    t.from = ql_dtype_name(c.source.dtype), t.to = ql_dtype_name(c.choice.dtype);
    t.bytes_from = c.source.size;
    t.bytes_to = ql_dtype_bytes(c.choice.dtype, c.row() * c.rows());
    t.rel_rmse = sums.norm > 0 ? std::sqrt(sums.error / sums.norm) : 0;
    t.note = c.choice.note.c_str();
    t.index = static_cast<int64_t>(i), t.n = static_cast<int64_t>(tensors.size());
    t.kept = !c.edit ? NAN : sums.change > 0 ? sums.along / sums.change : 1;
    if (options.on_tensor(options.user, &t) == 0) return {};
    return error(QL_CANCELLED, "stopped after %lld of %lld tensors; nothing was written",
                 static_cast<long long>(t.index + 1), static_cast<long long>(t.n));
}

Status check_types(const ql_quantize_options & o) {
    QL_ASSIGN(const ql_dtype type, weight_type("type", o.type));
    QL_TRY(check_search(o.search, type));
    if (o.embedding_type == QL_BASE_AUTO || o.embedding_type == QL_BASE_KEEP) return {};
    return weight_type("embedding type", o.embedding_type).status();
}

/// The model's keys, without those that describe the file's old types.
Status set_keys(ql_gguf_writer * w, const ql_gguf * file, int64_t dtype) {
    QL_TRY(ql_gguf_copy_keys(w, file));
    for (const char * stale :
         {"general.file_type", "general.quantized_by", "quantize.imatrix.file", "quantize.imatrix.dataset",
          "quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"})
        QL_TRY(ql_gguf_unset(w, stale));
    const int file_type = ql_dtype_file_type(static_cast<ql_dtype>(dtype));  // of what most matrices now are
    if (file_type >= 0) QL_TRY(ql_gguf_set_int(w, "general.file_type", QL_GGUF_U32, file_type));
    return ql_gguf_set_int(w, "general.quantization_version", QL_GGUF_U32, 2);
}

}  // namespace

Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options,
                     const WeightEdit * edit) {
    QL_TRY(check_types(options));
    QL_ASSIGN(const int threads, choose_threads(options.threads));
    std::error_code ec;
    if (std::filesystem::equivalent(in, out, ec))
        return error(QL_INVALID_ARGUMENT, "%s: input and output are the same file", out.c_str());
    QL_TRY(ql_os_check_writable(out.c_str()));
    GgufPtr file;
    QL_TRY(ql_gguf_open(in.c_str(), ql::out(file)));
    const ql_gguf * raw = file.get();
    std::string type;
    QL_TRY(GgufKeys(raw, "general").text("type", type, "model"));
    if (type != "model") return error(QL_BAD_FILE, "%s: holds '%s', not a model", in.c_str(), type.c_str());
    if (edit) QL_TRY(edit->check(*raw));

    GgufWriterPtr writer;
    QL_TRY(ql_gguf_writer_create(ql::out(writer)));
    ql_gguf_writer * w = writer.get();
    QL_TRY(set_keys(w, raw, options.type));
    std::vector<Conversion> tensors(static_cast<size_t>(ql_gguf_n_tensors(raw)));
    for (size_t i = 0; i < tensors.size(); ++i) {
        Conversion & c = tensors[i];
        QL_TRY(ql_gguf_tensor_at(raw, static_cast<int64_t>(i), &c.source));
        c.choice = choose_file_type(c.source.name, c.source.n_dims, c.source.dtype, c.source.ne[0], options.type,
                                    options.embedding_type);
        c.edit = edit && edit->changes(c.source.name) ? edit : nullptr;
        c.measured = options.on_tensor != nullptr;
        c.scales = options.search ? Scales::search : Scales::largest_weight;
    }
    ConversionStream stream(tensors, threads, [&](size_t i, const ChangeSums & sums) {
        ql_gguf_forget(raw, tensors[i].source.data, tensors[i].source.size);
        return report(options, tensors, i, sums);
    });
    Source source{&stream, {}};
    for (const Conversion & c : tensors)
        QL_TRY(ql_gguf_add_produced(w, c.source.name, c.choice.dtype, c.source.n_dims, c.source.ne, produce, &source));
    const Status written = ql_gguf_write(w, out.c_str());
    if (source.failed.ok()) return written;
    return error(source.failed.code(), "%s: %s", in.c_str(), source.failed.message().c_str());
}

}  // namespace ql
