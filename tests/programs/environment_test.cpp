// Environment variables: what the programs take from them, what ql-doctor tells of them and of backends found through
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

/// A command of every program that succeeds, and a part of what it prints under -v.
struct Command {
    const char * program;
    const char * line;
    const char * detail;
};
constexpr Command kCommands[] = {
    {"ql-finetune", "-m {model.gguf} -d {data.jsonl} --dry-run --ctx 64", "device "},
    {"ql-chat", "-m {model.gguf} -p hello -n 1", "device "},
    {"ql-quantize", "{model.gguf} {q.gguf} q8_0", "blk.0.attn_q.weight"},
    {"ql-convert", "{hf} {q.gguf}", "blk.0.attn_q.weight"},
    {"ql-perplexity", "-m {model.gguf} -f {text.txt} -c 64", "device "},
    {"ql-bench", "infer -m {model.gguf} --prompt 8 --generate 2 --repeats 1 -t 1", "device "},
    {"ql-doctor", "--quick", "device "},
    {"ql-adapter", "check -m {model.gguf} {adapter.gguf}", "model "},
    {"ql-plot", "{run.jsonl} -o {out.png}", "drawn "},
};

class Environment : public testing::Test {
  protected:
    ProcessResult run(const std::string & program, const std::string & line,
                      const std::vector<std::string> & variables) const {
        ProcessOptions options;
        options.environment = variables;
        return workspace_.run(program, line, options);
    }
    static bool has(const std::string & text, const std::string & part) { return text.find(part) != text.npos; }
    Workspace workspace_{true};
};

TEST_F(Environment, QlLogStandsForQuietAndVerbose) {
    for (const Command & c : kCommands) {
        SCOPED_TRACE(c.program);
        const std::string line = c.line;
        const auto err = [&](const std::string & more, const char * level) {
            const ProcessResult r = run(c.program, line + more, {level});
            EXPECT_EQ(0, r.code) << r.err;
            return r.err;
        };
        EXPECT_TRUE(has(err("", "QL_LOG=debug"), c.detail));
        EXPECT_EQ("", err("", "QL_LOG=quiet"));
        if (std::string(c.program) == "ql-bench") continue;  // takes seconds each time
        EXPECT_FALSE(has(err("", "QL_LOG=info"), c.detail));
        EXPECT_FALSE(has(err("", "QL_LOG="), c.detail));
        EXPECT_TRUE(has(err(" -v", "QL_LOG=quiet"), c.detail)) << "an option wins";
        EXPECT_EQ("", err(" -q", "QL_LOG=debug")) << "an option wins";
    }
}

