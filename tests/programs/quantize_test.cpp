// ql-quantize: mixes of types, what a conversion costs on a text, several files.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::json;

class QuantizeProgram : public ::testing::Test {
  protected:
    Json must(const std::string & line) {
        const ProcessResult r = w_.run("ql-quantize", line + " --json");
        EXPECT_EQ(r.code, 0) << r.err;
        return Json::parse(r.out, nullptr, false);
    }
    Workspace w_;
};

TEST_F(QuantizeProgram, AMixIsAskedForByNameInAnyCase) {
    const Json json = must("{model.gguf} {out.gguf} Q4_k_M");
    std::string notes;
    for (const Json & kind : json["kinds"]) notes += kind["note"].get<std::string>();
    EXPECT_NE(notes.find("q6_K's block of 256"), std::string::npos) << "rows of the tiny model are shorter: " << json;
}

TEST_F(QuantizeProgram, SaysWhatTheConversionCostsOnAText) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += "number " + std::to_string(i) + " and the sea. ";
    w_.write("text.txt", text);
    const Json same = must("{model.gguf} {same.gguf} f32 --evaluate {text.txt}")["evaluate"];
    EXPECT_GT(same["tokens"], 500);
    EXPECT_EQ(same["nll_before"], same["nll_after"]);
    const Json nf4 = must("{model.gguf} {nf4.gguf} nf4 --evaluate {text.txt}")["evaluate"];
    EXPECT_EQ(nf4["nll_before"], same["nll_before"]);
    EXPECT_NE(nf4["nll_after"], nf4["nll_before"]);
    EXPECT_NEAR(nf4["ppl_after"].get<double>(), std::exp(nf4["nll_after"].get<double>()),
                1e-6 * nf4["ppl_after"].get<double>());
    const ProcessResult lines = w_.run("ql-quantize", "{model.gguf} {nf4.gguf} nf4 --evaluate {text.txt}");
    EXPECT_NE(lines.out.find("perplexity: "), std::string::npos) << lines.out;
    EXPECT_TRUE(must("{model.gguf} {nf4.gguf} nf4")["evaluate"].is_null());
}

TEST_F(QuantizeProgram, ASecondRoundingIsSaid) {
    const auto said = [&](const std::string & line) {
        const ProcessResult r = w_.run("ql-quantize", line);
        EXPECT_EQ(r.code, 0) << r.err;
        return r.err.find("are rounded a second time, from q8_0 to nf4") != r.err.npos;
    };
    EXPECT_FALSE(said("{model.gguf} {q8.gguf} q8_0"));
    EXPECT_TRUE(said("{q8.gguf} {nf4.gguf} nf4"));
    EXPECT_FALSE(said("{q8.gguf} {f16.gguf} f16"));
    EXPECT_FALSE(said("{q8.gguf} {same.gguf} q8_0"));
}

TEST_F(QuantizeProgram, NamesThePartsOfASplitModel) {
    const Json json = must("{model.gguf} {out.gguf} f32 --split 1");
    ASSERT_GE(json["files"].size(), 1u);
    const ProcessResult r = w_.run("ql-quantize", json["files"][0].get<std::string>() + " {whole.gguf} f32");
    EXPECT_EQ(r.code, 0) << r.err;
}

TEST_F(QuantizeProgram, RefusesATextThatIsNone) {
    w_.write("empty.txt", "");
    for (const char * text : {"{empty.txt}", "{none.txt}"}) {
        const ProcessResult r = w_.run("ql-quantize", std::string("{model.gguf} {out.gguf} f16 --evaluate ") + text);
        EXPECT_EQ(r.code, 2) << r.err;
        EXPECT_EQ(w_.content().count("out.gguf"), 0u);
    }
}

}  // namespace
}  // namespace ql::test
