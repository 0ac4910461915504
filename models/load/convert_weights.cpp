#include "models/load/convert_weights.hpp"

#include <algorithm>
#include <cstring>

#include "models/quantize/policy.hpp"
#include "models/quantize/weight_type.hpp"
#include "ql/dtypes.hpp"

namespace ql {
namespace {

Status check_target(const char * what, int64_t option) {
    if (option == QL_BASE_KEEP || option == QL_BASE_AUTO) return {};
    return weight_type(what, option).status();
}

/// `option` has passed check_target.
ql_dtype asked_type(int64_t option, ql_dtype from, ql_dtype automatic) {
    if (option == QL_BASE_KEEP) return from;
    if (option == QL_BASE_AUTO) return automatic;
    return *weight_type("", option);
}

bool is(const Weight & w, WeightRole role) {
    return weight_role(w.name, w.n_dims) == role;
}

/// The type that a matrix is asked to have.
ql_dtype target_type(const Weight & w, bool block, const ql_model_options & options) {
    const int64_t block_option = options.base_type;
    const ql_dtype blocks = block_option >= 0 ? static_cast<ql_dtype>(block_option) : QL_NF4_DQ;
    const ql_dtype automatic = block_option == QL_BASE_KEEP      ? w.dtype
                               : !block                          ? automatic_embedding(w.dtype, blocks)
                               : bits_per_element(w.dtype) > 8.5 ? QL_NF4_DQ
                                                                 : w.dtype;
    return asked_type(block ? block_option : options.embedding_type, w.dtype, automatic);
}

class Converter {
  public:
    /// spill   NULL, or the folder for a file of the converted weights
    Converter(ModelParts & parts, Scales scales, const char * spill) : parts_(parts), scales_(scales), folder_(spill) {}

    /// Puts a weight of that type, in memory of our own or on disk, in the place of one in a file.
    Status replace(Weight & w, ql_dtype dtype) {
        const size_t bytes = ql_dtype_bytes(dtype, w.elements());
        AlignedBytes memory = aligned_bytes(bytes);
        if (!memory) return error(QL_NO_MEMORY, "no memory for '%s' as %s", w.name.c_str(), ql_dtype_name(dtype));
        if (dtype == w.dtype)
            std::memcpy(memory.get(), w.data, bytes);
        else
            QL_TRY(convert_part({w.name, w.dtype, w.data, w.elements(), 0, w.elements(), w.scale}, dtype, memory.get(),
                                {scales_}));
        replaced_.push_back(w);
        forget(w);
        if (dtype != w.dtype) w.scale = 1;  // it is in the values now
        w.dtype = dtype;
        w.data = memory.get();
        w.bytes = bytes;
        if (folder_) return spill(w);
        parts_.owned.push_back(std::move(memory));
        return {};
    }

    /// Weights that were copied when they were read go to the spill, too, if there is one.
    Status spill_copies() {
        for (Weight & w : parts_.weights) {
            const auto copy = std::find_if(parts_.owned.begin(), parts_.owned.end(),
                                           [&](const AlignedBytes & memory) { return memory.get() == w.data; });
            if (!folder_ || copy == parts_.owned.end()) continue;
            QL_TRY(spill(w));
            parts_.owned.erase(copy);
        }
        return {};
    }

    /// Lets the weights that went to the spill be read there.
    Status map_spill() const {
        if (!parts_.spill) return {};
        const void * data = nullptr;
        QL_TRY(ql_os_spill_map(parts_.spill.get(), &data));
        for (const Spilled & s : spilled_) s.weight->data = static_cast<const char *>(data) + s.offset;
        return {};
    }

    /// Forgets all replaced weights once more: where the system keeps the file in huge pages, reading a tensor brings
    /// back parts of the tensors before it.
    void forget_replaced() const {
        for (const Weight & w : replaced_) forget(w);
    }

  private:
    /// Releases the pages of a weight in its file, which nobody reads any more.
    void forget(const Weight & w) const {
        if (parts_.file) ql_gguf_forget(parts_.file.get(), w.data, w.bytes);
    }

