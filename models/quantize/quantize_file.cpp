#include "models/quantize/quantize_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <vector>

#include "common/threads.hpp"
#include "models/files/gguf_keys.hpp"
#include "models/files/weight_names.hpp"
#include "models/quantize/conversion_stream.hpp"
#include "models/quantize/output_parts.hpp"
#include "models/quantize/recipe.hpp"
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
Status report(const ql_quantize_options & options, std::span<const Conversion> tensors, size_t i, int64_t part,
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
    t.part = part;
    t.kept = !c.edit ? NAN : sums.change > 0 ? sums.along / sums.change : 1;
    if (options.on_tensor(options.user, &t) == 0) return {};
    return error(QL_CANCELLED, "stopped after %lld of %lld tensors; nothing was written",
                 static_cast<long long>(t.index + 1), static_cast<long long>(t.n));
}

/// The recipe that the options ask for, nullptr where they ask for a type.
Result<const Recipe *> check_types(const ql_quantize_options & o) {
    const Recipe * const recipe = o.recipe ? find_recipe(o.recipe) : nullptr;
    if (o.recipe && !recipe)
        return error(QL_NOT_FOUND, "recipe '%.64s' is not known; known are %s", o.recipe, recipe_names().c_str());
    QL_ASSIGN(const ql_dtype type, weight_type("type", recipe ? static_cast<int64_t>(recipe->type) : o.type));
    QL_TRY(check_search(o.search, type));
    if (o.embedding_type != QL_BASE_AUTO && o.embedding_type != QL_BASE_KEEP)
        QL_TRY(weight_type("embedding type", o.embedding_type).status());
    return recipe;
}

/// What each tensor of the file becomes.
class Choices {
  public:
    Choices(const ql_gguf * file, const ql_quantize_options & options, const Recipe * recipe)
        : options_(options), recipe_(recipe) {
        ql_gguf_tensor head;
        model_.tied = ql_gguf_find_tensor(file, "output.weight", &head) != QL_OK;
        for (int64_t i = 0; i < ql_gguf_n_tensors(file); ++i) {
            ql_gguf_tensor t;
            if (ql_gguf_tensor_at(file, i, &t) == QL_OK)
                model_.n_layer = std::max(model_.n_layer, layer_of(t.name) + 1);
        }
    }

    QuantizeChoice of(const ql_gguf_tensor & t) const {
        return recipe_
                   ? choose_recipe_type(*recipe_, model_, t.name, t.n_dims, t.dtype, t.ne[0], options_.embedding_type)
                   : choose_file_type(t.name, t.n_dims, t.dtype, t.ne[0], options_.type, options_.embedding_type);
    }

  private:
    const ql_quantize_options & options_;
    const Recipe * const recipe_;
    RecipeModel model_{};
};

/// The model's keys, without those that describe the file's old types.
Status set_keys(ql_gguf_writer * w, const ql_gguf * file, int file_type) {
    QL_TRY(ql_gguf_copy_keys(w, file));
    for (const char * stale :
         {"general.file_type", "general.quantized_by", "quantize.imatrix.file", "quantize.imatrix.dataset",
          "quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"})
        QL_TRY(ql_gguf_unset(w, stale));
    if (file_type >= 0) QL_TRY(ql_gguf_set_int(w, "general.file_type", QL_GGUF_U32, file_type));
    return ql_gguf_set_int(w, "general.quantization_version", QL_GGUF_U32, 2);
}

/// For an edited tensor of a type that can only be read.
QuantizeChoice written_instead(const Conversion & c) {
    QuantizeChoice choice = choose_type(c.source.name, c.source.dtype, c.row(), QL_Q8_0);
    if (choice.note.empty())
        choice.note = format("%s is changed and becomes q8_0: %s can be read, not written", c.source.name,
                             ql_dtype_name(c.source.dtype));
    return choice;
}

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

