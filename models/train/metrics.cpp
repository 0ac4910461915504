#include "models/train/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

namespace ql {
namespace {

constexpr std::string_view kLineBegins = R"({"step":)";
constexpr int64_t kLongestLine = 1 << 16;

/// The step of a whole line that a run wrote.
std::optional<int64_t> step_of(std::string_view line) {
    if (!line.starts_with(kLineBegins) || !line.ends_with("}")) return {};
    int64_t step = 0;
    const auto read = std::from_chars(line.data() + kLineBegins.size(), line.data() + line.size(), step);
    return read.ec == std::errc() ? std::optional(step) : std::nullopt;
}

/// What a file holds; only three places are looked at, as the file may be long.
class Lines {
  public:
    explicit Lines(const std::string & path, int64_t size) : in_(path, std::ios::binary), size_(size) {}

    /// The step of the line that ends where byte `end` begins.
    std::optional<int64_t> step_before(int64_t end) {
        const std::string text = bytes(std::max<int64_t>(0, end - kLongestLine), end);
        if (text.empty() || text.back() != '\n') return {};
        const size_t previous = text.size() > 1 ? text.rfind('\n', text.size() - 2) : text.npos;
        const size_t begin = previous == text.npos ? 0 : previous + 1;
        return step_of(std::string_view(text).substr(begin, text.size() - 1 - begin));
    }
    /// The step of the last whole line.
    std::optional<int64_t> last_step() {
        const int64_t from = std::max<int64_t>(0, size_ - kLongestLine);
        const size_t newline = bytes(from, size_).rfind('\n');
        return newline == std::string::npos ? std::nullopt : step_before(from + static_cast<int64_t>(newline) + 1);
    }
    /// Whether the text at `begin` is the line of a step, or as much of it as a killed run has written.
    bool begins_with_step(int64_t begin, int64_t step) {
        const std::string wanted = std::string(kLineBegins) + std::to_string(step) + ",";
        const std::string text = bytes(begin, std::min(size_, begin + static_cast<int64_t>(wanted.size())));
        return text == wanted.substr(0, text.size());
    }

  private:
    std::string bytes(int64_t begin, int64_t end) {
        std::string text(static_cast<size_t>(std::max<int64_t>(0, end - begin)), '\0');
        in_.clear();
        in_.seekg(begin);
        in_.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<size_t>(in_.gcount()));
        return text;
    }
    std::ifstream in_;
    int64_t size_;
};

/// Whether a file is the one that the run wrote until its start: the last line that stays is that of the start's step,
/// and what follows belongs to later steps. Where no line stays, the file may hold only what a run writes before its
/// first checkpoint.
bool is_of_run(Lines & lines, int64_t size, const MetricsStart & start) {
    if (!start.resume || size < start.bytes || !lines.begins_with_step(start.bytes, start.step + 1)) return false;
    if (start.bytes > 0) return lines.step_before(start.bytes) == start.step;
    return lines.last_step().value_or(start.step) <= start.reach;
}

/// Messages about files begin with the path; a run's user may not know which file that is.
Status of_metrics(const Status & status) {
    return status.ok() ? Status() : error(status.code(), "metrics file %s", status.message().c_str());
}

}  // namespace

Status MetricsFile::open(const std::string & path, const MetricsStart & start) {
    if (path.empty()) return {};
    path_ = path;
    QL_TRY(of_metrics(ql_os_lock_file(path.c_str(), out(lock_))));
    std::error_code ec;
    const auto size = static_cast<int64_t>(std::filesystem::file_size(path, ec));
    if (ec) return error(QL_IO, "metrics file %s: %s", path.c_str(), ec.message().c_str());
    if (size == 0) return {};
    Lines lines(path, size);
    if (is_of_run(lines, size, start))
        kept_bytes_ = start.bytes;
    else if (!start.overwrite && start.step == 0)
        return error(QL_INVALID_ARGUMENT,
                     "metrics file %s: has lines already, and this run begins at its first step, as there is no "
                     "checkpoint to go on from; choose another name, or replace it with --overwrite",
                     path.c_str());
    else if (!start.overwrite)
        return error(
            QL_INVALID_ARGUMENT,
            "metrics file %s: holds something other than this run's lines up to step %lld; choose another name, "
            "or replace it with --overwrite",
            path.c_str(), static_cast<long long>(start.step));
    return {};
}

Status MetricsFile::begin() {
    if (path_.empty() || file_) return {};
    std::error_code ec;
    const auto size = std::filesystem::file_size(path_, ec);
    if (!ec && static_cast<int64_t>(size) > kept_bytes_)
        std::filesystem::resize_file(path_, static_cast<uintmax_t>(kept_bytes_), ec);
    if (ec) return error(QL_IO, "metrics file %s: cannot be cut back: %s", path_.c_str(), ec.message().c_str());
    return of_metrics(ql_os_journal_open(path_.c_str(), out(file_)));
}

Status MetricsFile::write(const ql_train_progress & p) {
    if (!file_) return {};
    nlohmann::ordered_json line;
    const auto number = [](double v) {
        return std::isfinite(v) ? nlohmann::ordered_json(v) : nlohmann::ordered_json(nullptr);
    };
    line["step"] = p.step;
    line["epoch"] = p.epoch;
    line["loss"] = number(p.loss);
    line["lr"] = p.lr;
    line["grad_norm"] = number(p.grad_norm);
    line["tokens"] = p.tokens;
    line["tok_s"] = p.tok_s;
    line["seconds"] = p.seconds;
    line["rss_bytes"] = p.rss_bytes;
    if (p.loss_scale > 0) line["loss_scale"] = p.loss_scale;
    if (p.skipped) line["skipped"] = p.skipped;
    if (p.has_eval) line["eval_loss"] = number(p.eval_loss), line["eval_tokens"] = p.eval_tokens;
    const std::string text = line.dump() + "\n";
    return of_metrics(ql_os_journal_append(file_.get(), text.data(), text.size()));
}

Result<int64_t> MetricsFile::sync() {
    if (!file_) return int64_t{0};
    QL_TRY(of_metrics(ql_os_sync_file(path_.c_str())));
    std::error_code ec;
    const auto size = std::filesystem::file_size(path_, ec);
    if (ec) return error(QL_IO, "metrics file %s: %s", path_.c_str(), ec.message().c_str());
    return static_cast<int64_t>(size);
}

}  // namespace ql
