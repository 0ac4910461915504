#include "models/train/resume.hpp"

#include <filesystem>

#include "models/base/c_text.hpp"

namespace ql {
namespace {

namespace fs = std::filesystem;

bool is_file(const std::string & path) {
    std::error_code ec;
    return fs::is_regular_file(path, ec) && !ec;
}

std::string folder_of(const std::string & path) {
    const fs::path parent = fs::path(path).parent_path();
    return parent.empty() ? "." : parent.string();
}

Status no_checkpoint(const std::string & directory, const std::string & skipped) {
    if (skipped.empty()) return error(QL_NOT_FOUND, "%s: no checkpoint to resume from", directory.c_str());
    return error(QL_BAD_FILE,
                 "%s: none of its checkpoints can be used: %s; start anew in another --checkpoint-dir, or without "
                 "--resume and with --overwrite",
                 directory.c_str(), skipped.c_str());
}

}  // namespace

Result<ResumePoint> find_resume_point(const ql_train_options & options) {
    const std::string own = text_or_empty(options.checkpoint_dir), resume = text_or_empty(options.resume);
    ResumePoint point;
    if (own.empty() && resume.empty()) return point;
    if (own.empty())
        return error(QL_INVALID_ARGUMENT, "resume '%s': a checkpoint directory is needed to go on in", resume.c_str());
    QL_ASSIGN(point.folder, CheckpointFolder::open(own));
    if (resume.empty()) return point;
    if (resume != "auto" && is_file(resume)) {
        point.is_named = true, point.is_own = is_same_folder(folder_of(resume), own);
        QL_ASSIGN(point.checkpoint, open_checkpoint(resume));
        return point;
    }
    point.is_own = resume == "auto" || is_same_folder(resume, own);
    if (resume == "auto" && point.folder->files().empty()) return point;
    std::vector<CheckpointFile> files = point.folder->files();
    if (!point.is_own) {
        QL_ASSIGN(files, list_checkpoints(resume));
    }
    QL_ASSIGN(point.checkpoint, newest_checkpoint(files, &point.skipped));
    if (point.is_new_run()) return no_checkpoint(point.is_own ? own : resume, point.skipped);
    return point;
}

}  // namespace ql
