#include "tools/cli/places.hpp"

#include <map>

#include "ql/models.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

std::string counted(int64_t n, const char * one, const char * many) {
    return std::to_string(n) + " " + (n == 1 ? one : many);
}

void append(std::string & text, const std::string & part) {
    text += (text.empty() ? "" : ", ") + part;
}

}  // namespace

std::string describe_places(const ql_plan * plan) {
    std::map<std::string, int64_t> kernels, moved;
    int64_t copies = 0;
    double copied = 0;
    auto node = sized<ql_plan_node_info>();
    for (int64_t i = 0; ql_plan_node(plan, i, &node) == QL_OK; ++i, node.size = sizeof(node)) {
        if (std::string(node.op) == "copy") {
            ++copies;
            copied += node.bytes / 2;  // read there, written here
            continue;
        }
        ++kernels[node.device];
        if (*node.moved) ++moved[std::string(node.op) + " (" + node.moved + ")"];
    }
    if (kernels.size() < 2) return "";
    std::string text, others;
    for (const auto & [device, n] : kernels) append(text, device + " " + counted(n, "kernel", "kernels"));
    append(text, counted(copies, "copy", "copies") + " (" + print_size(static_cast<uint64_t>(copied)) + ")");
    for (const auto & [what, n] : moved) append(others, std::to_string(n) + " " + what);
    return others.empty() ? text : text + "; moved: " + others;
}

}  // namespace ql::cli
