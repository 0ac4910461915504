// The folder of a run's checkpoints: what else lies in it, what another run left there, and a disk that is full.
#include <sys/stat.h>

#include "models/trainer_fixture.hpp"
#include "models/watched_disk.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;

/// The folder `ck` has the checkpoints of steps 4 and 6 of a run of 12, which was stopped.
class CheckpointFolderTest : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        run_ = options();
        run_.checkpoint_dir = dir_.c_str(), run_.save_every = 2;
        train_six_steps(run_);
        ASSERT_EQ(names(dir_), (Names{"step-00000004.gguf", "step-00000006.gguf"}));
        run_.resume = "auto";
    }

    using Names = std::vector<std::string>;
    static Names names(const std::string & directory) {
        Names found;
        for (const auto & entry : fs::directory_iterator(directory)) found.push_back(entry.path().filename());
        std::sort(found.begin(), found.end());
        return found;
    }
    void copy(const char * from, const char * to) const { fs::copy_file(dir_ + "/" + from, dir_ + "/" + to); }

    void expect_listed(size_t n) const {
        const auto files = list_checkpoints(dir_);
        ASSERT_TRUE(files.ok()) << files.message();
        EXPECT_EQ(files->size(), n);
    }

    /// Goes on, and expects the run to begin after the sixth step and to give what an uninterrupted run gives.
    void expect_goes_on_after_six() {
        ql_train_options alone = options();
        const std::vector<float> straight = train(alone);
        std::string resumed;
        EXPECT_EQ(train(run_, 2, nullptr, &resumed), straight);
        EXPECT_TRUE(resumed.ends_with("step-00000006.gguf")) << resumed;
    }

    std::string dir_ = folder_.path("ck");
    ql_train_options run_{};
};

TEST_F(CheckpointFolderTest, WhatIsNamedNearlyAsACheckpointIsNotTheRuns) {
    const Names strange = {
        "step-00000006 copy.gguf", "step-99999999.gguf.bak",     "step-9.gguf",         "step-00000009.GGUF",
        "step-+0000009.gguf",      "copy of step-00000009.gguf", "step-000000009.gguf", "step-00000009.gguf.tmp-7 mine",
        "step--0000009.gguf"};
    for (const std::string & name : strange) copy("step-00000006.gguf", name.c_str());
    expect_listed(2);
    expect_goes_on_after_six();
    Names expected = strange;
    expected.insert(expected.end(), {"step-00000010.gguf", "step-00000012.gguf"});
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(names(dir_), expected);
}

TEST_F(CheckpointFolderTest, WhatIsNoFileIsPassedByThoughItHasACheckpointsName) {
    fs::create_directory(dir_ + "/step-00000007.gguf");
    ASSERT_EQ(::mkfifo((dir_ + "/step-00000009.gguf").c_str(), 0600), 0);
    fs::create_symlink("nowhere", dir_ + "/step-00000011.gguf");
    fs::create_directory(dir_ + "/step-00000001.gguf");
    expect_listed(2);
    expect_goes_on_after_six();
    EXPECT_EQ(names(dir_), (Names{"step-00000001.gguf", "step-00000007.gguf", "step-00000009.gguf",
                                  "step-00000010.gguf", "step-00000011.gguf", "step-00000012.gguf"}));
}

TEST_F(CheckpointFolderTest, WhatIsInTheWayOfACheckpointCostsThatOneAlone) {
    fs::create_directory(dir_ + "/step-00000010.gguf");
    ASSERT_EQ(::mkfifo((dir_ + "/step-00000012.gguf").c_str(), 0600), 0);
    expect_goes_on_after_six();
    EXPECT_TRUE(fs::exists(dir_ + "/step-00000008.gguf"));
    EXPECT_TRUE(fs::is_directory(dir_ + "/step-00000010.gguf"));
    EXPECT_TRUE(fs::is_fifo(dir_ + "/step-00000012.gguf"));
}

TEST_F(CheckpointFolderTest, ACopyUnderALaterStepsNameIsNeitherResumedNorCounted) {
    copy("step-00000004.gguf", "step-00000007.gguf");
    copy("step-00000006.gguf", "step-99999999.gguf");
    run_.keep = 1;
    expect_goes_on_after_six();
    EXPECT_EQ(names(dir_), (Names{"step-00000007.gguf", "step-00000012.gguf", "step-99999999.gguf"}));
}

TEST_F(CheckpointFolderTest, ARunThatComesFromAnotherFolderKeepsItsOwnCheckpoints) {
    const std::string own = folder_.path("own");
    ql_train_options earlier = options();
    earlier.checkpoint_dir = own.c_str(), earlier.save_every = 2;
    train(earlier);
    const Names others = {"step-00000010.gguf", "step-00000012.gguf"};
    ASSERT_EQ(names(own), others);

    run_.resume = dir_.c_str(), run_.checkpoint_dir = own.c_str();
    const Status refused = start(run_);
    EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT) << refused.message();
    EXPECT_EQ(names(own), others);

    run_.overwrite = 1;
    run_.on_progress = [](void *, const ql_train_progress * p) { return p->step == 7 ? 1 : 0; };
    Status stopped;
    std::string resumed;
    train(run_, 2, &stopped, &resumed);
    EXPECT_EQ(stopped.code(), QL_CANCELLED) << stopped.message();
    EXPECT_EQ(resumed, dir_ + "/step-00000006.gguf");
    EXPECT_EQ(names(own), (Names{"step-00000007.gguf"}));

    run_.overwrite = 0, run_.resume = "auto", run_.on_progress = nullptr;
    EXPECT_EQ(train(run_, 2, nullptr, &resumed), train(options()));
    EXPECT_EQ(resumed, own + "/step-00000007.gguf");
    EXPECT_EQ(names(own), others);
    EXPECT_EQ(names(dir_), (Names{"step-00000004.gguf", "step-00000006.gguf"}));
}

TEST_F(CheckpointFolderTest, WhereNoneCanBeUsedNothingIsBegunAnew) {
    for (const char * name : {"/step-00000004.gguf", "/step-00000006.gguf"}) fs::resize_file(dir_ + name, 1000);
    const Names before = names(dir_);
    const Status refused = start(run_);
    EXPECT_EQ(refused.code(), QL_BAD_FILE);
    EXPECT_NE(refused.message().find("none of its checkpoints can be used"), std::string::npos) << refused.message();
    EXPECT_EQ(names(dir_), before);
}

TEST_F(CheckpointFolderTest, AFullDiskCostsTheOldestCheckpointFirst) {
    run_.keep = 5;
    WatchedDisk disk;
    disk.fill_until([&] { return !fs::exists(dir_ + "/step-00000004.gguf"); });
    expect_goes_on_after_six();
    EXPECT_EQ(names(dir_),
              (Names{"step-00000006.gguf", "step-00000008.gguf", "step-00000010.gguf", "step-00000012.gguf"}));
}

TEST_F(CheckpointFolderTest, AFullDiskNeverCostsTheNewestCheckpoint) {
    WatchedDisk disk;
    disk.fill_until([] { return false; });
    Status status;
    train(run_, 2, &status);
    EXPECT_EQ(status.code(), QL_NO_SPACE) << status.message();
    EXPECT_EQ(names(dir_), (Names{"step-00000006.gguf"}));
}

}  // namespace
}  // namespace ql::test
