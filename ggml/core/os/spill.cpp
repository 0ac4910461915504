// A file that has no name: what a process puts on disk for itself alone, gone when it ends in whatever way (POSIX).
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/guarded.hpp"
#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"
#include "ql/os.h"

namespace ql::os {

namespace {

Result<Fd> open_unnamed_file(const std::string & folder) {
    struct stat info;
    if (::stat(folder.c_str(), &info) != 0) return system_error(folder, "cannot spill to it", errno);
    if (!S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is no directory; spilling needs one", folder.c_str());
    Fd fd = open_fd(folder.c_str(), O_TMPFILE | O_RDWR, 0600);
    if (fd) return fd;
    std::string name = folder + "/ql-spill-XXXXXX";  // a file system without O_TMPFILE
    fd = above_standard_streams(Fd(::mkostemp(name.data(), O_CLOEXEC)));
    if (!fd) return system_error(folder, "cannot spill to it", errno);
    ::unlink(name.c_str());
    return fd;
}

}  // namespace

Result<Fd> open_unnamed(const std::string & folder, uint64_t reserved) {
    QL_ASSIGN(Fd fd, open_unnamed_file(folder));
    if (reserved == 0) return fd;
    int code = 0;
    do code = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(reserved));
    while (code == EINTR);
    if (code == 0) return fd;
    const std::string doing = "cannot set " + std::to_string(reserved) + " bytes aside to spill to";
    return system_error(folder, doing.c_str(), code);
}

}  // namespace ql::os

using ql::Status;

struct ql_os_spill {
    std::string folder;
    ql::os::Fd fd;
    uint64_t size = 0;
    std::optional<ql::os::MappedFile> map;

    Status append(const void * data, size_t bytes, uint64_t * offset) {
        if (map) return ql::error(QL_INVALID_ARGUMENT, "%s: a spill that is mapped takes no more", folder.c_str());
        const uint64_t at = (size + ql::os::kPageBytes - 1) / ql::os::kPageBytes * ql::os::kPageBytes;
        if (const Status written = ql::os::write_range({fd.get(), at, bytes}, data); !written.ok())
            return ql::error(written.code(), "%s: %s", folder.c_str(), written.message().c_str());
        size = at + bytes;
        *offset = at;
        return {};
    }
};

extern "C" {

ql_status ql_os_spill_open(const char * folder, ql_os_spill ** spill) {
    return ql::guarded([&]() -> Status {
        if (!folder || !spill) return ql::error(QL_INVALID_ARGUMENT, "ql_os_spill_open: an argument is NULL");
        QL_ASSIGN(ql::os::Fd fd, ql::os::open_unnamed(folder));
        *spill = new ql_os_spill{folder, std::move(fd), 0, std::nullopt};
        return {};
    });
}

ql_status ql_os_spill_append(ql_os_spill * spill, const void * data, size_t bytes, uint64_t * offset) {
    return ql::guarded([&]() -> Status {
        if (!spill || (!data && bytes) || !offset)
            return ql::error(QL_INVALID_ARGUMENT, "ql_os_spill_append: an argument is NULL");
        return spill->append(data, bytes, offset);
    });
}

ql_status ql_os_spill_map(ql_os_spill * spill, const void ** data) {
    return ql::guarded([&]() -> Status {
        if (!spill || !data) return ql::error(QL_INVALID_ARGUMENT, "ql_os_spill_map: an argument is NULL");
        if (!spill->map) {
            QL_ASSIGN(spill->map, ql::os::MappedFile::of(std::move(spill->fd), spill->size, spill->folder));
        }
        *data = spill->map->data();
        return {};
    });
}

void ql_os_spill_close(ql_os_spill * spill) {
    delete spill;
}

}  // extern "C"
