#include "models/train/metrics.hpp"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ql/os.h"

namespace ql {

Status MetricsFile::open(const std::string & path, int64_t keep_bytes) {
    path_ = path;
    if (path.empty()) return {};
    std::error_code ec;
    const auto size = std::filesystem::file_size(path, ec);
    if (!ec && static_cast<int64_t>(size) > keep_bytes) {
        std::filesystem::resize_file(path, static_cast<uintmax_t>(keep_bytes), ec);
        if (ec) return error(QL_IO, "metrics file %s: cannot be cut back: %s", path.c_str(), ec.message().c_str());
    }
    ql_os_journal * file = nullptr;
    if (const ql_status status = ql_os_journal_open(path.c_str(), &file); status != QL_OK)
        return error(status, "metrics file %s", ql_error_message());
    file_.reset(file);
    return {};
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
    if (p.skipped) line["skipped"] = p.skipped;
    if (p.has_eval) line["eval_loss"] = number(p.eval_loss), line["eval_tokens"] = p.eval_tokens;
    const std::string text = line.dump() + "\n";
    if (const ql_status status = ql_os_journal_append(file_.get(), text.data(), text.size()); status != QL_OK)
        return error(status, "metrics file %s", ql_error_message());
    return {};
}

Result<int64_t> MetricsFile::sync() {
    if (!file_) return int64_t{0};
    if (const ql_status status = ql_os_sync_file(path_.c_str()); status != QL_OK)
        return error(status, "metrics file %s", ql_error_message());
    std::error_code ec;
    const auto size = std::filesystem::file_size(path_, ec);
    if (ec) return error(QL_IO, "metrics file %s: %s", path_.c_str(), ec.message().c_str());
    return static_cast<int64_t>(size);
}

}  // namespace ql