TEST_F(Environment, AnotherWordInQlLogIsAnErrorOfOneLine) {
    for (const Command & c : kCommands) {
        const auto before = workspace_.content();
        const ProcessResult r = run(c.program, c.line, {"QL_LOG=loud"});
        EXPECT_EQ(2, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(std::string(c.program) + ": error: QL_LOG: 'loud' is unknown; quiet, info and debug are possible\n",
                  r.err);
        EXPECT_EQ(before, workspace_.content());
    }
}

TEST_F(Environment, HelpNamesTheVariables) {
    for (const Command & c : kCommands) {
        const ProcessResult r = run(c.program, "--help", {"QL_LOG=loud"});
        EXPECT_EQ(0, r.code) << r.err;
        for (const char * name : {"QL_ISA", "QL_THREADS", "QL_BACKEND_PATH", "QL_VULKAN", "QL_LOG"})
            EXPECT_TRUE(has(r.out, name)) << c.program << ", " << name;
    }
}

TEST_F(Environment, DoctorListsTheVariablesWithTheirValues) {
    const std::string path = workspace_.path("folder");
    const std::vector<std::string> variables = {"QL_ISA=scalar", "QL_THREADS=1",        "QL_BACKEND_PATH=" + path,
                                                "QL_LOG=info",   "QL_VULKAN=cache=off", "QL_COLOUR=red"};
    const Json all = Json::parse(run("ql-doctor", "--quick --json", variables).out);
    EXPECT_EQ(all["variables"], (Json{{"QL_ISA", "scalar"},
                                      {"QL_THREADS", "1"},
                                      {"QL_BACKEND_PATH", path},
                                      {"QL_VULKAN", "cache=off"},
                                      {"QL_LOG", "info"}}));
    const std::string text = run("ql-doctor", "--quick", variables).out;
    for (const std::string & part : {std::string("scalar"), path, std::string("QL_LOG"), std::string("unknown")})
        EXPECT_TRUE(has(text, part)) << part << " in\n" << text;
    EXPECT_TRUE(Json::parse(run("ql-doctor", "--quick --json", {}).out)["variables"]["QL_LOG"].is_null());
}

TEST_F(Environment, DoctorTestsProductsOfIntegersWhereKernelsHaveThem) {
    const ProcessResult r = run("ql-doctor", "--quick --compute int8 --json", {"QL_ISA=baseline"});
    EXPECT_EQ(0, r.code) << r.err;
    const Json all = Json::parse(r.out);
    EXPECT_EQ(all["product"], "int8");
    EXPECT_TRUE(has(all["product_reason"].get<std::string>(), "integers")) << all["product_reason"];
    for (const Json & kernel : all["kernels"]) {  // attention stays in f32
        if (kernel["op"] == "mul_mat") {
            EXPECT_EQ(kernel["limit"], 4e-4);
        } else if (kernel["op"] == "attention") {
            EXPECT_EQ(kernel["limit"], 1e-11);
        }
    }
    const ProcessResult scalar = run("ql-doctor", "--quick --compute int8", {"QL_ISA=scalar"});
    EXPECT_EQ(2, scalar.code);
    EXPECT_TRUE(has(scalar.err, "compute int8")) << scalar.err;
    EXPECT_EQ(1, std::count(scalar.err.begin(), scalar.err.end(), '\n')) << scalar.err;
}

TEST_F(Environment, DoctorTellsWhichBackendsWereFoundAndWhyOneIsNotUsed) {
    const std::string broken = workspace_.write("folder/libql-backend-broken.so", "no shared object");
    const std::vector<std::string> variables = {"QL_BACKEND_PATH=" + workspace_.path("folder")};
    const Json backends = Json::parse(run("ql-doctor", "--quick --json", variables).out)["backends"];
    ASSERT_EQ(backends.size(), 2u) << backends.dump();
    EXPECT_EQ(backends[0]["name"], "");
    EXPECT_EQ(backends[0]["path"], broken);
    EXPECT_TRUE(backends[0]["refused"].get<std::string>().starts_with("cannot be opened: ")) << backends.dump();
    Json cpu = backends[1];
    ASSERT_EQ(cpu["devices"].size(), 1u) << cpu.dump();
    EXPECT_GT(cpu["devices"][0]["memory_bytes"], 1 << 20);
    cpu.erase("devices");
    EXPECT_EQ(cpu, (Json{{"name", "cpu"}, {"path", ""}, {"refused", ""}, {"trouble", ""}}));
    const std::string text = run("ql-doctor", "--quick", variables).out;
    EXPECT_TRUE(has(text, broken + ": not used, it cannot be opened: ")) << text;
    EXPECT_TRUE(has(text, "cpu: built in")) << text;
    EXPECT_TRUE(has(text, "cpu:0  ")) << text;
    const ProcessResult other = run("ql-doctor", "--quick --device tpu", variables);
    EXPECT_EQ(2, other.code);
    EXPECT_TRUE(has(other.err, broken)) << other.err;
    EXPECT_EQ(1, std::count(other.err.begin(), other.err.end(), '\n')) << other.err;
}

TEST_F(Environment, DoctorTellsWhatADeviceLeavesToTheCpu) {
    const std::vector<std::string> variables = {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends",
                                                "QL_APART=without_rope=1"};
    const Json all = Json::parse(run("ql-doctor", "--quick --device apart --json", variables).out);
    EXPECT_EQ(all["failed"], 0);
    for (const Json & kernel : all["kernels"]) {
        EXPECT_EQ(kernel["on_cpu"], kernel["op"] == "rope" ? 2 : 0) << kernel;
        EXPECT_EQ(kernel["message"], kernel["op"] == "rope" ? "rope: apart has no kernel for it" : "");
    }
    const std::string text = run("ql-doctor", "--quick --device apart", variables).out;
    EXPECT_TRUE(has(text, "ok, 2 on the CPU: rope: apart has no kernel for it")) << text;
}

}  // namespace
}  // namespace ql::test