Result<std::vector<Conversion>> conversions(const ql_gguf * file, const Choices & choices, const WeightEdit * edit,
                                            const ql_quantize_options & options) {
    std::vector<Conversion> tensors(static_cast<size_t>(ql_gguf_n_tensors(file)));
    for (size_t i = 0; i < tensors.size(); ++i) {
        Conversion & c = tensors[i];
        QL_TRY(ql_gguf_tensor_at(file, static_cast<int64_t>(i), &c.source));
        c.choice = choices.of(c.source);
        c.edit = edit && edit->changes(c.source.name) ? edit : nullptr;
        if (c.edit && !ql_dtype_can_encode(c.choice.dtype)) c.choice = written_instead(c);
        c.measured = options.on_tensor != nullptr;
        c.scales = options.search ? Scales::search : Scales::largest_weight;
    }
    return tensors;
}

/// Writes the parts one after the other, as the stream converts their tensors.
class Output {
  public:
    Output(const ql_gguf * file, std::span<const Conversion> tensors, ConversionStream & stream, int file_type)
        : file_(file), tensors_(tensors), source_{&stream, {}}, file_type_(file_type) {}

    Status write(const std::vector<OutputPart> & parts, bool split) {
        if (!split) return write_part(parts[0], 0, 0, parts[0].path);
        PendingFiles pending;
        for (size_t i = 0; i < parts.size(); ++i)
            QL_TRY(write_part(parts[i], i, parts.size(), pending.add(parts[i].path)));
        return pending.publish();
    }
    /// Why a tensor could not be converted.
    const Status & failed() const { return source_.failed; }

  private:
    Status write_part(const OutputPart & part, size_t i, size_t n, const std::string & path) {
        GgufWriterPtr writer;
        QL_TRY(ql_gguf_writer_create(ql::out(writer)));
        ql_gguf_writer * w = writer.get();
        if (i == 0) QL_TRY(set_keys(w, file_, file_type_));
        if (n > 0) QL_TRY(set_part_keys(w, i, n, tensors_.size()));
        for (const Conversion & c : tensors_.subspan(part.first, part.end - part.first))
            QL_TRY(ql_gguf_add_produced(w, c.source.name, c.choice.dtype, c.source.n_dims, c.source.ne, produce,
                                        &source_));
        return ql_gguf_write(w, path.c_str());
    }

    const ql_gguf * file_;
    const std::span<const Conversion> tensors_;
    Source source_;
    const int file_type_;
};

}  // namespace

Status quantize_file(const std::string & in, const std::string & out, const ql_quantize_options & options,
                     const WeightEdit * edit) {
    QL_ASSIGN(const Recipe * const recipe, check_types(options));
    QL_ASSIGN(const int threads, choose_threads(options.threads));
    QL_ASSIGN(const GgufPtr file, open_input(in, out));
    const ql_gguf * raw = file.get();
    if (edit) QL_TRY(edit->check(*raw));
    QL_ASSIGN(const std::vector<Conversion> tensors, conversions(raw, {raw, options, recipe}, edit, options));
    const std::vector<OutputPart> parts = output_parts(out, tensors, options.split_bytes);
    std::error_code ec;
    for (const OutputPart & part : parts)
        if (std::filesystem::equivalent(in, part.path, ec))
            return error(QL_INVALID_ARGUMENT, "%s: input and output are the same file", part.path.c_str());
    size_t part = 0;
    ConversionStream stream(tensors, threads, [&](size_t i, const ChangeSums & sums) {
        ql_gguf_forget(raw, tensors[i].source.data, tensors[i].source.size);
        while (i >= parts[part].end) ++part;
        return report(options, tensors, i, static_cast<int64_t>(part), sums);
    });
    Output output(raw, tensors, stream,
                  recipe ? recipe->file_type : ql_dtype_file_type(static_cast<ql_dtype>(options.type)));
    const Status written = output.write(parts, options.split_bytes > 0);
    if (output.failed().ok()) return written;
    return error(output.failed().code(), "%s: %s", in.c_str(), output.failed().message().c_str());
}

}  // namespace ql
