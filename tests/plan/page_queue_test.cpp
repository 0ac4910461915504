// Moves between files and memory: what is moved, how the end of a move is told, and what a disk's faults do.
#include "ggml/pool/page_queue.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "ggml/core/os/fd.hpp"
#include "support/faulty_reads.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr size_t kBytes = 5 * 1024 * 1024 + 12345;  // several pieces, and a part of a page at the end

class Queue : public testing::Test {
  protected:
    Queue() : content_(kBytes, '\0') {
        for (size_t i = 0; i < kBytes; ++i) content_[i] = static_cast<char>(i * 2654435761u >> 13);
        path_ = folder_.write("weights", content_);
        auto file = os::MappedFile::open(path_);
        EXPECT_TRUE(file.ok()) << file.message();
        file_.emplace(std::move(file).value());
        auto memory = os::allocate_pages(kBytes + 2 * os::kPageBytes);
        EXPECT_TRUE(memory.ok());
        memory_ = static_cast<std::byte *>(memory.value());
    }
    ~Queue() override { os::release_pages(memory_, kBytes + 2 * os::kPageBytes); }

    /// The file without its first `skip` bytes, to a place in memory that is its place in a page.
    PageMove all_but(size_t skip) const {
        const os::FileRange range = os::mapped_range(file_->data() + skip, kBytes - skip);
        return {range, memory_ + skip % os::kPageBytes};
    }
    void expect_moved(size_t skip) {
        EXPECT_EQ(0, std::memcmp(memory_ + skip % os::kPageBytes, content_.data() + skip, kBytes - skip));
    }
    Status move(PageQueue & queue, const PageMove & m) {
        std::memset(memory_, 0, kBytes);
        QL_TRY(queue.start({&m, 1}));
        return queue.wait(queue.started());
    }
    void drop_cache() const {
        file_->forget(file_->data(), kBytes);
        const int fd = ::open(path_.c_str(), O_RDONLY);
        ::fsync(fd);
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        ::close(fd);
    }

    TemporaryFolder folder_;
    std::string content_, path_;
    std::optional<os::MappedFile> file_;
    std::byte * memory_ = nullptr;
};

TEST_F(Queue, ReadsWhatTheFileHas) {
    PageQueue queue;
    for (const size_t skip : {size_t{0}, size_t{32}, os::kPageBytes - 1, kBytes - 5}) {
        const uint64_t before = queue.bytes_read();
        ASSERT_TRUE(move(queue, all_but(skip)).ok());
        expect_moved(skip);
        EXPECT_EQ(queue.bytes_read() - before, kBytes - skip);
    }
}

TEST_F(Queue, ReadsPastTheCacheWhatIsNotInIt) {
    const os::Fd direct = os::open_direct(os::mapped_range(file_->data(), kBytes).fd);
    if (!direct) GTEST_SKIP() << "this file system has no such reads";
    PageQueue queue;
    for (const size_t skip : {size_t{0}, size_t{32}, os::kPageBytes + 1})
        for (const bool cached : {true, false}) {
            ASSERT_TRUE(move(queue, all_but(skip)).ok());  // through the cache
            if (!cached) drop_cache();
            PageMove m = all_but(skip);
            m.direct = direct.get();
            ASSERT_TRUE(move(queue, m).ok());
            expect_moved(skip);
            EXPECT_EQ(os::is_cached(m.file), cached) << skip;
        }
}

TEST_F(Queue, AMemoryThatDoesNotFitTheFilesPagesIsReadToAllTheSame) {
    const os::Fd direct = os::open_direct(os::mapped_range(file_->data(), kBytes).fd);
    PageQueue queue;
    PageMove m = all_but(0);
    m.memory += 64;
    m.direct = direct.get();
    drop_cache();
    ASSERT_TRUE(move(queue, m).ok());
    EXPECT_EQ(0, std::memcmp(memory_ + 64, content_.data(), kBytes));
    EXPECT_EQ(memory_[63], std::byte{0});
}

