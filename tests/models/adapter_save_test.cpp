// An adapter file gets its name only once it was read back and is what was meant; which chat template travels in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "models/adapter/adapter.hpp"
#include "models/golden.hpp"
#include "models/model/model.hpp"
#include "models/watched_disk.hpp"
#include "ql/adapter.h"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

using Names = std::vector<std::string>;

class AdapterSave : public ::testing::Test {
  protected:
    void SetUp() override {
        model_ = open_golden_model("llama");
        ASSERT_TRUE(model_);
        auto adapter = new_adapter(*model_, {3, 6.0f, false, "all", 7});
        ASSERT_TRUE(adapter.ok()) << adapter.message();
        adapter_ = std::move(adapter).value();
        adapter_.name = "a name of its own";
        adapter_.chat_template = "{{ messages[0].content }}";
        for (LoraMatrix & m : adapter_.matrices) std::fill(m.b.begin(), m.b.end(), 0.25f);
    }
    /// The bytes of the file if nothing fails.
    std::string sound() const {
        TemporaryFolder folder;
        const Status saved = save_adapter(adapter_, *model_, folder.path("a.gguf"));
        EXPECT_TRUE(saved.ok()) << saved.message();
        EXPECT_EQ(folder.names(), Names{"a.gguf"});
        return read_all(folder.path("a.gguf"));
    }
    std::unique_ptr<Model> model_;
    Adapter adapter_;
};

TEST_F(AdapterSave, AFaultyFileNeverGetsTheName) {
    const std::string bytes = sound();
    const auto value_of = [&](const std::string & key) { return bytes.find(key) + key.size() + 4; };
    const std::string last = adapter_.matrices.back().weight + ".lora_b";
    const std::map<std::string, size_t> places = {
        {"magic", 0},
        {"number of tensors", 8},
        {"name of a key", bytes.find("adapter.lora.alpha")},
        {"alpha", value_of("adapter.lora.alpha")},
        {"name", bytes.find("a name of its own")},
        {"template", bytes.find("messages[0]")},
        {"name of a tensor", bytes.find(last)},
        {"a shape", bytes.find(last) + last.size() + 4},
        {"an offset", bytes.find(last) + last.size() + 4 + 16 + 4},
        {"first number", bytes.size() / 2},
        {"last number", bytes.size() - 4},
    };
    for (const auto & [what, at] : places) {
        SCOPED_TRACE(what);
        ASSERT_LT(at, bytes.size());
        TemporaryFolder folder;
        const std::string path = folder.write("old.gguf", "old"), fresh = folder.path("new.gguf");
        for (const std::string & to : {path, fresh}) {
            WatchedDisk disk;
            disk.spoil(at);
            const Status status = save_adapter(adapter_, *model_, to);
            EXPECT_EQ(status.code(), QL_INTERNAL) << status.message();
            EXPECT_NE(status.message().find(to), std::string::npos) << status.message();
            EXPECT_EQ(status.message().find(".tmp-"), std::string::npos) << status.message();
        }
        EXPECT_EQ(read_all(path), "old");
        EXPECT_EQ(folder.names(), Names{"old.gguf"});
    }
}

TEST_F(AdapterSave, IsOnTheDiskBeforeItHasItsName) {
    TemporaryFolder folder;
    WatchedDisk disk;
    ASSERT_TRUE(save_adapter(adapter_, *model_, folder.path("a.gguf")).ok());
    const std::string bytes = read_all(folder.path("a.gguf"));
    const ino_t file = WatchedDisk::file(folder.path("a.gguf")), name = WatchedDisk::file(folder.path(""));
    size_t whole = SIZE_MAX, named = 0;
    const auto synced = disk.synced();
    for (size_t i = 0; i < synced.size(); ++i) {
        if (synced[i].file == file && synced[i].size == static_cast<int64_t>(bytes.size())) whole = std::min(whole, i);
        if (synced[i].file == name) named = i;
    }
    EXPECT_LT(whole, named);
    EXPECT_EQ(bytes, sound());
}

TEST_F(AdapterSave, NoFolderIsAnErrorThatNamesThePath) {
    TemporaryFolder folder;
    const Status status = save_adapter(adapter_, *model_, folder.path("absent/a.gguf"));
    EXPECT_EQ(status.code(), QL_NOT_FOUND);
    EXPECT_EQ(status.message().rfind(folder.path("absent/a.gguf"), 0), 0u) << status.message();
}

// ---- the chat template that travels in the file

class AdapterTemplate : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(ql_model_open(golden_path("arch/llama").c_str(), nullptr, &model_), QL_OK) << ql_error_message();
        ASSERT_EQ(ql_adapter_create(model_, nullptr, &adapter_), QL_OK) << ql_error_message();
    }
    void TearDown() override {
        ql_adapter_free(adapter_);
        ql_model_close(model_);
    }
    ql_model * model_ = nullptr;
    ql_adapter * adapter_ = nullptr;
};

TEST_F(AdapterTemplate, IsTheTextGivenAndNeverTheContentOfAFile) {
    TemporaryFolder folder;
    const std::string path = folder.write("{{ secret }}", "what a file holds");
    for (const std::string & text : {path, std::string("chatml"), std::string("{{ x }}")}) {
        ASSERT_EQ(ql_adapter_set_chat_template(adapter_, text.c_str()), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_adapter_chat_template(adapter_), text);
    }
    for (const char * none : {"", static_cast<const char *>(nullptr)}) {
        ASSERT_EQ(ql_adapter_set_chat_template(adapter_, "{{ x }}"), QL_OK);
        ASSERT_EQ(ql_adapter_set_chat_template(adapter_, none), QL_OK);
        EXPECT_STREQ(ql_adapter_chat_template(adapter_), "");
    }
}

}  // namespace
}  // namespace ql::test
