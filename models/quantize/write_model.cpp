#include "models/quantize/write_model.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "common/threads.hpp"
#include "models/files/file_fault.hpp"
#include "models/files/weight_names.hpp"
#include "models/quantize/conversion_stream.hpp"
#include "models/quantize/output_parts.hpp"
#include "models/quantize/recipe.hpp"
#include "models/quantize/tensor_scale.hpp"
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
Result<const Recipe *> find_asked_recipe(const ql_quantize_options & o) {
    const Recipe * const recipe = o.recipe ? find_recipe(o.recipe) : nullptr;
    if (o.recipe && !recipe)
        return error(QL_NOT_FOUND, "recipe '%.64s' is not known; known are %s", o.recipe, recipe_names().c_str());
    const bool kept = !recipe && o.type == QL_BASE_KEEP;
    ql_dtype type = QL_F32;
    if (!kept) {
        QL_ASSIGN(type, weight_type("type", recipe ? static_cast<int64_t>(recipe->type) : o.type));
    }
    QL_TRY(check_search(o.search, type));
    if (o.embedding_type != QL_BASE_AUTO && o.embedding_type != QL_BASE_KEEP)
        QL_TRY(weight_type("embedding type", o.embedding_type).status());
    return recipe;
}

/// What each tensor becomes.
class Choices {
  public:
    Choices(std::span<const Conversion> tensors, const ql_quantize_options & options, const Recipe * recipe)
        : options_(options), recipe_(recipe) {
        model_.tied = true;
        for (const Conversion & c : tensors) {
            if (std::string_view(c.source.name) == "output.weight") model_.tied = false;
            model_.n_layer = std::max(model_.n_layer, layer_of(c.source.name) + 1);
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

/// For an edited tensor of a type that can only be read.
QuantizeChoice written_instead(const Conversion & c) {
    QuantizeChoice choice = choose_type(c.source.name, c.source.dtype, c.row(), QL_Q8_0);
    if (choice.note.empty())
        choice.note = format("%s is changed and becomes q8_0: %s can be read, not written", c.source.name,
                             ql_dtype_name(c.source.dtype));
    return choice;
}

void choose_types(std::span<Conversion> tensors, const ql_quantize_options & options, const Recipe * recipe) {
    const Choices choices(tensors, options, recipe);
    for (Conversion & c : tensors) {
        c.choice = choices.of(c.source);
        if (c.edit && !ql_dtype_can_encode(c.choice.dtype)) c.choice = written_instead(c);
        if (c.edit) c.dither = c.edit->dither(c.source.name, c.source.dtype, c.choice.dtype);
        c.measured = options.on_tensor != nullptr;
        c.scales = options.search ? Scales::search : Scales::largest_weight;
    }
}

/// Scales of tensors that are written as other values: those have the scale in them.
Status drop_scales(std::vector<Conversion> & tensors) {
    std::unordered_map<std::string, const ql_gguf_tensor *> by_name;
    for (const Conversion & c : tensors) by_name[c.source.name] = &c.source;
    std::unordered_set<std::string> dropped;
    for (const Conversion & c : tensors) {
        const std::string_view name = c.source.name;
        if (c.copied() || !name.ends_with(".weight")) continue;
        const std::string scale = scale_of(name), input = input_scale_of(name);
        if (by_name.contains(scale) && c.source.n_dims > 2)
            return error(
                QL_UNSUPPORTED,
                "tensor '%.80s' holds scales of a stack's matrices; '%.80s' can be kept as it is, not converted",
                scale.c_str(), c.source.name);
        if (!can_have_scale(name, c.source.n_dims)) continue;
        dropped.insert({scale, input});
    }
    std::erase_if(tensors, [&](const Conversion & c) { return dropped.contains(c.source.name); });
    return {};
}

/// general.file_type: that of the mix or of the type that is asked for, else of the type that most weights have.
int file_type_of(std::span<const Conversion> tensors, const ql_quantize_options & options, const Recipe * recipe) {
    if (recipe) return recipe->file_type;
    if (options.type != QL_BASE_KEEP) return ql_dtype_file_type(static_cast<ql_dtype>(options.type));
    std::map<ql_dtype, int64_t> weights;
    for (const Conversion & c : tensors) weights[c.choice.dtype] += c.row() * c.rows();
    const auto most = std::max_element(weights.begin(), weights.end(),
                                       [](const auto & a, const auto & b) { return a.second < b.second; });
    return most == weights.end() ? -1 : ql_dtype_file_type(most->first);
}

/// The model's keys, without those that describe old types, and with those of the new ones.
Status set_keys(ql_gguf_writer * w, const ModelInput & input, int file_type) {
    QL_TRY(input.set_keys(w));
    for (const char * stale :
         {"general.file_type", "general.quantized_by", "quantize.imatrix.file", "quantize.imatrix.dataset",
          "quantize.imatrix.entries_count", "quantize.imatrix.chunks_count"})
        QL_TRY(ql_gguf_unset(w, stale));
    if (file_type >= 0) QL_TRY(ql_gguf_set_int(w, "general.file_type", QL_GGUF_U32, file_type));
    return ql_gguf_set_int(w, "general.quantization_version", QL_GGUF_U32, 2);
}

/// Writes the parts one after the other, as the stream converts their tensors.
class Output {
  public:
    Output(const ModelInput & input, ConversionStream & stream, int file_type)
        : input_(input), tensors_(input.tensors), source_{&stream, {}}, file_type_(file_type) {}

    Status write(const std::vector<OutputPart> & parts, bool split) {
        if (!split) return write_part(parts[0], 0, 0, parts[0].path);
        for (const OutputPart & part : parts) QL_TRY(ql_os_check_writable(part.path.c_str()));  // before the work
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
        if (i == 0) QL_TRY(set_keys(w, input_, file_type_));
        if (n > 0) QL_TRY(set_part_keys(w, i, n, tensors_.size()));
        for (const Conversion & c : tensors_.subspan(part.first, part.end - part.first))
            QL_TRY(ql_gguf_add_produced(w, c.source.name, c.choice.dtype, c.source.n_dims, c.source.ne, produce,
                                        &source_));
        return ql_gguf_write(w, path.c_str());
    }

    const ModelInput & input_;
    const std::span<const Conversion> tensors_;
    Source source_;
    const int file_type_;
};

/// "model-00001-of-00003.gguf" without the number of the part; other names as they are.
std::string without_number(const std::string & name) {
    const size_t of = name.rfind("-of-");
    return of == name.npos || of < 6 || name[of - 6] != '-' ? name : name.substr(0, of - 5) + name.substr(of);
}

bool is_gguf(const std::filesystem::path & path) {
    char magic[4] = {};
    std::ifstream(path, std::ios::binary).read(magic, sizeof magic);
    return std::string_view(magic, sizeof magic) == "GGUF";
}

/// Whether a file that is there is the input, a part of it, or one of its folder that is no GGUF file.
bool is_of_input(const std::filesystem::path & input, const std::filesystem::path & path) {
    namespace fs = std::filesystem;
    std::error_code ec;
    if (!fs::exists(path, ec)) return false;
    if (fs::equivalent(input, path, ec)) return true;
    const fs::path folder = fs::absolute(path, ec).parent_path();
    if (fs::is_directory(input, ec)) return fs::equivalent(folder, input, ec) && !is_gguf(path);
    return fs::equivalent(folder, fs::absolute(input, ec).parent_path(), ec) &&
           without_number(path.filename()) == without_number(input.filename());
}

}  // namespace

Status check_quantize_options(const ql_quantize_options & options) {
    QL_TRY(find_asked_recipe(options).status());
    return choose_threads(options.threads).status();
}

Status write_model(ModelInput & input, const std::string & out, const ql_quantize_options & options) {
    QL_ASSIGN(const Recipe * const recipe, find_asked_recipe(options));
    QL_ASSIGN(const int threads, choose_threads(options.threads));
    choose_types(input.tensors, options, recipe);
    QL_TRY(file_fault(input.path, drop_scales(input.tensors)));
    const std::span<Conversion> tensors = input.tensors;
    const std::vector<OutputPart> parts = output_parts(out, tensors, options.split_bytes);
    for (const OutputPart & part : parts)
        if (is_of_input(input.path, part.path))
            return error(QL_INVALID_ARGUMENT, "%s: a file of the input would be overwritten; choose another name",
                         part.path.c_str());
    size_t part = 0;
    ConversionStream stream(tensors, threads, [&](size_t i, const ChangeSums & sums) {
        while (i >= parts[part].end) ++part;
        return report(options, tensors, i, static_cast<int64_t>(part), sums);
    });
    Output output(input, stream, file_type_of(tensors, options, recipe));
    const Status written = output.write(parts, options.split_bytes > 0);
    if (output.failed().ok()) return written;
    return error(output.failed().code(), "%s: %s", input.path.c_str(), output.failed().message().c_str());
}

}  // namespace ql
