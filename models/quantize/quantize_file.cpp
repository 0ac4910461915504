#include "models/quantize/quantize_file.hpp"

#include <filesystem>
#include <unordered_map>

#include "models/files/file_fault.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/files/weight_names.hpp"
#include "models/quantize/tensor_scale.hpp"
#include "models/quantize/write_model.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// The input: a model's file that is none of the output's.
Result<GgufPtr> open_input(const std::string & in, const std::string & out) {
    std::error_code ec;
    if (std::filesystem::equivalent(in, out, ec))
        return error(QL_INVALID_ARGUMENT, "%s: input and output are the same file", out.c_str());
    QL_TRY(ql_os_check_writable(out.c_str()));
    GgufPtr file;
    QL_TRY(ql_gguf_open(in.c_str(), ql::out(file)));
    std::string type;
    QL_TRY(GgufKeys(file.get(), "general").text("type", type, "model"));
    if (type != "model") return error(QL_BAD_FILE, "%s: holds '%s', not a model", in.c_str(), type.c_str());
    return file;
}

/// Gives matrices the scales that lie beside them.
Status read_scales(std::vector<Conversion> & tensors) {
    std::unordered_map<std::string, const ql_gguf_tensor *> by_name;
    for (const Conversion & c : tensors) by_name[c.source.name] = &c.source;
    for (Conversion & c : tensors) {
        if (!can_have_scale(c.source.name, c.source.n_dims)) continue;
        const auto scale = by_name.find(scale_of(c.source.name));
        if (scale == by_name.end()) continue;
        QL_ASSIGN(c.scale, tensor_scale(*scale->second));
    }
    return {};
}

Result<std::vector<Conversion>> tensors_of(const ql_gguf * file, const WeightEdit * edit) {
    std::vector<Conversion> tensors(static_cast<size_t>(ql_gguf_n_tensors(file)));
    for (size_t i = 0; i < tensors.size(); ++i) {
        Conversion & c = tensors[i];
        QL_TRY(ql_gguf_tensor_at(file, static_cast<int64_t>(i), &c.source));
        c.file_data = c.source.data, c.file_bytes = c.source.size;
        c.edit = edit && edit->changes(c.source.name) ? edit : nullptr;
    }
    QL_TRY(read_scales(tensors));
    return tensors;
}

}  // namespace

Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options,
                     const WeightEdit * edit) {
    QL_TRY(check_quantize_options(options));
    QL_ASSIGN(const GgufPtr file, open_input(in, out));
    const ql_gguf * raw = file.get();
    if (edit) QL_TRY(edit->check(*raw));
    ModelInput input{in, {}, [raw](ql_gguf_writer * w) { return Status(ql_gguf_copy_keys(w, raw)); }};
    auto tensors = tensors_of(raw, edit);
    QL_TRY(file_fault(in, tensors.status()));
    input.tensors = std::move(tensors).value();
    return write_model(input, out, options);
}

}  // namespace ql