TEST_F(Queue, ShortReadsAreGoneOnWith) {
    FaultyReads faults(path_);
    const os::Fd direct = os::open_direct(os::mapped_range(file_->data(), kBytes).fd);
    for (const size_t most : {1000u, 4096u, 100000u})
        for (const int fd : {-1, direct.get()}) {
            FaultyReads::most = most, FaultyReads::spoilt = 0;
            drop_cache();
            PageQueue queue;
            PageMove m = all_but(32);
            m.direct = fd;
            ASSERT_TRUE(move(queue, m).ok()) << most;
            expect_moved(32);
            EXPECT_GT(FaultyReads::spoilt, 0);
        }
}

TEST_F(Queue, AReadThatFailsIsToldOnceByFileAndPlace) {
    FaultyReads faults(path_);
    const os::Fd direct = os::open_direct(os::mapped_range(file_->data(), kBytes).fd);
    for (const int fd : {-1, direct.get()}) {
        drop_cache();
        FaultyReads::broken_from = 3000000;
        PageQueue queue;
        PageMove m = all_but(0);
        m.direct = fd;
        const Status failed = move(queue, m);
        EXPECT_EQ(failed.code(), QL_IO);
        EXPECT_NE(failed.message().find(path_), std::string::npos) << failed.message();
        EXPECT_NE(failed.message().find("at byte 3"), std::string::npos) << failed.message();
        EXPECT_EQ(failed.message().find('\n'), std::string::npos);
        FaultyReads::broken_from = -1;
        EXPECT_TRUE(queue.wait(queue.started()).ok()) << "told once";
        EXPECT_TRUE(move(queue, m).ok());
        expect_moved(0);
    }
}

TEST_F(Queue, AFileThatWasCutIsNamed) {
    ASSERT_EQ(0, ::truncate(path_.c_str(), 2000000));
    PageQueue queue;
    const Status failed = move(queue, all_but(0));
    EXPECT_EQ(failed.code(), QL_IO);
    EXPECT_NE(failed.message().find(path_ + ": has become shorter"), std::string::npos) << failed.message();
}

TEST_F(Queue, WritesAndReadsBackWhatHasNoName) {
    auto spill = os::open_unnamed(folder_.path(""));
    ASSERT_TRUE(spill.ok());
    const os::Fd file = std::move(spill).value();
    std::memcpy(memory_, content_.data(), kBytes);
    PageQueue queue;
    const PageMove out = {{file.get(), 4096, kBytes}, memory_, true}, in = {{file.get(), 4096, kBytes}, memory_};
    ASSERT_TRUE(queue.start({&out, 1}).ok());
    ASSERT_TRUE(queue.wait(1).ok());
    EXPECT_EQ(queue.bytes_written(), kBytes);
    ASSERT_TRUE(move(queue, in).ok());
    EXPECT_EQ(0, std::memcmp(memory_, content_.data(), kBytes));
}

TEST_F(Queue, ManyMovesAreDoneWhenTheyAreWaitedFor) {
    PageQueue queue;
    constexpr size_t kPart = 70001;
    std::vector<PageMove> moves;
    for (size_t at = 0; at + kPart <= kBytes; at += kPart)
        moves.push_back({os::mapped_range(file_->data() + at, kPart), memory_ + at});
    ASSERT_TRUE(queue.start(moves).ok());
    for (size_t i = 0; i < moves.size(); ++i) {
        ASSERT_TRUE(queue.wait(i + 1).ok());
        EXPECT_EQ(0, std::memcmp(memory_ + i * kPart, content_.data() + i * kPart, kPart)) << i;
    }
    EXPECT_EQ(queue.bytes_read(), moves.size() * kPart);
}

TEST_F(Queue, WhatIsDrainedIsDropped) {
    for (int i = 0; i < 50; ++i) {
        PageQueue queue;
        const std::vector<PageMove> moves(8, all_but(0));
        ASSERT_TRUE(queue.start(moves).ok());
        if (i % 3 == 0) {
            ASSERT_TRUE(queue.wait(1).ok());
        }
        queue.drain();
        EXPECT_LE(queue.bytes_read(), 8 * kBytes);
        ASSERT_TRUE(move(queue, all_but(0)).ok());
        expect_moved(0);
    }
}

}  // namespace
}  // namespace ql::test