    Status spill(Weight & w) {
        if (!parts_.spill) QL_TRY(ql_os_spill_open(folder_, out(parts_.spill)));
        uint64_t offset = 0;
        QL_TRY(ql_os_spill_append(parts_.spill.get(), w.data, w.bytes, &offset));
        spilled_.push_back({&w, offset});
        return {};
    }

    struct Spilled {
        Weight * weight;
        uint64_t offset;
    };

    ModelParts & parts_;
    const Scales scales_;
    const char * const folder_;
    std::vector<Weight> replaced_;
    std::vector<Spilled> spilled_;
};

/// What each weight becomes, in the order of the weights.
std::vector<ql_dtype> choose_types(const ModelParts & parts, const ql_model_options & options,
                                   std::vector<std::string> & notes) {
    std::vector<ql_dtype> types;
    for (const Weight & w : parts.weights) {
        types.push_back(w.dtype);
        if (is(w, WeightRole::other)) continue;
        const ql_dtype target = target_type(w, is(w, WeightRole::block_matrix), options);
        if (target == w.dtype) continue;
        const QuantizeChoice choice = choose_type(w.name, w.dtype, w.ne[0], target);
        if (!choice.note.empty()) notes.push_back(choice.note);
        types.back() = choice.dtype;
    }
    return types;
}

/// A second rounding loses more than one of the original would.
void note_second_rounding(const ModelParts & parts, const std::vector<ql_dtype> & types,
                          std::vector<std::string> & notes) {
    const auto is_rounded = [](ql_dtype type) { return bits_per_element(type) < 16; };
    int64_t n = 0;
    ql_dtype from{}, to{};
    for (size_t i = 0; i < types.size(); ++i) {
        const ql_dtype was = parts.weights[i].dtype;
        if (was == types[i] || !is_rounded(was) || !is_rounded(types[i])) continue;
        if (n++ == 0) from = was, to = types[i];
    }
    if (n > 0)
        notes.push_back(
            format("%lld matrices are rounded a second time, from %s to %s: converted from a model of 16 bits "
                   "they would lose less",
                   static_cast<long long>(n), ql_dtype_name(from), ql_dtype_name(to)));
}

/// A search was asked for, and there is something to search.
Status check_searched(const ModelParts & parts, const std::vector<ql_dtype> & types) {
    for (size_t i = 0; i < types.size(); ++i)
        if (types[i] != parts.weights[i].dtype && ql_dtype_can_search(types[i])) return {};
    return error(QL_INVALID_ARGUMENT, "search: no matrix is converted to %s here, whose scales could be searched",
                 dtype_names(ql_dtype_can_search, " or ").c_str());
}

}  // namespace

Status check_base_types(const ql_model_options & options) {
    QL_TRY(check_target("base type", options.base_type));
    const bool named = options.base_type >= 0;
    QL_TRY(check_search(options.search, named ? static_cast<ql_dtype>(options.base_type) : QL_NF4_DQ));
    return check_target("embedding type", options.embedding_type);
}

Status convert_weights(ModelParts & parts, const ql_model_options & options, std::vector<std::string> & notes) {
    const std::vector<ql_dtype> types = choose_types(parts, options, notes);
    if (options.search) QL_TRY(check_searched(parts, types));
    note_second_rounding(parts, types, notes);
    bool converts_blocks = false;
    for (size_t i = 0; i < types.size(); ++i)
        converts_blocks |= types[i] != parts.weights[i].dtype && is(parts.weights[i], WeightRole::block_matrix);
    Converter converter(parts, options.search ? Scales::search : Scales::largest_weight, options.spill);
    for (size_t i = 0; i < types.size(); ++i) {
        Weight & w = parts.weights[i];
        // Norms lie between the matrices: read in the file, they would keep pages of converted ones in memory.
        if (types[i] != w.dtype || (converts_blocks && is(w, WeightRole::other)))
            QL_TRY(converter.replace(w, types[i]));
    }
    converter.forget_replaced();
    QL_TRY(converter.spill_copies());
    return converter.map_spill();
}

}  // namespace ql
