#include "tools/cli/progress.hpp"

#include <algorithm>
#include <cstdio>

#include "ql/os.h"
#include "ql/status.hpp"
#include "tools/cli/escape.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr double kRedrawSeconds = 0.1, kLineSeconds = 5;
constexpr int kBarWidth = 24;

/// The figures without the last of them, as often as it takes to be no longer than `room`.
std::string fitting(std::string figures, size_t room) {
    while (figures.size() > room) {
        const size_t gap = figures.rfind("  ");
        figures.resize(gap == figures.npos ? 0 : gap);
    }
    return figures;
}

}  // namespace

Progress::Progress(std::string what, bool quiet)
    : what_(std::move(what)), quiet_(quiet), terminal_(ql_os_is_terminal(2, nullptr) != 0), start_(ql_os_seconds()) {
    if (!terminal_) last_ = start_;  // work that ends at once needs no line
}

void Progress::update(double done, double total, const std::string & text, bool force) {
    if (quiet_) return;
    const double now = ql_os_seconds();
    if (first_done_ < 0) first_done_ = done - 1 > 0 ? done - 1 : 0;
    if (!force && now - last_ < (terminal_ ? kRedrawSeconds : kLineSeconds)) return;
    last_ = now;
    const std::string figures = escape_line(text);
    const double pace = (now - start_) / std::max(done - first_done_, 1e-9);
    const std::string left = done > first_done_ ? "  ETA " + print_time(pace * (total - done)) : "";
    const double part = total > 0 ? std::clamp(done / total, 0.0, 1.0) : 0;
    if (!terminal_) {
        std::fprintf(stderr, "%s %3.0f%%  %s%s\n", what_.c_str(), 100 * part, figures.c_str(), left.c_str());
        return;
    }
    int columns = 80;
    ql_os_is_terminal(2, &columns);  // a window may have another size by now
    // The time left and the figures come first: the bar takes what is left of the line, up to its full width, or is left
    // out.
    const std::string percent = format("%3.0f%%  ", 100 * part);
    const auto others = static_cast<int>(what_.size() + percent.size() + left.size()) + 2;
    const std::string tail = percent + fitting(figures, static_cast<size_t>(std::max(columns - others, 0))) + left;
    const int room = std::min(kBarWidth, columns - static_cast<int>(what_.size() + tail.size()) - 5);
    std::string bar;
    if (room >= 4) {
        const auto filled = static_cast<size_t>(part * room);
        bar = "[" + std::string(filled, '=') + std::string(static_cast<size_t>(room) - filled, ' ') + "] ";
    }
    std::string line = what_ + " " + bar + tail;
    if (columns > 1 && line.size() >= static_cast<size_t>(columns)) line.resize(static_cast<size_t>(columns - 1));
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    drawn_ = true;
}

void Progress::line(const std::string & text) {
    if (quiet_) return;
    clear();
    std::fprintf(stderr, "%s\n", escape_line(text).c_str());
}

void Progress::clear() {
    if (!drawn_) return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
}

}  // namespace ql::cli
