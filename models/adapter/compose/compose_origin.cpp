#include "models/adapter/compose/compose_origin.hpp"

#include <algorithm>

namespace ql {
namespace {

constexpr size_t kLongestText = 1000;  // of nested compositions

/// The value that all parts have, else "".
template <typename Field>
std::string common(std::span<const WeightedAdapter> adapters, Field field) {
    const std::string & first = field(adapters[0].adapter->origin);
    const bool same = std::all_of(adapters.begin(), adapters.end(),
                                  [&](const WeightedAdapter & w) { return field(w.adapter->origin) == first; });
    return same ? first : "";
}

std::string part_name(const Adapter & a) {
    return !a.origin.composed.empty() ? "(" + a.origin.composed + ")" : a.name.empty() ? "unnamed" : a.name;
}

std::string cut(const std::string & text) {
    return text.size() <= kLongestText ? text : text.substr(0, kLongestText) + "...";
}

std::string composed_text(std::span<const WeightedAdapter> adapters, const ComposeOptions & options) {
    std::string text = options.method;
    if (options.rank != 0) text += ", rank " + std::to_string(options.rank);
    if (options.density != 1)
        text += ", density " + number_text(options.density) + ", seed " + std::to_string(options.seed);
    const char * between = ": ";
    for (const WeightedAdapter & w : adapters) {
        text += between + part_name(*w.adapter) + " x " + number_text(w.weight);
        between = " + ";
    }
    return cut(text);
}

/// "" where they are of different bases (compose was forced): such a sum is of none.
std::string identity_of(std::span<const WeightedAdapter> adapters) {
    std::string identity;
    for (const WeightedAdapter & w : adapters) {
        const std::string & own = w.adapter->origin.base.model;
        if (!identity.empty() && !own.empty() && own != identity) return "";
        if (identity.empty()) identity = own;
    }
    return identity;
}

Status check_pair(const Adapter & a, const Adapter & b) {
    const std::string &id = a.origin.base.model, &other = b.origin.base.model;
    const bool told = !id.empty() && !other.empty();
    if (told && id != other)
        return error(QL_BAD_FILE,
                     "compose: one adapter was trained on the model '%.80s' (identity %s), another on '%.80s' (%s)",
                     a.base_name.c_str(), id.c_str(), b.base_name.c_str(), other.c_str());
    if (!told && !a.base_name.empty() && !b.base_name.empty() && a.base_name != b.base_name)
        return error(QL_BAD_FILE, "compose: one adapter is for the model '%.80s', another for '%.80s'",
                     a.base_name.c_str(), b.base_name.c_str());
    return {};
}

}  // namespace

Status check_same_base(std::span<const WeightedAdapter> adapters) {
    for (size_t i = 0; i < adapters.size(); ++i)
        for (size_t j = 0; j < i; ++j) QL_TRY(check_pair(*adapters[j].adapter, *adapters[i].adapter));
    return {};
}

bool keeps_whole(std::span<const WeightedAdapter> adapters, const ComposeOptions & options) {
    return adapters.size() == 1 && adapters[0].weight == 1 && options.rank == 0 && options.density == 1;
}

Origin compose_origin(std::span<const WeightedAdapter> adapters, const ComposeOptions & options) {
    Origin made;
    if (keeps_whole(adapters, options)) {
        made = adapters[0].adapter->origin;
        made.merge = {};
        return made;
    }
    made.base.model = identity_of(adapters);
    made.base.file = common(adapters, [](const Origin & o) -> const std::string & { return o.base.file; });
    made.base_type = common(adapters, [](const Origin & o) -> const std::string & { return o.base_type; });
    made.composed = composed_text(adapters, options);
    for (const WeightedAdapter & w : adapters) {
        add_runs(made, w.adapter->origin.runs);
        add_other_base(made, w.adapter->origin.other_base);
    }
    return made;
}

Origin derived_origin(const Adapter & from, const std::string & how) {
    Origin made = from.origin;
    made.merge = {};
    made.composed = cut(how + ": " + part_name(from));
    return made;
}

}  // namespace ql
