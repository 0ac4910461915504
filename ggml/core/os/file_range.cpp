// Bytes of open files, moved without a mapping (POSIX; past the system's cache: Linux).
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {
namespace {

/// What an open file is called in messages. Only a file without a name is not mapped: a spill of results.
std::string name_of(int fd) {
    if (const std::string path = mapped_name(fd); !path.empty()) return path;
    char link[64], path[PATH_MAX];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = ::readlink(link, path, sizeof path);
    const std::string name(path, static_cast<size_t>(std::max<ssize_t>(length, 0)));
    return name.empty() ? "a spill" : "a spill in " + name.substr(0, name.rfind('/'));
}

Status cannot(const char * what, int fd, uint64_t offset, int code) {
    char doing[64];
    std::snprintf(doing, sizeof doing, "cannot %s at byte %llu", what, static_cast<unsigned long long>(offset));
    return system_error(name_of(fd), doing, code);
}

}  // namespace

Status read_range(const FileRange & range, void * to) {
    auto * next = static_cast<std::byte *>(to);
    for (size_t done = 0; done < range.bytes;) {
        const uint64_t at = range.offset + done;
        const ssize_t n =
            retry([&] { return ::pread(range.fd, next + done, range.bytes - done, static_cast<off_t>(at)); });
        if (n < 0) return cannot("read", range.fd, at, errno);
        if (n == 0)
            return error(QL_IO, "%s: has become shorter while it was in use: it ends before byte %llu",
                         name_of(range.fd).c_str(), static_cast<unsigned long long>(range.offset + range.bytes));
        done += static_cast<size_t>(n);
    }
    return {};
}

Fd open_direct(int fd) {
#ifdef O_DIRECT
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return open_fd(link, O_RDONLY | O_DIRECT);
#else
    return Fd();
#endif
}

Status read_direct(int direct, const FileRange & range, void * to) {
    const size_t before = range.offset % kPageBytes;
    if (reinterpret_cast<uintptr_t>(to) % kPageBytes == before) {
        const size_t bytes = (before + range.bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
        const ssize_t n = retry([&] {
            return ::pread(direct, static_cast<std::byte *>(to) - before, bytes,
                           static_cast<off_t>(range.offset - before));
        });
        if (n >= static_cast<ssize_t>(before + range.bytes)) return {};
    }
    return read_range(range, to);
}

bool is_cached(const FileRange & range) {
    constexpr size_t kPages = 256;  // asked about at a time
    const auto first = reinterpret_cast<uintptr_t>(range.mapped) / kPageBytes * kPageBytes,
               end = reinterpret_cast<uintptr_t>(range.mapped) + range.bytes;
    for (uintptr_t at = first; at < end; at += kPages * kPageBytes) {
        unsigned char there[kPages];
        const size_t bytes = std::min(kPages * kPageBytes, end - at);
        if (::mincore(reinterpret_cast<void *>(at), bytes, there) != 0) return false;
        const size_t n = (bytes + kPageBytes - 1) / kPageBytes;
        if (!std::all_of(there, there + n, [](unsigned char page) { return page & 1; })) return false;
    }
    return range.mapped != nullptr;
}

Status write_range(const FileRange & range, const void * from) {
    const auto * next = static_cast<const char *>(from);
    for (size_t done = 0; done < range.bytes;) {
        const uint64_t at = range.offset + done;
        const ssize_t n =
            retry([&] { return ::pwrite(range.fd, next + done, range.bytes - done, static_cast<off_t>(at)); });
        if (n < 0) return cannot("write", range.fd, at, errno);
        done += static_cast<size_t>(n);
    }
    return {};
}

}  // namespace ql::os
