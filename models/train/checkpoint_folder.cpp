#include "models/train/checkpoint_folder.hpp"
#include "ql/ql.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "common/sizes.hpp"

namespace ql {
namespace fs = std::filesystem;
namespace {

std::string file_name(int64_t step) {
    return format("step-%08lld.gguf", static_cast<long long>(step));
}

/// The step whose checkpoint has this name to the letter: "step-00000100-copy.gguf" is no checkpoint's.
std::optional<int64_t> step_of(const std::string & name) {
    constexpr size_t begin = std::string_view("step-").size();
    int64_t step = 0;
    if (name.size() > begin) (void)std::from_chars(name.data() + begin, name.data() + name.size(), step);
    return step >= 0 && name == file_name(step) ? std::optional(step) : std::nullopt;
}

/// Whether a name is to the letter that of a checkpoint which was still being written: "step-00000100.gguf.tmp-4711".
bool is_unfinished(const std::string & name) {
    const std::string mark = ".tmp-";
    const size_t at = name.find(mark);
    if (at == name.npos || !step_of(name.substr(0, at))) return false;
    const std::string process = name.substr(at + mark.size());
    return !process.empty() && process.find_first_not_of("0123456789") == process.npos;
}

/// Calls f with every regular file's name and path. A link counts as what it leads to.
template <typename F>
Status for_each_file(const std::string & directory, const F & f) {
    std::error_code ec;
    fs::directory_iterator it(directory, ec), end;
    for (; !ec && it != end; it.increment(ec)) {
        std::error_code unknown;
        if (fs::is_regular_file(it->status(unknown)) && !unknown) f(it->path().filename().string(), it->path());
    }
    if (!ec) return {};
    const bool missing = ec == std::errc::no_such_file_or_directory;
    return error(missing ? QL_NOT_FOUND : QL_IO, "%s: cannot list its checkpoints: %s", directory.c_str(),
                 ec.message().c_str());
}

/// Deletes the unfinished files of killed writers. Only for the holder of the folder's lock.
Status remove_unfinished(const std::string & directory) {
    std::vector<fs::path> files;
    QL_TRY(for_each_file(directory, [&](const std::string & name, const fs::path & path) {
        if (is_unfinished(name)) files.push_back(path);
    }));
    std::error_code ec;  // one that cannot be deleted harms nothing
    for (const fs::path & file : files) fs::remove(file, ec);
    return {};
}

Status check_step(const Checkpoint & checkpoint, int64_t step) {
    if (checkpoint.state.step == step) return {};
    return error(QL_BAD_FILE, "%s: holds step %lld, not that of its name", checkpoint.path.c_str(),
                 static_cast<long long>(checkpoint.state.step));
}

}  // namespace

Result<std::vector<CheckpointFile>> list_checkpoints(const std::string & directory) {
    std::vector<CheckpointFile> files;
    QL_TRY(for_each_file(directory, [&](const std::string & name, const fs::path & path) {
        if (const auto step = step_of(name)) files.push_back({*step, path.string()});
    }));
    std::sort(files.begin(), files.end(),
              [](const CheckpointFile & a, const CheckpointFile & b) { return a.step < b.step; });
    return files;
}

Result<Checkpoint> newest_checkpoint(const std::vector<CheckpointFile> & files, std::string * skipped) {
    for (auto it = files.rbegin(); it != files.rend(); ++it) {
        Result<Checkpoint> found = open_checkpoint(it->path);
        Status status = found.ok() ? check_step(*found, it->step) : found.status();
        if (status.ok()) return found;
        if (status.code() == QL_IO || status.code() == QL_NO_MEMORY) return status;
        *skipped += (skipped->empty() ? "" : "; ") + status.message();
    }
    return Checkpoint();
}

Result<std::unique_ptr<CheckpointFolder>> CheckpointFolder::open(const std::string & directory) {
    std::unique_ptr<CheckpointFolder> folder(new CheckpointFolder(directory));
    QL_TRY(ql_os_make_directory(directory.c_str()));
    QL_TRY(ql_os_lock_file((directory + "/lock").c_str(), out(folder->lock_)));
    QL_TRY(remove_unfinished(directory));
    QL_ASSIGN(folder->files_, list_checkpoints(directory));
    return folder;
}

CheckpointFolder::~CheckpointFolder() {
    lock_.reset();  // the lock's file goes with it
    std::error_code ec;
    if (goes_) fs::remove(directory_, ec);  // an empty one: nothing in it is needed any more
}

std::string CheckpointFolder::in_the_way(int64_t step) const {
    const fs::path path = fs::path(directory_) / file_name(step);
    std::error_code ec;
    const fs::file_type type = fs::status(path, ec).type();
    const bool free = type == fs::file_type::not_found || type == fs::file_type::regular;
    return free ? "" : path.string();
}

void CheckpointFolder::go_on_after(int64_t step) {
    const auto first =
        std::partition_point(files_.begin(), files_.end(), [&](const CheckpointFile & f) { return f.step <= step; });
    later_.assign(first, files_.end());
    files_.erase(first, files_.end());
}

void CheckpointFolder::delete_later() {
    std::error_code ec;  // one that cannot be deleted is written over
    for (const CheckpointFile & f : later_) fs::remove(f.path, ec);
    later_.clear();
}

Status CheckpointFolder::clear() {
    for (const CheckpointFile & f : files_) {
        std::error_code ec;
        fs::remove(f.path, ec);
        if (ec) return error(QL_IO, "%s: cannot be deleted: %s", f.path.c_str(), ec.message().c_str());
    }
    files_.clear();
    return {};
}

Status CheckpointFolder::clear_for_good() {
    goes_ = true;
    QL_ASSIGN(files_, list_checkpoints(directory_));  // damaged ones, too, which the run has passed over
    return clear();
}

Status CheckpointFolder::check_space(uint64_t bytes_each, int64_t keep) const {
    uint64_t free = 0;
    QL_TRY(ql_os_free_space(directory_.c_str(), &free));
    const auto wanted = files_.empty() ? static_cast<uint64_t>(keep) + 1 : 1;
    if (files_.size() > 1 || free >= wanted * bytes_each) return {};
    return error(QL_NO_SPACE, "%s: the checkpoints need about %s of disk, %s are free", directory_.c_str(),
                 size_with_unit(wanted * bytes_each).c_str(), size_with_unit(free).c_str());
}

void CheckpointFolder::delete_oldest() {
    std::error_code ec;  // one that cannot be deleted harms nothing
    fs::remove(files_.front().path, ec);
    files_.erase(files_.begin());
}

Result<std::string> CheckpointFolder::save(const TrainStep & step, const CheckpointState & state, int64_t keep) {
    const std::string path = (fs::path(directory_) / file_name(state.step)).string();
    Status written = write_checkpoint(path, step, state);
    while (written.code() == QL_NO_SPACE && files_.size() > 1) {
        delete_oldest();
        written = write_checkpoint(path, step, state);
    }
    QL_TRY(written);
    std::erase_if(files_, [&](const CheckpointFile & f) { return f.step == state.step; });  // written once more
    files_.push_back({state.step, path});
    while (static_cast<int64_t>(files_.size()) > keep) delete_oldest();
    return path;
}

bool is_same_folder(const std::string & a, const std::string & b) {
    std::error_code ec;
    return fs::equivalent(a, b, ec) && !ec;
}

}  // namespace ql
