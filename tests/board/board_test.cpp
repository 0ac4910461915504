// What a run shows on its page, while one thread writes it and many read.
#include "tools/cli/board/board.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "tools/cli/board/events.hpp"

namespace ql::test {
namespace {

using cli::Board;
using cli::BoardStep;

BoardStep step_of(int64_t i) {
    return {.step = i, .loss = 1.0 / static_cast<double>(i), .lr = 1e-3, .grad_norm = 1};
}

bool has(const std::string & text, const std::string & part) {
    return text.find(part) != text.npos;
}

TEST(Board, ALatePageGetsTheWholeCurveAndThenWhatIsNew) {
    Board board;
    for (int i = 1; i <= 100; ++i) board.add_step(step_of(i));
    Board::Seen seen;
    Board::News news = board.news(seen);
    EXPECT_TRUE(news.replaces_points);
    EXPECT_EQ(news.points.size(), 100u);
    EXPECT_TRUE(news.facts && news.now && news.evaluations && news.samples && news.lines);
    EXPECT_FALSE(news.end);
    EXPECT_FALSE(board.wait(seen, 0)) << "nothing is new";
    board.add_step(step_of(101));
    EXPECT_TRUE(board.wait(seen, 0));
    news = board.news(seen);
    EXPECT_FALSE(news.replaces_points);
    ASSERT_EQ(news.points.size(), 1u);
    EXPECT_EQ(news.points[0].step, 101);
    EXPECT_FALSE(news.facts || news.evaluations || news.samples || news.lines) << "they have not changed";
}

TEST(Board, AFinerCurveIsReplacedWhenPointsBecomeFewer) {
    Board board;
    Board::Seen seen;
    const auto n = static_cast<int64_t>(cli::Curve::kMost);
    for (int64_t i = 1; i <= n; ++i) board.add_step(step_of(i));
    (void)board.news(seen);
    for (int64_t i = n + 1; i <= n + 2; ++i) board.add_step(step_of(i));
    const Board::News news = board.news(seen);
    EXPECT_TRUE(news.replaces_points);
    EXPECT_EQ(news.points.size(), static_cast<size_t>(n) / 2 + 1);
}

TEST(Board, ListsAreBoundedAndKeepTheBest) {
    Board board;
    for (int64_t i = 1; i <= 5000; ++i) board.add_evaluation({i, i == 1234 ? 0.5 : 1.0});
    for (int64_t i = 1; i <= 500; ++i) board.add_round({i, {{std::string(100000, 'x'), false}}});
    for (int i = 0; i < 500; ++i) board.log(std::to_string(i) + std::string(100000, 'y'));
    Board::Seen seen;
    const Board::News news = board.news(seen);
    EXPECT_LE(news.evaluations->size(), Board::kMostEvaluations);
    EXPECT_GE(news.evaluations->size(), Board::kMostEvaluations / 4);
    int64_t best = 0;
    for (const auto & e : *news.evaluations) best = e.loss == 0.5 ? e.step : best;
    EXPECT_EQ(best, 1234);
    EXPECT_EQ(news.evaluations->front().step, 1);
    EXPECT_EQ(news.evaluations->back().step, 5000);
    EXPECT_LE(news.samples->rounds.size(), Board::kMostRounds);
    EXPECT_EQ(news.samples->rounds.front().step, 1);
    EXPECT_EQ(news.samples->rounds.back().step, 500);
    EXPECT_EQ(news.lines->size(), Board::kMostLines);
    EXPECT_TRUE(news.lines->back().starts_with("499"));
    EXPECT_LT(events_of(news).size(), size_t{400} << 10);
}

TEST(Board, TextsAreCutBetweenCharacters) {
    EXPECT_EQ(cli::cut_text("abc", 3), "abc");
    EXPECT_EQ(cli::cut_text("abcd", 3), "abc\u2026");
    EXPECT_EQ(cli::cut_text("ab\u00e9d", 3), "ab\u2026");
}

TEST(Board, NothingChangesAfterTheEnd) {
    Board board;
    board.add_step(step_of(1));
    board.end({cli::BoardEnding::interrupted, "stopped after step 1", {}});
    board.add_step(step_of(2));
    board.end({cli::BoardEnding::failed, "again", {}});
    Board::Seen seen;
    const Board::News news = board.news(seen);
    ASSERT_TRUE(news.end);
    EXPECT_EQ(news.end->message, "stopped after step 1");
    EXPECT_EQ(news.now->step.step, 1);
    EXPECT_TRUE(board.has_ended());
}

TEST(Board, TheEndWakesWhoWaits) {
    Board board;
    Board::Seen seen;
    (void)board.news(seen);
    const auto begin = std::chrono::steady_clock::now();
    std::thread reader([&] {
        EXPECT_TRUE(board.wait(seen, 60));
        board.rest(60);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    board.end({});
    reader.join();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(Board, ReadersNeitherHoldUpTheTrainingNorMissAnything) {
    constexpr int64_t kSteps = 20000;
    constexpr int kReaders = 8;
    Board board;
    std::atomic<int> whole{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < kReaders; ++i)
        readers.emplace_back([&, i] {
            Board::Seen seen;
            std::vector<cli::CurvePoint> points;
            for (bool ended = false; !ended;) {
                board.wait(seen, 5);
                const Board::News news = board.news(seen);
                if (news.replaces_points) points.clear();
                points.insert(points.end(), news.points.begin(), news.points.end());
                if (i % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a slow one
                if (i % 4 == 1) (void)events_of(news);
                ended = news.end.has_value();
            }
            Board::Seen late;
            const Board::News all = board.news(late);
            bool same = points.size() == all.points.size() && points.back().step == kSteps;
            for (size_t k = 0; same && k < points.size(); ++k) same = points[k].step == all.points[k].step;
            whole += same;
        });
    for (int64_t i = 1; i <= kSteps; ++i) {
        board.add_step(step_of(i));
        if (i % 100 == 0) board.add_evaluation({i, 1.0});
        if (i % 1000 == 0) board.log("line"), board.add_round({i, {{"text", false}}});
    }
    board.end({});
    for (std::thread & t : readers) t.join();
    EXPECT_EQ(whole, kReaders);
}

TEST(BoardEvents, AreLinesOfJsonWithoutNumbersThatJsonLacks) {
    Board board;
    board.add_step({.step = 1, .loss = NAN, .lr = 1e-3, .grad_norm = INFINITY, .is_skipped = true});
    board.add_evaluation({1, 2.5});
    board.set_prompts({{"a\nb\xff", "</script>"}});
    board.add_round({1, {{"\r\n\u2028", true}}});
    Board::Seen seen;
    const std::string text = events_of(board.news(seen));
    EXPECT_TRUE(has(text, "event: points\ndata: {\"replace\":true,\"points\":[[1,null,null,null,0.001,null]]}\n\n"))
        << text;
    EXPECT_TRUE(has(text, "event: evaluations\ndata: [[1,2.5]]\n\n")) << text;
    EXPECT_TRUE(has(text, "a\\nb\ufffd")) << "bytes that are no UTF-8";
    EXPECT_TRUE(has(text, "\"skipped\":1")) << text;
    EXPECT_FALSE(has(text, "event: end"));
    size_t lines = 0;
    for (size_t at = 0; (at = text.find("\n\n", at)) != text.npos; at += 2) ++lines;
    EXPECT_EQ(lines, 6u) << "no text ends an event early: " << text;
    EXPECT_EQ(events_of(board.news(seen)), "");
    board.end({cli::BoardEnding::ended, "", {{"steps", "1"}}});
    EXPECT_TRUE(has(events_of(board.news(seen)),
                    "event: end\ndata: {\"how\":\"ended\",\"message\":\"\",\"summary\":[[\"steps\",\"1\"]]}"));
}

}  // namespace
}  // namespace ql::test
