// Runs of ql-adapter in a folder with a model and an adapter of it.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {

class AdapterProgram : public testing::Test {
  protected:
    using Json = nlohmann::ordered_json;

    std::string out(const std::string & line) const {
        const ProcessResult r = workspace_.run("ql-adapter", line);
        EXPECT_EQ(0, r.code) << line << "\n" << r.err;
        return r.out;
    }
    Json json(const std::string & line) const { return Json::parse(out(line + " --json"), nullptr, false); }
    void refused(const std::string & line, const std::string & words) const {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run("ql-adapter", line);
        EXPECT_EQ(2, r.code) << line;
        EXPECT_NE(r.err.find(words), std::string::npos) << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_EQ(workspace_.content(), before) << line;
    }
    Workspace workspace_{true};
};

}  // namespace ql::test
