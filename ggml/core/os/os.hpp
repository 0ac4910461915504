// What the rest of the engine asks of the operating system, in C++. ql/os.h is the public face of the same; a port to
// another system replaces the .cpp files of this folder and touches nothing else.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ggml/core/os/noted.hpp"
#include "ql/status.hpp"

namespace ql::os {

/// The error of a failed system call: "PATH: DOING: reason". ENOENT is QL_NOT_FOUND; a full disk, or a file beyond the
/// allowed size, QL_NO_SPACE.
Status system_error(const std::string & path, const char * doing, int code);

inline constexpr size_t kPageBytes = 4096;
/// At least `bytes` of zeros from the system, aligned to a page (large blocks: to a huge page), resident once touched.
Result<void *> allocate_pages(size_t bytes);
/// bytes: what allocate_pages was asked for.
void release_pages(void * pages, size_t bytes);

/// Address space for `bytes` zeros, of which only the pages that were written since the last drop() are in memory.
class SparsePages {
  public:
    static Result<SparsePages> reserve(size_t bytes);
    SparsePages(SparsePages && other) noexcept;
    SparsePages & operator=(SparsePages &&) = delete;
    ~SparsePages();
    std::byte * data() const { return data_; }
    /// All bytes are zero again, and none is in memory.
    void drop();

  private:
    SparsePages(std::byte * data, size_t bytes) : data_(data), bytes_(bytes) {}
    std::byte * data_;
    size_t bytes_;
};

struct MappedRange;
class Fd;

/// A regular file's bytes, mapped read-only. The file must not be cut short while it is mapped (files written by
/// SafeFile are replaced whole: an old mapping keeps the old bytes).
class MappedFile {
  public:
    static Result<MappedFile> open(const std::string & path);
    /// Of an open file; `path` is for messages.
    static Result<MappedFile> of(Fd fd, uint64_t bytes, const std::string & path);
    MappedFile(MappedFile && other) noexcept;
    MappedFile & operator=(MappedFile && other) noexcept;
    ~MappedFile();

    const uint8_t * data() const { return data_; }  // nullptr for an empty file
    /// Whole pages of these bytes leave memory until they are read again; nothing happens if they are not the file's.
    void forget(const void * data, size_t bytes) const;
    size_t size() const { return size_; }

  private:
    MappedFile() = default;
    const uint8_t * data_ = nullptr;
    size_t size_ = 0;
    int fd_ = -1;
    Noted<MappedRange>::Record * record_ = nullptr;
};
/// The path of the MappedFile at an address, or null. May be called in a signal handler.
const char * mapped_path(const void * address);

/// Bytes of an open file.
struct FileRange {
    int fd = -1;  // -1: of no file
    uint64_t offset = 0;
    size_t bytes = 0;
    const void * mapped = nullptr;  // where these bytes are mapped; null: nowhere
};
/// The bytes of a MappedFile that are mapped at an address; fd -1: at least one of them is not mapped. The file is open
/// as long as it is mapped.
FileRange mapped_range(const void * address, size_t bytes);
/// Whole pages of these bytes, if a MappedFile has them, leave memory until they are read again.
void forget_mapped(const void * address, size_t bytes);
/// The path of a MappedFile, by its descriptor; "": none.
std::string mapped_name(int fd);

/// Reads the range, without touching the mapping.
/// errors   QL_IO by the file's name and the place in it, also where the file has become shorter
Status read_range(const FileRange & range, void * to);
/// errors: QL_NO_SPACE, QL_IO, by the name of the file or of its folder
Status write_range(const FileRange & range, const void * from);
/// Opens a file once more, for reads past the system's cache: they take a tenth of the processor's time, and no memory.
/// None where the system or the file's disk has no such reads.
Fd open_direct(int fd);
/// As read_range, past the cache, if `to` has its range's place in a page: whole pages are read, so the memory around it
/// up to the borders of pages is overwritten. What cannot be read like this is read as read_range does.
/// direct   open_direct's of the range's file
Status read_direct(int direct, const FileRange & range, void * to);
/// Whether a mapped range is in the system's cache.
bool is_cached(const FileRange & range);
/// An open file in the folder, without a name: it is gone when it is closed. It has `reserved` bytes of zeros, for which
/// the disk has room. errors: QL_NOT_FOUND, QL_IO, QL_NO_SPACE
Result<Fd> open_unnamed(const std::string & folder, uint64_t reserved = 0);

/// A file that appears at its path whole or not at all: written as PATH.tmp-<pid>, synced, renamed, folder synced.
/// Destroyed before commit() it removes the temporary; an older file at the path is then untouched. What a killed
/// writer left is removed by the next one of the same path. The temporary is locked while it is written.
struct TemporaryNames;
class SafeFile {
  public:
    /// Checks the free space for `expected_size` bytes and creates the temporary. A symbolic link is followed; a
    /// directory, device or other special file at the path is an error.
    static Result<SafeFile> create(const std::string & path, uint64_t expected_size);
    SafeFile(SafeFile && other) noexcept;
    SafeFile & operator=(SafeFile &&) = delete;
    ~SafeFile();

