// The C face of os.hpp.
#include <cstdlib>

#include "common/guarded.hpp"
#include "ggml/core/os/os.hpp"
#include "ql/os.h"

using ql::error;
using ql::guarded;
using ql::Status;

struct ql_os_lock {
    ql::os::FileLock lock;
};

struct ql_os_journal {
    ql::os::Journal journal;
};

struct ql_os_map {
    ql::os::MappedFile file;
};

namespace {

Status check_path(const char * path) {
    return path ? Status() : error(QL_INVALID_ARGUMENT, "the path is NULL");
}

}  // namespace

ql_status ql_os_read_file(const char * path, size_t max_size, char ** data, size_t * size) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!data || !size) return error(QL_INVALID_ARGUMENT, "ql_os_read_file: data or size is NULL");
        QL_ASSIGN(ql::os::FileBytes bytes, ql::os::read_file(path, max_size));
        *data = bytes.data.release();
        *size = bytes.size;
        return {};
    });
}

void ql_os_free(void * data) {
    std::free(data);
}

ql_status ql_os_map_file(const char * path, ql_os_map ** map, const void ** data, size_t * size) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!map || !data || !size) return error(QL_INVALID_ARGUMENT, "ql_os_map_file: map, data or size is NULL");
        QL_ASSIGN(ql::os::MappedFile file, ql::os::MappedFile::open(path));
        *data = file.data();
        *size = file.size();
        *map = std::make_unique<ql_os_map>(ql_os_map{std::move(file)}).release();
        return {};
    });
}

void ql_os_unmap_file(ql_os_map * map) {
    std::unique_ptr<ql_os_map> owner(map);
}

void ql_os_remove_temporaries(void) {
    ql::os::remove_temporaries();
    ql::os::remove_locks();
    ql::os::remove_empty_folders();
}

const char * ql_os_mapped_path(const void * address) {
    return ql::os::mapped_path(address);
}

ql_status ql_os_write_file(const char * path, const void * data, size_t size) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!data && size > 0) return error(QL_INVALID_ARGUMENT, "ql_os_write_file: data is NULL");
        return ql::os::write_file(path, {static_cast<const char *>(data), size});
    });
}

ql_status ql_os_replace_file(const char * path, ql_status (*make)(void * user, const char * temporary), void * user) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!make) return error(QL_INVALID_ARGUMENT, "ql_os_replace_file: make is NULL");
        return ql::os::replace_file(path, [&](const std::string & temporary) {
            (void)ql_set_error(QL_OK, "");  // a message found afterwards is of the call below
            const ql_status status = make(user, temporary.c_str());
            const std::string message = ql_error_message();
            return status == QL_OK || !message.empty()
                       ? Status(status, message)
                       : error(status, "%s: what was to be put there was refused", path);
        });
    });
}

ql_status ql_os_sync_file(const char * path) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        return ql::os::sync_file(path);
    });
}

ql_status ql_os_check_writable(const char * path) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        return ql::os::check_writable(path);
    });
}

ql_status ql_os_free_space(const char * path, uint64_t * bytes) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!bytes) return error(QL_INVALID_ARGUMENT, "ql_os_free_space: bytes is NULL");
        QL_ASSIGN(*bytes, ql::os::free_space(path));
        return {};
    });
}

ql_status ql_os_make_directory(const char * path) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        return ql::os::make_directory(path);
    });
}

ql_status ql_os_journal_open(const char * path, ql_os_journal ** journal) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!journal) return error(QL_INVALID_ARGUMENT, "ql_os_journal_open: journal is NULL");
        *journal = nullptr;
        QL_ASSIGN(ql::os::Journal opened, ql::os::Journal::open(path));
        *journal = std::make_unique<ql_os_journal>(ql_os_journal{std::move(opened)}).release();
        return {};
    });
}

ql_status ql_os_journal_append(ql_os_journal * journal, const void * data, size_t size) {
    return guarded([&]() -> Status {
        if (!journal || (!data && size > 0))
            return error(QL_INVALID_ARGUMENT, "ql_os_journal_append: journal or data is NULL");
        return journal->journal.append({static_cast<const char *>(data), size});
    });
}

void ql_os_journal_close(ql_os_journal * journal) {
    std::unique_ptr<ql_os_journal> owner(journal);
}

ql_status ql_os_lock_file(const char * path, ql_os_lock ** lock) {
    return guarded([&]() -> Status {
        QL_TRY(check_path(path));
        if (!lock) return error(QL_INVALID_ARGUMENT, "ql_os_lock_file: lock is NULL");
        QL_ASSIGN(ql::os::FileLock taken, ql::os::FileLock::take(path));
        *lock = std::make_unique<ql_os_lock>(ql_os_lock{std::move(taken)}).release();
        return {};
    });
}

void ql_os_unlock_file(ql_os_lock * lock) {
    std::unique_ptr<ql_os_lock> owner(lock);
}

int ql_os_physical_cores(void) {
    int cores = 1;
    (void)guarded([&]() -> Status {
        cores = ql::os::physical_cores();
        return {};
    });
    return cores;
}
