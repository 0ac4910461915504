// Whole files and folders (POSIX).
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {
namespace {

Noted<std::string> made_folders;

void note_made(const std::string & folder) {
    const auto is_it = [&](const std::string & noted) { return noted == folder; };
    if (!made_folders.find(is_it)) made_folders.note(folder);
}

Status too_large(const std::string & path, size_t max_size) {
    return error(QL_BAD_FILE, "%s: is larger than the %zu bytes allowed here", path.c_str(), max_size);
}

/// The message of a failure, with the path that the user knows in place of the temporary's.
Status say_of(const std::string & path, const std::string & temporary, const Status & status) {
    std::string message = status.message();
    for (size_t at = 0; (at = message.find(temporary, at)) != message.npos; at += path.size())
        message.replace(at, temporary.size(), path);
    return Status(status.code(), std::move(message));
}

}  // namespace

Result<FileBytes> read_file(const std::string & path, size_t max_size) {
    // O_NONBLOCK: a pipe without a writer is not waited for; a pipe with a writer is read to its end.
    const Fd fd = open_fd(path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!fd) return system_error(path, "cannot open", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot read", errno);
    (void)::fcntl(fd.get(), F_SETFL, O_RDONLY);
    if (S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is a directory, a file is needed", path.c_str());
    const auto known = static_cast<size_t>(info.st_size);
    if (max_size != 0 && known > max_size) return too_large(path, max_size);

    // A pipe or a file of /proc gives its size as 0: read until the end, whatever the size.
    size_t capacity = known > 0 ? known + 1 : 4096, size = 0;
    FileBytes bytes{{static_cast<char *>(::malloc(capacity + 1)), ::free}, 0};
    for (;;) {
        if (!bytes.data) return error(QL_NO_MEMORY, "%s: no memory for its %zu bytes", path.c_str(), capacity);
        const ssize_t n = retry([&] { return ::read(fd.get(), bytes.data.get() + size, capacity - size); });
        if (n < 0) return system_error(path, "cannot read", errno);
        if (n == 0) break;
        size += static_cast<size_t>(n);
        if (max_size != 0 && size > max_size) return too_large(path, max_size);
        if (size < capacity) continue;
        capacity *= 2;
        char * larger = static_cast<char *>(::realloc(bytes.data.get(), capacity + 1));
        if (larger)
            (void)bytes.data.release();
        else
            return error(QL_NO_MEMORY, "%s: no memory for its %zu bytes", path.c_str(), capacity);
        bytes.data.reset(larger);
    }
    if (size == 0 && S_ISFIFO(info.st_mode)) return error(QL_IO, "%s: is a pipe that nobody writes to", path.c_str());
    bytes.data.get()[size] = '\0';
    bytes.size = size;
    return bytes;
}

Status write_file(const std::string & path, std::string_view data) {
    QL_ASSIGN(SafeFile file, SafeFile::create(path, data.size()));
    QL_TRY(file.append(data.data(), data.size()));
    return file.commit();
}

Status replace_file(const std::string & path, const std::function<Status(const std::string & temporary)> & make) {
    QL_ASSIGN(SafeFile file, SafeFile::create(path, 0));
    const std::string staged = file.staged();
    struct Removed {
        const std::string & name;
        ~Removed() { ::unlink(name.c_str()); }
    } const removed_at_end{staged};
    if (const Status made = make(staged); !made.ok()) return say_of(path, staged, made);
    QL_TRY(file.adopt_staged());
    return file.commit();
}

Status check_writable(const std::string & path) {
    // Creating and removing the temporaries is the only sure test: permissions, read-only mounts, name lengths.
    QL_ASSIGN(const SafeFile file, SafeFile::create(path, 0));
    return say_of(path, file.staged(), SafeFile::create(file.staged(), 0).status());
}

Result<uint64_t> free_space(const std::string & path) {
    struct statvfs info;
    for (std::string at = path.empty() ? "." : path;;) {
        if (retry([&] { return ::statvfs(at.c_str(), &info); }) == 0) break;
        if (errno != ENOENT && errno != ENOTDIR) return system_error(path, "cannot find its free space", errno);
        if (at == "." || at == "/") return system_error(path, "cannot find its free space", errno);
        const size_t slash = at.find_last_of('/');  // not there yet: ask its folder
        at = slash == std::string::npos ? "." : slash == 0 ? "/" : at.substr(0, slash);
    }
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

Status make_directory(const std::string & path) {
    if (path.empty()) return error(QL_INVALID_ARGUMENT, "the path of the folder to make is empty");
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        struct stat info;
        if (::mkdir(part.c_str(), 0777) == 0) {
            note_made(part);
        } else {
            const int code = errno;  // for a part that exists it may be EEXIST, EROFS or EACCES
            if (::stat(part.c_str(), &info) != 0) return system_error(path, "cannot make the folder", code);
            if (!S_ISDIR(info.st_mode)) return error(QL_IO, "%s: %s is not a folder", path.c_str(), part.c_str());
        }
        if (end == std::string::npos) return {};
    }
}

void remove_empty_folders() {
    made_folders.find([](const std::string & folder) {  // the last one made first: parents come after what is in them
        ::rmdir(folder.c_str());
        return false;
    });
}

}  // namespace ql::os
