// What a run shows on its page, shared by the training thread, which writes it, and the threads that answer pages, which copy
// what they have not seen. A lock is held for as long as that takes, and never while anything is sent: a page that is slow
// or gone costs the training nothing. Nothing is queued for a page, so memory does not depend on their number or their speed.
//
//     Board board;                                   // the training thread
//     board.add_step({.step = 1, .loss = 2.3});
//
//     Board::Seen seen;                              // a thread for each page
//     while (board.wait(seen, 5)) send(events_of(board.news(seen)));
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/board/curve.hpp"

namespace ql::cli {

/// Name and value, as in the tables that the program prints.
using BoardRows = std::vector<std::pair<std::string, std::string>>;

/// What stays the same through a run, but for its stage.
struct BoardFacts {
    std::string version;
    std::string stage = "reading the model and the data";
    bool is_stopping = false;
    BoardRows about, plan;
    int64_t first_step = 0, n_steps = 0;
    double step_seconds = 0;  // as planned; 0: not known
};

struct BoardStep {
    int64_t step = 0;
    double epoch = 0, loss = 0, lr = 0, grad_norm = 0, tok_s = 0, seconds = 0;
    uint64_t rss_bytes = 0;
    bool is_skipped = false;
};

/// Where the run is.
struct BoardNow {
    BoardStep step;
    int64_t n_skipped = 0;
    std::string part;  // "sequence 3/8"
};

struct BoardEvaluation {
    int64_t step = 0;
    double loss = 0;
};

/// A question out of the held-out data, and what should be the answer.
struct BoardPrompt {
    std::string prompt, expected;
};

struct BoardAnswer {
    std::string text;
    bool is_cut = false;  // by its limit of tokens or time
};

/// What the model answers after a step, one for each prompt.
struct BoardRound {
    int64_t step = 0;
    std::vector<BoardAnswer> answers;
};

struct BoardSamples {
    std::vector<BoardPrompt> prompts;
    std::vector<BoardRound> rounds;
    std::string note;  // why there are none, or fewer
};

enum class BoardEnding { ended, interrupted, failed };
struct BoardEnd {
    BoardEnding how = BoardEnding::ended;
    std::string message;
    BoardRows summary;
};

class Board {
  public:
    // Past these, every second one goes, but for the first, the last and the best. Texts are cut.
    static constexpr size_t kMostEvaluations = 512, kMostRounds = 32, kMostLines = 50;
    static constexpr size_t kLongestLine = 500, kLongestText = 2000;

    // The training thread's.
    void set_facts(BoardFacts facts);
    void set_stage(const std::string & stage);
    void add_step(const BoardStep & step);
    /// Of a run that goes on: a step that an earlier program made.
    void add_earlier_step(double step, double loss, double lr, double grad_norm);
    void add_evaluation(const BoardEvaluation & evaluation);
    void set_part(const std::string & part);
    void set_prompts(std::vector<BoardPrompt> prompts);
    void note_samples(const std::string & note);
    void add_round(BoardRound round);
    void log(const std::string & line);
    /// Nothing changes any more.
    void end(BoardEnd end);

    // Anybody's.
    void set_stopping();
    bool has_ended() const;

    /// How much a page has seen.
    struct Seen {
        uint64_t facts = 0, now = 0, evaluations = 0, samples = 0, lines = 0, end = 0;  // versions
        int64_t thinned = -1;
        size_t points = 0;
    };
    /// What it has not.
    struct News {
        std::optional<BoardFacts> facts;
        std::optional<BoardNow> now;
        std::optional<std::vector<BoardEvaluation>> evaluations;
        std::optional<BoardSamples> samples;
        std::optional<std::vector<std::string>> lines;
        std::optional<BoardEnd> end;
        bool replaces_points = false;  // the page forgets those that it has
        std::vector<CurvePoint> points;
    };
    /// Until there is news, or for so many seconds; whether there is.
    bool wait(const Seen & seen, double seconds) const;
    /// For so many seconds, but no longer than the run.
    void rest(double seconds) const;
    News news(Seen & seen) const;

  private:
    template <typename T>
    struct Part {
        T value;
        uint64_t version = 1;
    };
    template <typename T, typename Change>
    void change(Part<T> & part, const Change & how);
    bool has_news(const Seen & seen) const;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_, over_;
    Part<BoardFacts> facts_;
    Part<BoardNow> now_;
    Part<std::vector<BoardEvaluation>> evaluations_;
    Part<BoardSamples> samples_;
    Part<std::vector<std::string>> lines_;
    Part<std::optional<BoardEnd>> end_{{}, 0};
    Curve curve_;
};

/// The text up to about n bytes, whole characters, with an ellipsis where it is cut.
std::string cut_text(const std::string & text, size_t n);

}  // namespace ql::cli
