// Adapters to PEFT directories: the inverse of peft_load.cpp.
#include <deque>
#include <filesystem>
#include <vector>

#include "models/adapter/formats.hpp"
#include "models/adapter/peft_names.hpp"
#include "models/adapter/peft_written_config.hpp"
#include "models/files/chat_template_file.hpp"
#include "models/files/new_folders.hpp"
#include "models/files/replace_file.hpp"
#include "models/files/safetensors.hpp"
#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/model/architecture.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// What PEFT's config has no place for; a GGUF file made of the directory is the same byte by byte.
OriginTexts texts_of(const Adapter & adapter) {
    OriginTexts texts = origin_texts(adapter.origin);
    texts.erase("qlora.peft_fields");  // in the config
    texts[kBaseNameText] = adapter.base_name;
    if (!adapter.name.empty()) texts[kNameText] = adapter.name;
    if (!adapter.chat_date.empty()) texts[kChatDateText] = adapter.chat_date;
    if (!adapter.chat_kwargs.empty()) texts[kChatKwargsText] = adapter.chat_kwargs;
    return texts;
}

/// The tensors of a file, of which some values are made for it.
class Tensors {
  public:
    explicit Tensors(const Model & model) : model_(model) {}

    Status add(const LoraMatrix & m) {
        QL_ASSIGN(const std::string module, peft_module(model_, m.weight));
        const std::string stem = std::string(kPeftPrefix) + module;
        std::vector<float> b = in_hf_order(m.b, m);
        if (m.kind == LoraKind::miss) {
            put(stem, kPeftBlock, {m.r, m.m}, transposed(b, m.m, m.r));
            return {};
        }
        list_.push_back({stem + std::string(kPeftA), {m.r, m.k}, m.a.data()});
        put(stem, kPeftB, {m.m, m.r}, std::move(b));
        if (m.kind == LoraKind::dora) put(stem, kPeftMagnitude, {m.m}, in_hf_order(m.magnitude, m));
        return {};
    }
    Status add(const TrainedNorm & norm) {
        QL_ASSIGN(const std::string module, peft_module(model_, norm.weight));
        list_.push_back({std::string(kPeftPrefix) + module + std::string(kPeftWeight),
                         {static_cast<int64_t>(norm.values.size())},
                         norm.values.data()});
        return {};
    }
    Status add(const TokenRows & rows) {
        QL_ASSIGN(const std::string module, peft_module(model_, rows.weight));
        list_.push_back({std::string(kPeftPrefix) + module + std::string(kPeftRows),
                         {rows.n_rows(), rows.width()},
                         rows.values.data()});
        return {};
    }
    const std::vector<F32Tensor> & list() const { return list_; }

  private:
    void put(const std::string & stem, std::string_view ending, std::vector<int64_t> shape, std::vector<float> values) {
        list_.push_back({stem + std::string(ending), std::move(shape), made_.emplace_back(std::move(values)).data()});
    }

    /// What belongs to rows of the weight, a value or more each.
    std::vector<float> in_hf_order(const std::vector<float> & values, const LoraMatrix & m) const {
        std::vector<float> ordered = values;
        if (model_.architecture().permuted(linear_of(m.weight)))
            rows_to_hf_order(values.data(), ordered.data(), m.m,
                             values.size() / static_cast<size_t>(m.m) * sizeof(float), model_.hparams().head_dim);
        return ordered;
    }

    static std::vector<float> transposed(const std::vector<float> & b, int64_t rows, int64_t columns) {
        std::vector<float> t(b.size());
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j)
                t[static_cast<size_t>(j * rows + i)] = b[static_cast<size_t>(i * columns + j)];
        return t;
    }

    const Model & model_;
    std::vector<F32Tensor> list_;
    std::deque<std::vector<float>> made_;
};

Status write_weights(const Adapter & adapter, const Model & model, const std::string & path) {
    Tensors tensors(model);
    for (const LoraMatrix & m : adapter.matrices) QL_TRY(tensors.add(m));
    for (const TrainedNorm & norm : adapter.norms) QL_TRY(tensors.add(norm));
    for (const TokenRows & rows : adapter.rows) QL_TRY(tensors.add(rows));
    return write_safetensors(path, tensors.list(), texts_of(adapter));
}

/// With a config the directory counts as an adapter. Therefore all is written beside what is there, then the old config goes,
/// the files get their names, and the new config comes last: old and new are never mixed, and no old template stays.
Status replace_adapter(const std::string & directory, const std::string & config, const Adapter & adapter,
                       const Model & model) {
    const std::string config_path = directory + "/adapter_config.json", words = directory + "/chat_template.jinja";
    const auto forget_old = [&] {
        for (const std::string & path : {config_path, words}) {
            std::error_code fault;
            const std::filesystem::path file = std::filesystem::weakly_canonical(path, fault);  // a link stays one
            if (!fault) std::filesystem::remove(file, fault);
            if (fault) return error(QL_IO, "%s: cannot be replaced: %s", path.c_str(), fault.message().c_str());
        }
        return Status();
    };
    return replace_file(config_path, [&](const std::string & new_config) -> Status {
        QL_TRY(write_file(new_config, config));
        return replace_file(directory + "/adapter_model.safetensors", [&](const std::string & new_weights) -> Status {
            QL_TRY(write_weights(adapter, model, new_weights));
            if (adapter.chat_template.empty()) return forget_old();
            return replace_file(words, [&](const std::string & new_words) -> Status {
                QL_TRY(write_file(new_words, adapter.chat_template));
                return forget_old();
            });
        });
    });
}

/// Without a template of its own an adapter is read with the tokenizer's, where there is one.
Status check_no_other_template(const std::string & directory) {
    QL_ASSIGN(const std::string other, read_tokenizer_chat_template(directory));
    if (other.empty()) return {};
    return error(
        QL_INVALID_ARGUMENT,
        "%s: tokenizer_config.json has a chat template, which an adapter without one would be read with; write "
        "it elsewhere, or take the file out",
        directory.c_str());
}

}  // namespace

Status save_peft(const Adapter & adapter, const Model & model, const std::string & directory) {
    QL_TRY(check_adapter(adapter, &model));
    QL_ASSIGN(const std::string config, peft_config_text(adapter, model));
    const NewFolders folders(directory);
    QL_TRY(ql_os_make_directory(directory.c_str()));
    if (adapter.chat_template.empty()) QL_TRY(check_no_other_template(directory));
    QL_TRY(replace_adapter(directory, config, adapter, model));
    auto read = load_peft_adapter(directory, model, BaseRule::kAny);
    return read.ok() ? Status()
                     : error(QL_INTERNAL, "the adapter just written cannot be read back: %s", read.message().c_str());
}

}  // namespace ql
