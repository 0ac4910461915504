#include "models/adapter/compose/compose_origin.hpp"

#include <algorithm>
#include <optional>
#include <utility>

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

/// How the bases of two adapters differ, "" if they do not.
std::string difference(const Adapter & a, const std::string & name_of_a, const Adapter & b,
                       const std::string & name_of_b) {
    const std::string &id = a.origin.base.model, &other = b.origin.base.model;
    const bool told = !id.empty() && !other.empty();
    if (told && id != other)
        return format("compose: %s was trained on the model '%.80s' (identity %s), %s on '%.80s' (%s)",
                      name_of_a.c_str(), a.base_name.c_str(), id.c_str(), name_of_b.c_str(), b.base_name.c_str(),
                      other.c_str());
    if (!told && !a.base_name.empty() && !b.base_name.empty() && a.base_name != b.base_name)
        return format("compose: %s is for the model '%.80s', %s for '%.80s'", name_of_a.c_str(), a.base_name.c_str(),
                      name_of_b.c_str(), b.base_name.c_str());
    return "";
}

/// Two adapters of different bases, the first such in the list; nothing where there are none.
std::optional<std::pair<size_t, size_t>> first_different(std::span<const WeightedAdapter> adapters) {
    for (size_t i = 0; i < adapters.size(); ++i)
        for (size_t j = 0; j < i; ++j)
            if (!difference(*adapters[j].adapter, "", *adapters[i].adapter, "").empty()) return std::pair(j, i);
    return std::nullopt;
}

}  // namespace

std::vector<std::string> names_of(std::span<const WeightedAdapter> adapters) {
    std::vector<std::string> names;
    for (const WeightedAdapter & w : adapters)
        names.push_back(w.path.empty() ? "adapter " + std::to_string(names.size()) : w.path);
    return names;
}

Status check_same_base(std::span<const WeightedAdapter> adapters) {
    const auto two = first_different(adapters);
    if (!two) return {};
    const std::vector<std::string> names = names_of(adapters);
    return error(
        QL_BAD_FILE, "%s",
        difference(*adapters[two->first].adapter, names[two->first], *adapters[two->second].adapter, names[two->second])
            .c_str());
}

std::string other_base_text(std::span<const WeightedAdapter> adapters) {
    const auto two = first_different(adapters);
    return two ? difference(*adapters[two->first].adapter, "one adapter", *adapters[two->second].adapter, "another")
               : "";
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