    Status append(const void * data, size_t size);
    uint64_t size() const { return size_; }
    /// A name beside the temporary for a file that is written by other means, then taken by adopt_staged(). What a
    /// killed process left there is removed with its temporary.
    std::string staged() const { return temporary_ + ".new"; }
    /// Puts the file at staged() in place of what was appended.
    Status adopt_staged();
    /// The file is on the disk under its own name when this returns ok.
    Status commit();

  private:
    SafeFile() = default;
    std::string path_, temporary_;
    int fd_ = -1;
    uint64_t size_ = 0;
    Noted<TemporaryNames>::Record * record_ = nullptr;
};

struct FileBytes {  // malloc'ed, with a NUL byte after `size` bytes
    std::unique_ptr<char, void (*)(void *)> data;
    size_t size;
};
Result<FileBytes> read_file(const std::string & path, size_t max_size);
Status write_file(const std::string & path, std::string_view data);
/// See ql_os_replace_file; make()'s messages name the path in place of the temporary.
Status replace_file(const std::string & path, const std::function<Status(const std::string & temporary)> & make);
/// Deletes what SafeFiles are writing at this moment. Async-signal-safe, as the next two.
void remove_temporaries();
/// Deletes the empty files of the locks that this process holds.
void remove_locks();
/// Deletes the folders that make_directory() made and that hold nothing.
void remove_empty_folders();
/// Waits until the content and the name of a file are on the disk.
Status sync_file(const std::string & path);
Status check_writable(const std::string & path);
Result<uint64_t> free_space(const std::string & path);
Status make_directory(const std::string & path);

/// Writes all of `size` bytes to a descriptor; errors name the path.
Status write_all(const std::string & path, int fd, const void * data, size_t size);

/// A file that is written only at its end, see ql_os_journal_open.
class Journal {
  public:
    static Result<Journal> open(const std::string & path);
    Journal(Journal && other) noexcept;
    Journal & operator=(Journal &&) = delete;
    ~Journal();
    Status append(std::string_view record);

  private:
    Journal(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
    std::string path_;
    int fd_ = -1;
};

/// See ql_os_open_standard_streams.
Status open_standard_streams();

/// An exclusive lock on a file, see ql_os_lock_file.
struct LockName;
class FileLock {
  public:
    static Result<FileLock> take(const std::string & path);
    FileLock(FileLock && other) noexcept;
    FileLock & operator=(FileLock &&) = delete;
    ~FileLock();

  private:
    FileLock() = default;
    std::string path_;
    int fd_ = -1;
    Noted<LockName>::Record * record_ = nullptr;
};

/// Numbers of the processors that the process's affinity allows.
std::vector<int> allowed_processors();
/// Distinct cores among `processors`, by `cpu_folder`/cpuN/topology; a processor without that information counts as
/// one.
int count_cores(const std::vector<int> & processors, const std::string & cpu_folder);
int physical_cores();
/// Asks for the tile registers of x86 processors with AMX, for the whole process. False: they must not be touched.
bool allow_tiles();

}  // namespace ql::os
