#include "models/adapter/peft_tensors.hpp"

#include <algorithm>

#include "models/adapter/base_copy.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/peft_names.hpp"
#include "models/model/architecture.hpp"

namespace ql {
namespace {

struct PeftPart {
    std::string_view ending;
    const SafeTensor * ModuleTensors::*tensor;
    size_t n_dims;
    size_t rank_dim;  // that the rank is; n_dims: none
};
constexpr PeftPart kParts[] = {
    {kPeftA, &ModuleTensors::a, 2, 0},
    {kPeftB, &ModuleTensors::b, 2, 1},
    {kPeftMagnitude, &ModuleTensors::magnitude, 1, 1},
    {".lora_magnitude_vector.weight", &ModuleTensors::magnitude, 1, 1},  // its name in PEFT's memory
    {kPeftBlock, &ModuleTensors::block, 2, 0},
};

Status not_lora(const SafeTensor & t) {
    const bool embedding = t.name.find("lora_embedding") != std::string::npos;
    return error(QL_UNSUPPORTED, "tensor '%.120s' is no part of a LoRA, DoRA or MiSS on a linear layer%s",
                 t.name.c_str(), embedding ? " (LoRA on an embedding is not supported)" : "");
}

Status check_shape(const SafeTensor & t, const PeftPart & part) {
    const auto wrong = [&](const char * what) {
        return error(QL_BAD_FILE, "tensor '%.120s' has the shape %s, %s", t.name.c_str(), t.shape_text().c_str(), what);
    };
    if (t.shape.size() != part.n_dims)
        return wrong(part.n_dims == 2 ? "two dimensions are needed" : "one dimension is needed");
    if (part.rank_dim < part.n_dims && t.shape[part.rank_dim] == 0) return wrong("its rank is 0");
    return t.elements() == 0 ? wrong("it holds nothing") : Status();
}

std::string module_of(const SafeTensor & t, std::string_view ending) {
    return t.name.substr(kPeftPrefix.size(), t.name.size() - kPeftPrefix.size() - ending.size());
}

class Sorting {
  public:
    Sorting(const PeftConfig & config, const Model & model)
        : config_(config), modules_(config.modules()), model_(model) {}

    Status place(const SafeTensor & t) {
        const std::string_view name = t.name;
        if (name.ends_with(".lora_velora_embed")) return {};  // of VeLoRA's backward pass
        if (const auto weight = copied_weight(model_, name)) return place_copy(*weight, t);
        if (!name.starts_with(kPeftPrefix)) return not_lora(t);
        if (name.ends_with(kPeftRows)) return place_rows(t);
        const auto part = std::find_if(std::begin(kParts), std::end(kParts),
                                       [&](const PeftPart & p) { return name.ends_with(p.ending); });
        if (part == std::end(kParts)) return place_whole(t);
        if (name.size() <= kPeftPrefix.size() + part->ending.size()) return not_lora(t);
        QL_TRY(check_shape(t, *part));
        const SafeTensor *& slot = sorted_.linears[module_of(t, part->ending)].*part->tensor;
        if (slot) return error(QL_BAD_FILE, "tensor '%.120s' is there under two names", t.name.c_str());
        slot = &t;
        return {};
    }

    /// What was found, where modules_to_save names nothing else.
    Result<PeftTensors> take() {
        for (const std::string & name : modules_.saved())
            if (std::none_of(whole_.begin(), whole_.end(), [&](const std::string & m) { return m.ends_with(name); }))
                return error(QL_BAD_FILE,
                             "modules_to_save of adapter_config.json names '%.80s', of which there are no tensors",
                             name.c_str());
        if (sorted_.rows.size() != config_.n_token_modules())
            return error(QL_BAD_FILE, "trainable_token_indices has tokens of %zu modules, the tensors are of %zu",
                         config_.n_token_modules(), sorted_.rows.size());
        std::sort(sorted_.rows.begin(), sorted_.rows.end(),
                  [](const TokenRows & x, const TokenRows & y) { return x.weight > y.weight; });
        return std::move(sorted_);
    }

  private:
    /// Of embedding or head. A head of its own that was trained is a linear like others; all else must be the base's.
    Status place_copy(const std::string & weight, const SafeTensor & t) {
        const std::string module = module_of(t, kPeftWeight);
        if (!modules_.saves(module)) return check_copy(model_, weight, t);
        whole_.push_back(module);
        if (weight == "output.weight") {
            sorted_.linears[module].weight = &t;
            return {};
        }
        if (check_copy(model_, weight, t).ok()) return {};
        return error(
            QL_UNSUPPORTED,
            "tensor '%.120s' is an embedding that was trained whole (modules_to_save), which an adapter cannot "
            "hold; merge it in PEFT (merge_and_unload) and use the model that makes",
            t.name.c_str());
    }

    Status place_rows(const SafeTensor & t) {
        QL_ASSIGN(TokenRows rows, read_token_rows(t, config_, model_));
        sorted_.rows.push_back(std::move(rows));
        return {};
    }

    /// A norm or a linear of which PEFT saved the weight itself.
    Status place_whole(const SafeTensor & t) {
        if (!std::string_view(t.name).ends_with(kPeftWeight)) return not_lora(t);
        const std::string module = module_of(t, kPeftWeight);
        const auto weight = model_.architecture().hf_names().gguf_name(module + std::string(kPeftWeight));
        const Weight * const w = weight ? model_.find(*weight) : nullptr;
        if (!w) return not_lora(t);
        whole_.push_back(module);
        if (!is_norm(*weight)) {
            sorted_.linears[module].weight = &t;
            return {};
        }
        if (t.shape != std::vector<int64_t>{w->ne[0]})
            return error(QL_BAD_FILE, "tensor '%.120s' is %s, but '%s' of the model '%s' has %lld values",
                         t.name.c_str(), t.shape_text().c_str(), weight->c_str(), model_.name().c_str(),
                         static_cast<long long>(w->ne[0]));
        QL_ASSIGN(std::vector<float> values, read_f32(t));
        sorted_.norms.push_back({*weight, std::move(values)});
        return {};
    }

    const PeftConfig & config_;
    const PeftModules & modules_;
    const Model & model_;
    PeftTensors sorted_;
    std::vector<std::string> whole_;  // modules of which the weight itself is there
};

}  // namespace

Result<PeftTensors> sort_tensors(const SafeTensorsFile & file, const PeftConfig & config, const Model & model) {
    Sorting sorting(config, model);
    for (const SafeTensor & t : file.tensors()) QL_TRY(sorting.place(t));
    return sorting.take();
}

}  // namespace ql
