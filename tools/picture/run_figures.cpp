#include "tools/picture/run_figures.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "models/json/parse_json.hpp"

namespace ql::cli {
namespace {

constexpr size_t kLongestLine = size_t{64} << 10;

/// The lines of a file, without having more of it in memory than a piece.
class LineReader {
  public:
    explicit LineReader(const std::string & path) : in_(path, std::ios::binary) {}
    bool is_open() const { return in_.is_open(); }
    bool is_bad() const { return in_.bad(); }

    /// The next line, without its newline; false at the end. Valid until the next call.
    bool next(std::string_view & line) {
        for (;;) {
            const size_t newline = text_.find('\n', searched_);
            if (newline != text_.npos) {
                line = std::string_view(text_).substr(begin_, newline - begin_);
                begin_ = searched_ = newline + 1, whole_ = true;
                return true;
            }
            if (text_.size() - begin_ > kLongestLine || !read_more()) break;
        }
        line = std::string_view(text_).substr(begin_);
        begin_ = searched_ = text_.size(), whole_ = false;
        return !line.empty();
    }
    /// Whether the line ended with a newline.
    bool is_whole() const { return whole_; }

  private:
    bool read_more() {
        text_.erase(0, begin_);
        searched_ = text_.size(), begin_ = 0;
        constexpr size_t kPiece = size_t{1} << 18;
        text_.resize(searched_ + kPiece);
        in_.read(text_.data() + searched_, kPiece);
        text_.resize(searched_ + static_cast<size_t>(in_.gcount()));
        return in_.gcount() > 0;
    }
    std::ifstream in_;
    std::string text_;
    size_t begin_ = 0, searched_ = 0;
    bool whole_ = true;
};

Status read_figure(const ql::Json & value, const std::string & key, double & figure) {
    if (value.is_null()) return {};
    if (!value.is_number()) return error(QL_BAD_FILE, "\"%s\" is no number", key.c_str());
    figure = value.get<double>();
    return {};
}

/// Keys that are none of ours are others' business.
Status read_step(std::string_view line, RunStep & step) {
    QL_ASSIGN(const ql::Json object, parse_json(line, 1, {kLongestLine, 1000, 4}));
    if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer())
        return error(QL_BAD_FILE, "has no step; is this a metrics file?");
    for (const auto & [key, value] : object.items()) {
        if (key == "eval_loss") QL_TRY(read_figure(value, key, step.eval_loss));
        if (key == "skipped") step.skipped = true;
        for (size_t q = 0; q < kQuantities; ++q)
            if (key == kQuantityRows[q].key) QL_TRY(read_figure(value, key, step.figures[q]));
    }
    if (!(step.figures[kStep] >= 0)) return error(QL_BAD_FILE, "\"step\" is below 0");
    return {};
}

/// A message without the "line 1, " of a text that is one line of a file.
std::string within_line(const Status & status) {
    const std::string & text = status.message();
    return text.starts_with("line 1, ") ? text.substr(8) : text;
}

Status check_regular(const std::string & path) {
    std::error_code ec;
    if (std::filesystem::is_directory(path, ec))
        return error(QL_BAD_FILE, "%s: is a folder, no metrics file", path.c_str());
    return {};
}

}  // namespace

RunFigures::RunFigures(std::vector<Quantity> kept) {
    kept_[kStep] = true;
    for (const Quantity q : kept) kept_[q] = true;
}

void RunFigures::add(const RunStep & step) {
    auto figures = step.figures;
    const double seconds = figures[kSeconds];
    last_step_ = figures[kStep];
    if (std::isfinite(figures[kTokens])) tokens_ += std::max(figures[kTokens], 0.0);
    figures[kTokens] = tokens_;
    if (std::isfinite(seconds)) {
        if (seconds < seconds_) seconds_before_ += seconds_;
        seconds_ = seconds, figures[kSeconds] = seconds + seconds_before_;
    }
    if (std::isfinite(step.eval_loss)) evals_.push_back({size(), step.eval_loss});
    if (step.skipped) skipped_.push_back(size()), figures[kLoss] = NAN;
    for (size_t q = 0; q < kQuantities; ++q)
        if (kept_[q]) columns_[q].push_back(static_cast<float>(std::clamp(figures[q], -1e38, 1e38)));
}

bool RunFigures::has(Quantity q) const {
    return std::any_of(columns_[q].begin(), columns_[q].end(), [](float v) { return std::isfinite(v); });
}

Status read_metrics(const std::string & path, RunFigures & run, bool * is_cut, int64_t last_step) {
    *is_cut = false;
    QL_TRY(check_regular(path));
    errno = 0;
    LineReader lines(path);
    if (!lines.is_open())
        return error(errno == ENOENT ? QL_NOT_FOUND : QL_IO, "%s: %s", path.c_str(), std::strerror(errno));
    int64_t number = 0;
    const size_t before = run.size();
    const auto bad = [&](const std::string & what) {
        return error(QL_BAD_FILE, "%s: line %lld: %s", path.c_str(), static_cast<long long>(number), what.c_str());
    };
    for (std::string_view line; lines.next(line);) {
        ++number;
        if (line.size() > kLongestLine) return bad("has more than 64 KiB; is this a metrics file?");
        if (line.find_first_not_of(" \t\r") == line.npos) continue;
        RunStep step;
        const Status read = read_step(line, step);
        if (!read.ok() && !lines.is_whole() && line.starts_with('{')) {
            *is_cut = true;
            break;
        }
        if (!read.ok()) return bad(within_line(read));
        const double here = step.figures[kStep];
        if (run.size() > 0 && here <= run.last_step())
            return bad(
                format("step %.0f comes after step %.0f; are there two runs in this file?", here, run.last_step()));
        if (here > static_cast<double>(last_step)) break;
        run.add(step);
    }
    if (lines.is_bad()) return error(QL_IO, "%s: cannot be read", path.c_str());
    if (number == 0) return error(QL_BAD_FILE, "%s: is empty: the run has ended no step yet", path.c_str());
    if (run.size() == before && last_step == INT64_MAX)
        return error(QL_BAD_FILE, "%s: has no whole line: the run has ended no step yet", path.c_str());
    return {};
}

std::string metrics_line(const RunStep & step) {
    ql::Json line;
    for (size_t q = 0; q < kQuantities; ++q)
        if (std::isfinite(step.figures[q])) line[kQuantityRows[q].key] = step.figures[q];
    line["step"] = static_cast<int64_t>(step.figures[kStep]);
    if (step.skipped) line["skipped"] = "";
    if (std::isfinite(step.eval_loss)) line["eval_loss"] = step.eval_loss;
    return line.dump() + "\n";
}

}  // namespace ql::cli
