#include "models/train/metrics.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
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
    file_.reset(std::fopen(path.c_str(), "ab"));
    if (!file_) return error(QL_IO, "metrics file %s: %s", path.c_str(), std::strerror(errno));
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
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
        return error(errno == ENOSPC ? QL_NO_SPACE : QL_IO, "metrics file %s: %s", path_.c_str(), std::strerror(errno));
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
