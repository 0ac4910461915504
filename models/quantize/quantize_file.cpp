#include "models/quantize/quantize_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>

#include "models/base/memory.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/quantize/policy.hpp"
#include "models/quantize/weight_type.hpp"
#include "ql/model.h"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// One tensor on its way: converted when the writer asks for its first byte, forgotten after its last.
struct Job {
    ql_gguf_tensor source{};
    QuantizeChoice choice{QL_F32, ""};
    int64_t index = 0, n = 0;
    const ql_quantize_options * options = nullptr;
    const WeightEdit * edit = nullptr;  // null where the tensor stays what it is
    Status * failed = nullptr;
    AlignedBytes converted;
    size_t bytes = 0;
    double rel_rmse = 0, kept = NAN;
};

int64_t elements(const ql_gguf_tensor & t) {
    return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3];
}

Status report(const Job & job) {
    if (!job.options->on_tensor) return {};
    const ql_quantized_tensor t{sizeof(t),
                                job.source.name,
                                ql_dtype_name(job.source.dtype),
                                ql_dtype_name(job.choice.dtype),
                                job.source.size,
                                job.bytes,
                                job.rel_rmse,
                                job.choice.note.c_str(),
                                job.index,
                                job.n,
                                job.kept};
    if (job.options->on_tensor(job.options->user, &t) == 0) return {};
    return error(QL_CANCELLED, "stopped after %lld of %lld tensors; nothing was written",
                 static_cast<long long>(job.index + 1), static_cast<long long>(job.n));
}

/// Values of a tensor in one of its types.
struct Encoded {
    ql_dtype dtype;
    const void * data;
    int64_t n;

    bool decode(int64_t first, std::vector<float> & piece) const {
        return ql_decode(dtype, data, n, first, static_cast<int64_t>(piece.size()), piece.data()) == QL_OK;
    }
};

/// What an edit made of a tensor: the values before they were rounded, and what the tensor would be without the edit.
struct Edited {
    const float * meant;
    Encoded plain;
};

/// What the callback is told of a conversion w -> w', over blocks that fit in a cache: norm(w' - w) / norm(w), and of an
/// edit by d = meant - w the part <w' - plain, d> / <d, d> that the new values hold.
void measure(Job & job, const Edited * edited) {
    if (!job.options->on_tensor) return;
    const Encoded before{job.source.dtype, job.source.data, elements(job.source)},
        after{job.choice.dtype, job.converted.get(), before.n};
    constexpr int64_t kPiece = 64 * 256;
    double error = 0, norm = 0, along = 0, change = 0;
    for (int64_t first = 0; first < before.n; first += kPiece) {
        const auto count = static_cast<size_t>(std::min(kPiece, before.n - first));
        std::vector<float> from(count), to(count), plain(edited ? count : 0);
        job.rel_rmse = NAN;  // unless all can be decoded
        if (!before.decode(first, from) || !after.decode(first, to)) return;
        if (edited && !edited->plain.decode(first, plain)) return;
        for (size_t i = 0; i < count; ++i) {
            const double w = static_cast<double>(from[i]), e = static_cast<double>(to[i]) - w;
            error += e * e;
            norm += w * w;
            if (!edited) continue;
            const double d = static_cast<double>(edited->meant[static_cast<size_t>(first) + i]) - w;
            along += (static_cast<double>(to[i]) - static_cast<double>(plain[i])) * d;
            change += d * d;
        }
    }
    job.rel_rmse = norm > 0 ? std::sqrt(error / norm) : 0;
    if (edited) job.kept = change > 0 ? along / change : 1;
}

Status edit_and_convert(Job & job) {
    const int64_t n = elements(job.source);
    const AlignedBytes values = aligned_bytes(static_cast<size_t>(n) * sizeof(float)), plain = aligned_bytes(job.bytes);
    job.converted = aligned_bytes(job.bytes);
    if (!values || !plain || !job.converted) return error(QL_NO_MEMORY, "no memory for tensor '%s'", job.source.name);
    const auto round = [&](ql_dtype from, const void * src, ql_dtype to, void * dst) {
        return convert_tensor(job.source.name, from, src, to, dst, n);
    };
    auto * w = reinterpret_cast<float *>(values.get());
    QL_TRY(round(job.source.dtype, job.source.data, QL_F32, w));
    if (job.options->on_tensor) QL_TRY(round(QL_F32, w, job.choice.dtype, plain.get()));
    job.edit->apply(job.source.name, w);
    QL_TRY(round(QL_F32, w, job.choice.dtype, job.converted.get()));
    const Edited edited{w, {job.choice.dtype, plain.get(), n}};
    measure(job, &edited);
    return {};
}

Status convert(Job & job) {
    if (job.edit) return edit_and_convert(job);
    if (job.choice.dtype == job.source.dtype)
        return check_finite(job.source.name, job.source.dtype, job.source.data, elements(job.source));
    job.converted = aligned_bytes(job.bytes);
    if (!job.converted) return error(QL_NO_MEMORY, "no memory for tensor '%s'", job.source.name);
    QL_TRY(convert_tensor(job.source.name, job.source.dtype, job.source.data, job.choice.dtype, job.converted.get(),
                          elements(job.source)));
    measure(job, nullptr);
    return {};
}

int produce(void * user, size_t offset, void * dst, size_t size) {
    Job & job = *static_cast<Job *>(user);
    if (offset == 0) {
        *job.failed = convert(job);
        if (job.failed->ok()) *job.failed = report(job);
        if (!job.failed->ok()) return job.failed->code();
    }
    const void * from = job.converted ? job.converted.get() : job.source.data;
    std::memcpy(dst, static_cast<const std::byte *>(from) + offset, size);
    if (offset + size == job.bytes) job.converted.reset();
    return 0;
}

Status check_types(const ql_quantize_options & o) {
    QL_TRY(weight_type("type", o.type).status());
    return o.embedding_type == QL_BASE_AUTO ? Status() : weight_type("embedding type", o.embedding_type).status();
}

QuantizeChoice choose(const ql_gguf_tensor & t, const ql_quantize_options & o) {
    const WeightRole role = weight_role(t.name, t.n_dims);
    if (role == WeightRole::other) return {t.dtype, ""};
    ql_dtype target = static_cast<ql_dtype>(o.type);
    if (role == WeightRole::embedding) {
        target = o.embedding_type == QL_BASE_AUTO ? automatic_embedding(t.dtype, target)
                                                  : static_cast<ql_dtype>(o.embedding_type);
    }
    return choose_type(t.name, t.dtype, t.ne[0], target);
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
    Status failed;
    std::vector<Job> jobs(static_cast<size_t>(ql_gguf_n_tensors(raw)));
    for (size_t i = 0; i < jobs.size(); ++i) {
        Job & job = jobs[i];
        QL_TRY(ql_gguf_tensor_at(raw, static_cast<int64_t>(i), &job.source));
        job.choice = choose(job.source, options);
        job.index = static_cast<int64_t>(i);
        job.n = static_cast<int64_t>(jobs.size());
        job.options = &options;
        job.edit = edit && edit->changes(job.source.name) ? edit : nullptr;
        job.failed = &failed;
        job.bytes = ql_dtype_bytes(job.choice.dtype, elements(job.source));
        QL_TRY(ql_gguf_add_produced(w, job.source.name, job.choice.dtype, job.source.n_dims, job.source.ne, produce,
                                    &job));
    }
    const Status written = ql_gguf_write(w, out.c_str());
    return failed.ok() ? written : error(failed.code(), "%s: %s", in.c_str(), failed.message().c_str());
}

}  // namespace ql
