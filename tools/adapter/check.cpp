// ql-adapter check: whether an adapter is sound, for its model and for llama.cpp, by tensor.
#include <map>
#include <nlohmann/json.hpp>

#include "tools/adapter/adapter_program.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/units.hpp"
#include "tools/cli/weight_kind.hpp"

namespace ql::cli {
namespace {

/// What training has left as it was, "" for a trained branch.
const char * fault_of(ql_adapter_state state) {
    switch (state) {
        case QL_ADAPTER_TRAINED:
            return "";
        case QL_ADAPTER_ZERO_B:
            return "B is zero: it changes nothing";
        case QL_ADAPTER_ZERO_A:
            return "A is zero: it changes nothing";
        case QL_ADAPTER_ZERO_SCALE:
            return "its scale is zero: it changes nothing";
        case QL_ADAPTER_START_A:
            return "A is where its seed began: trained for a step at most";
    }
    return "";
}

const char * name_of(ql_llama_cpp_use use) {
    return use == QL_LLAMA_CPP_APPLIED ? "applied" : use == QL_LLAMA_CPP_IGNORED ? "ignored" : "refused";
}

constexpr const char * kRefusesRows =
    "it has no rows of its own for embedding and head, and as LoRA on an embedding that is the head too they would end "
    "the process; merge the adapter";

struct ForLlamaCpp {
    std::vector<ql_llama_cpp_info> branches;
    int64_t n_norms = 0;       // whole norms, which it drops
    int64_t n_rows = 0;        // rows of tokens, with which it loads nothing
    int64_t n_invocation = 0;  // tokens from which on an activated LoRA acts
    std::string base;          // why llama.cpp does not open the base; "" if it does, or if there is none
    std::string refused;       // what llama.cpp does not load, and why; "" if it loads all
};

/// A tensor in a type of our own keeps llama.cpp from opening the file.
std::string why_not_opened(const std::string & model) {
    GgufPtr file;
    if (model.empty()) return "";
    if (ql_gguf_open(model.c_str(), out(file)) != QL_OK) return "it is no GGUF file";
    ql_gguf_tensor t{};
    for (int64_t i = 0; i < ql_gguf_n_tensors(file.get()); ++i) {
        check_input(ql_gguf_tensor_at(file.get(), i, &t));
        if (t.dtype >= QL_NF4)
            return std::string("'") + t.name + "' is " + ql_dtype_name(t.dtype) + ", a type it does not know";
    }
    return "";
}

ForLlamaCpp ask_llama_cpp(const AdapterPtr & adapter, const std::vector<ql_adapter_matrix_info> & matrices,
                          const std::string & model) {
    ForLlamaCpp answer;
    answer.branches.assign(matrices.size(), sized<ql_llama_cpp_info>());
    for (size_t i = 0; i < answer.branches.size(); ++i) {
        check_run(ql_adapter_llama_cpp(adapter.get(), static_cast<int64_t>(i), &answer.branches[i]));
        if (answer.branches[i].use == QL_LLAMA_CPP_REFUSED && answer.refused.empty())
            answer.refused = std::string("'") + matrices[i].weight + "': " + answer.branches[i].why;
    }
    const ql_adapter_info info = describe(adapter);
    answer.n_norms = info.n_norms, answer.n_invocation = info.n_invocation;
    for (const ql_adapter_rows_info & rows : rows_of(adapter)) {
        answer.n_rows += rows.n_rows;
        if (answer.refused.empty()) answer.refused = std::string("'") + rows.weight + ".rows': " + kRefusesRows;
    }
    answer.base = why_not_opened(model);
    if (answer.refused.empty() && !answer.base.empty()) answer.refused = model + ": " + answer.base;
    return answer;
}

void print_llama_cpp(const ForLlamaCpp & answer, const std::vector<ql_adapter_matrix_info> & matrices) {
    std::map<std::string, int64_t> kinds;  // "attn_q: applied"
    for (size_t i = 0; i < matrices.size(); ++i) {
        const ql_llama_cpp_info & use = answer.branches[i];
        ++kinds[kind_of(matrices[i].weight) + "\t" + name_of(use.use) + "\t" + use.why];
    }
    Table table({"in llama.cpp", "n", "", ""});
    table.left({2, 3});
    for (const auto & [kind, n] : kinds) {
        const size_t one = kind.find('\t'), two = kind.find('\t', one + 1);
        table.add({kind.substr(0, one), print_count(n), kind.substr(one + 1, two - one - 1), kind.substr(two + 1)});
    }
    table.print(stdout);
    if (!answer.base.empty()) std::printf("llama.cpp does not open the base: %s\n", escape_line(answer.base).c_str());
    if (answer.n_norms > 0)
        std::printf("%lld trained norms are ignored: merge the adapter\n", static_cast<long long>(answer.n_norms));
    if (answer.n_rows > 0)
        std::printf("%lld rows of tokens are refused: %s\n", static_cast<long long>(answer.n_rows), kRefusesRows);
    if (answer.n_invocation > 0)
        std::printf("an activated LoRA: llama-server applies it from its invocation on; other programs of llama.cpp may "
                    "apply it to all tokens\n");
    std::printf("read in %s\n", answer.branches.front().version);
}

Json json_of(const ForLlamaCpp & answer, const std::vector<ql_adapter_matrix_info> & matrices) {
    Json list = Json::array();
    for (size_t i = 0; i < matrices.size(); ++i)
        list.push_back({{"weight", matrices[i].weight},
                        {"use", name_of(answer.branches[i].use)},
                        {"why", answer.branches[i].why}});
    return {{"loads", answer.refused.empty()},
            {"base", answer.base},
            {"version", answer.branches.front().version},
            {"ignored_norms", answer.n_norms},
            {"refused_rows", answer.n_rows},
            {"invocation_tokens", answer.n_invocation},
            {"matrices", list}};
}

/// What was found has been printed: the last word is an error.
void refuse(const std::string & path, const ForLlamaCpp & answer) {
    if (!answer.refused.empty()) bad_input("%s: llama.cpp does not load %s", path.c_str(), answer.refused.c_str());
}

}  // namespace

void print_check(const Program & program, const std::string & path, const AdapterPtr & adapter, const Bases & bases,
                 const std::string & consumer) {
    const std::vector<ql_adapter_matrix_info> matrices = matrices_of(adapter);
    const bool has_model = !bases.path().empty();
    const std::string base = has_model ? fit(adapter, bases.model()) : "unknown";
    ForLlamaCpp llama_cpp;
    if (!consumer.empty()) llama_cpp = ask_llama_cpp(adapter, matrices, bases.path());
    Json unchanged = Json::array(), untrained = Json::array();
    for (const ql_adapter_matrix_info & m : matrices) {
        if (changes_nothing(m)) unchanged.push_back(m.weight);
        if (m.state != QL_ADAPTER_TRAINED) untrained.push_back({{"weight", m.weight}, {"why", fault_of(m.state)}});
    }
    if (program.json) {
        Json object = {{"file", path}, {"model", has_model ? Json(bases.path()) : Json(nullptr)}};
        object["fits"] = has_model ? Json(true) : Json(nullptr);
        object["base"] = base, object["unchanged"] = unchanged, object["untrained"] = untrained;
        if (!consumer.empty()) object["llama_cpp"] = json_of(llama_cpp, matrices);
        program.print(object);
        return refuse(path, llama_cpp);
    }
    std::printf("%s\n", escape_line(summary(path, adapter)).c_str());
    if (has_model)
        std::printf("fits %s%s\n", escape_line(bases.path()).c_str(),
                    base == "unknown" ? ", by its shapes; the adapter does not say its base" : (": " + base).c_str());
    for (const Json & u : untrained)
        std::printf("%s: %s\n", escape_line(u["weight"].get<std::string>()).c_str(),
                    u["why"].get<std::string>().c_str());
    if (!consumer.empty()) print_llama_cpp(llama_cpp, matrices);
    refuse(path, llama_cpp);
}

}  // namespace ql::cli
