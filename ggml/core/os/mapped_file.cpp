// Read-only memory maps (POSIX).
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

/// Which file is mapped where, for a handler of SIGBUS. Records are used again and never freed, so that the handler may
/// walk the list whatever the other threads do; one with begin 0 is unused.
struct MapRecord {
    std::atomic<uintptr_t> begin{0}, end{0};
    std::string path;  // changes only while begin is 0
    MapRecord * next = nullptr;
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free && std::atomic<MapRecord *>::is_always_lock_free);

namespace {

std::atomic<MapRecord *> records{nullptr};
std::mutex records_lock;  // of those who add

MapRecord * add_record(const std::string & path, const void * data, size_t size) {
    const std::lock_guard<std::mutex> held(records_lock);
    MapRecord * record = records.load();
    while (record && record->begin.load() != 0) record = record->next;
    if (!record) {
        record = new MapRecord;
        record->next = records.load();
        records.store(record);
    }
    record->path = path;
    record->end.store(reinterpret_cast<uintptr_t>(data) + size);
    record->begin.store(reinterpret_cast<uintptr_t>(data));
    return record;
}

}  // namespace

const char * mapped_path(const void * address) {
    const auto at = reinterpret_cast<uintptr_t>(address);
    for (const MapRecord * record = records.load(); record; record = record->next) {
        const uintptr_t begin = record->begin.load();
        if (begin != 0 && at >= begin && at < record->end.load()) return record->path.c_str();
    }
    return nullptr;
}

Result<MappedFile> MappedFile::open(const std::string & path) {
    // O_NONBLOCK: a FIFO is refused below instead of waited for.
    const Fd fd = open_fd(path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!fd) return system_error(path, "cannot open", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot read", errno);
    if (S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is a directory, a file is needed", path.c_str());
    if (!S_ISREG(info.st_mode)) return error(QL_IO, "%s: is not a regular file", path.c_str());

    MappedFile file;
    if (info.st_size == 0) return file;
    const auto size = static_cast<size_t>(info.st_size);
    void * data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return system_error(path, "cannot map", errno);
    file.data_ = static_cast<const uint8_t *>(data);
    file.size_ = size;
    file.record_ = add_record(path, data, size);
    return file;
}

void MappedFile::forget(const void * data, size_t bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(data), file = reinterpret_cast<uintptr_t>(data_);
    if (!data_ || begin < file || begin + bytes > file + size_) return;
    const uintptr_t first = (begin + kPageBytes - 1) / kPageBytes * kPageBytes,
                    last = (begin + bytes) / kPageBytes * kPageBytes;
    if (first < last) ::madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile && other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      record_(std::exchange(other.record_, nullptr)) {}

MappedFile & MappedFile::operator=(MappedFile && other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(record_, other.record_);
    return *this;
}

MappedFile::~MappedFile() {
    if (!data_) return;
    if (record_) record_->begin.store(0);
    ::munmap(const_cast<uint8_t *>(data_), size_);
}

}  // namespace ql::os
