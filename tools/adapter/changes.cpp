#include "tools/adapter/changes.hpp"

#include <cmath>

#include "tools/cli/escape.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {

void Changes::Kind::add(const ql_adapter_change & change) {
    ++n;
    squares += change.norm * change.norm;
    lost += change.error * change.error;
    if (change.r == 0) return;
    ++branches;
    from_min = std::min(from_min, change.r_from), from_max = std::max(from_max, change.r_from);
    r_min = std::min(r_min, change.r), r_max = std::max(r_max, change.r);
}

double Changes::Kind::left() const {
    return squares > 0 ? std::sqrt(lost / squares) : 0;
}

std::string Changes::Kind::ranks() const {
    const auto range = [](int64_t low, int64_t high) {
        return low == high ? print_count(low) : print_count(low) + " to " + print_count(high);
    };
    if (branches == 0) return "";
    const std::string now = range(r_min, r_max);
    const std::string before = from_max > 0 ? range(from_min, from_max) : now;
    return before == now ? now : before + " -> " + now;
}

void Changes::add(const ql_adapter_change & change) {
    progress_.update(static_cast<double>(change.index + 1), static_cast<double>(change.n), change.weight);
    const bool listed = *change.note != '\0';
    const bool is_linear = change.r_from > 0 || change.r > 0;
    if (listed || is_linear)
        weights_.push_back({{"weight", change.weight},
                            {"r_from", change.r_from},
                            {"r", change.r},
                            {"norm", number_or_null(change.norm)},
                            {"error", number_or_null(change.error)},
                            {"note", change.note}});
    if (listed) others_.push_back(std::string(change.weight) + ": " + change.note);
    if (!is_linear) return;
    kinds_[kind_of(change.weight)].add(change);
    all_.add(change);
}

void Changes::print(const Program & program, const std::string & output, const AdapterPtr & adapter) {
    progress_.clear();
    const ql_adapter_info info = describe(adapter);
    if (program.json)
        return program.print({{"file", output},
                              {"matrices", info.n_matrices},
                              {"r_min", info.r_min},
                              {"r_max", info.r_max},
                              {"parameters", info.n_parameters},
                              {"norm", number_or_null(std::sqrt(all_.squares))},
                              {"left", number_or_null(all_.left())},
                              {"weights", weights_}});
    Table table({"linears", "n", "in it", "rank", "norm", "left"});
    const auto row = [&](const std::string & name, const Kind & k) {
        table.add({name, print_count(k.n), print_count(k.branches), k.ranks(), format("%.4g", std::sqrt(k.squares)),
                   format("%.4f", k.left())});
    };
    for (const auto & [name, k] : kinds_) row(name, k);
    row("all", all_);
    table.print(stdout);
    std::printf("left: the norm of what the adapter lacks of the change, of the change's norm\n");
    for (const std::string & other : others_) std::printf("not in it: %s\n", escape_line(other).c_str());
    std::printf("%s\n", escape_line(summary(output, adapter)).c_str());
}

}  // namespace ql::cli
