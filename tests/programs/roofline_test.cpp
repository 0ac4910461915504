// ql-bench roofline: what it counts of a made model is what it counts of the same model's file, and what it prints is a bound.
#ifdef QL_CUDA_EMULATED
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

class RooflineProgram : public testing::Test {
  protected:
    ProcessResult run(const std::string & line) const {
        return workspace_.run("ql-bench", line, {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends"}});
    }
    nlohmann::json bound(const std::string & line) const {
        const ProcessResult r = run("roofline --device cuda-emu --tokens 16 --lora-r 4 --json -q " + line);
        EXPECT_EQ(0, r.code) << line << "\n" << r.err;
        return r.code == 0 ? nlohmann::json::parse(r.out) : nlohmann::json::object();
    }
    void expect_refusal(const std::string & line, const std::string & words) const {
        const ProcessResult r = run(line);
        EXPECT_EQ(2, r.code) << line;
        EXPECT_NE(r.err.find(words), std::string::npos) << line << "\n" << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_EQ("", r.out);
    }

    Workspace workspace_;
};

TEST_F(RooflineProgram, CountsOfAShapeAreThoseOfItsFile) {
    ASSERT_EQ(0, run("make-model --shape tiny -o {made.gguf} -q").code);
    const auto file = bound("--card h100 -m {made.gguf}"), shape = bound("--card h100 --shape tiny");
    ASSERT_TRUE(file.contains("operators"));
    EXPECT_EQ(file["operators"], shape["operators"]);
    EXPECT_EQ(file["kind"], "bound");
    EXPECT_GT(file["tensor_flops"], 0);
    double seconds = 0, bytes = 0;
    for (const auto & o : file["operators"]) {
        const double times[] = {o["bytes"].get<double>() / 3350e9, o["tensor_flops"].get<double>() / 989.5e12,
                                o["f32_flops"].get<double>() / 67e12};
        EXPECT_DOUBLE_EQ(o["seconds_at_least"].get<double>(), *std::max_element(times, times + 3)) << o;
        seconds += o["seconds_at_least"].get<double>();
        bytes += o["bytes"].get<double>();
    }
    EXPECT_DOUBLE_EQ(file["bytes"].get<double>(), bytes);
    EXPECT_NEAR(file["tok_s_at_most"].get<double>() * seconds, 16, 1e-6);
}

TEST_F(RooflineProgram, SaysThatItIsABound) {
    const ProcessResult r = run("roofline --device cuda-emu --tokens 16 --card rtx4090 --shape tiny -q");
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_NE(r.out.find("bound: at most"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("not a measurement"), std::string::npos) << r.out;
}

TEST_F(RooflineProgram, RefusesWhatItCannotCount) {
    expect_refusal("roofline --device cuda-emu --card rtx1 --shape tiny", "--card: 'rtx1' is unknown; rtx4090, ");
    expect_refusal("roofline --device cuda-emu --card a100", "one of -m and --shape is needed");
    expect_refusal("roofline --device cpu --card a100 --shape tiny", "give cuda-emu");
    expect_refusal("roofline --device cuda-emu --card m3-max --shape tiny",
                   "m3-max runs no CUDA; give --device vulkan");
    expect_refusal("roofline --device cuda-emu --card a100 --shape tiny --tokens 9000", "8 to 8192 are possible");
}

}  // namespace
}  // namespace ql::test
#endif
