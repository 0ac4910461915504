// Which files the names of a dataset stand for.
#include "models/data/data_files.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using Files = std::vector<std::string>;

class DataFiles : public testing::Test {
  protected:
    void SetUp() override {
        for (const char * name : {"b.jsonl", "a.json", "c.txt.gz", "notes.md", "d.jsonl.tmp", ".gz"})
            folder_.write(name, "x");
        std::filesystem::create_directory(folder_.path("inner.jsonl"));
    }
    std::string at(const char * name) const { return folder_.path(name); }

    test::TemporaryFolder folder_;
};

TEST_F(DataFiles, OfAFolderAreThoseOfItsDataInOrder) {
    EXPECT_EQ(data_files(at("")).value(), (Files{at("a.json"), at("b.jsonl"), at("c.txt.gz")}));
}

TEST_F(DataFiles, OfAPatternAreAllThatMatch) {
    EXPECT_EQ(data_files(at("?.json*")).value(), (Files{at("a.json"), at("b.jsonl"), at("d.jsonl.tmp")}));
    EXPECT_EQ(data_files(at("[ab].*")).value(), (Files{at("a.json"), at("b.jsonl")}));
}

TEST_F(DataFiles, OfAFileIsThatFileWhateverItsName) {
    EXPECT_EQ(data_files(at("absent.jsonl")).value(), Files{at("absent.jsonl")});
    const std::string odd = folder_.write("[1].jsonl", "x");
    EXPECT_EQ(data_files(odd).value(), Files{odd});
}

TEST_F(DataFiles, OfSeveralNamesAreThoseOfEachInTurn) {
    const Files names{at("c.txt.gz"), at("*.json")};
    EXPECT_EQ(data_files(names).value(), (Files{at("c.txt.gz"), at("a.json")}));
    EXPECT_EQ(names_of_files({"a", "b", "c"}), "a and 2 more");
    EXPECT_EQ(names_of_files({"a"}), "a");
}

TEST_F(DataFiles, ThatAreNoneAreAnErrorWithTheName) {
    EXPECT_EQ(data_files(at("*.csv")).status().code(), QL_NOT_FOUND);
    EXPECT_NE(data_files(at("*.csv")).message().find("*.csv: no file matches"), std::string::npos);
    EXPECT_EQ(data_files(at("inner.jsonl")).status().code(), QL_NOT_FOUND);
    EXPECT_NE(data_files(at("inner.jsonl")).message().find("in this folder"), std::string::npos);
    EXPECT_EQ(data_files(Files{}).status().code(), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql
