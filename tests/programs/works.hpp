// Runs of programs that must end well, in a folder with a model and data.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {

class Works : public testing::Test {
  protected:
    using Json = nlohmann::ordered_json;
    static constexpr const char * kTrain =
        "-m {model.gguf} -d {data.jsonl} --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.01 ";

    static Json parse(const ProcessResult & r) {
        const Json json = Json::parse(r.out, nullptr, false);
        EXPECT_FALSE(json.is_discarded()) << r.out << r.err;
        return json;
    }
    static std::vector<std::string> keys(const Json & object) {
        std::vector<std::string> names;
        for (const auto & item : object.items()) names.push_back(item.key());
        return names;
    }
    ProcessResult must(const std::string & program, const std::string & line,
                       const ProcessOptions & options = {}) const {
        ProcessResult r = workspace_.run(program, line, options);
        EXPECT_EQ(0, r.code) << show_command(program, workspace_.arguments(line)) << "\n" << r.err;
        return r;
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    bool exists(const std::string & name) const { return std::filesystem::exists(workspace_.path(name)); }
    Workspace workspace_;
};

}  // namespace ql::test
