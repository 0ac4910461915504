/* ql/os.h - the operating system, for programs over this library: safe files, locks, free space, memory, terminal.
 * Everything that differs by system lies behind these calls. */
#ifndef QL_OS_H
#define QL_OS_H

#include <stddef.h>
#include <stdint.h>

#include "ql/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Reads a whole file to *data (malloc; freed by ql_os_free). A directory, or a file over max_size bytes (0: no limit),
 *  is an error. One NUL byte follows the data and is not counted. */
QL_API ql_status ql_os_read_file(const char * path, size_t max_size, char ** data, size_t * size);
QL_API void ql_os_free(void * data);
/** Maps a regular file read-only: *data points at its *size bytes (NULL for an empty file) until the caller's
 *  ql_os_unmap_file(*map). Files written by this library are replaced whole, so a mapping keeps the old bytes; a file
 *  that another program cuts short while it is mapped must not be touched any more.   errors  QL_NOT_FOUND, QL_IO */
typedef struct ql_os_map ql_os_map;
QL_API ql_status ql_os_map_file(const char * path, ql_os_map ** map, const void ** data, size_t * size);
QL_API void ql_os_unmap_file(ql_os_map * map); /* NULL is fine */
/** The path of the file that this library has mapped at an address, models included, or NULL. May be called in a
 *  handler of SIGBUS: the system sends that signal, with the address, to a process that touches a mapped file past the
 *  end to which another program cut it. The library installs no handler; the programs over it name the file and exit.
 *      void on_bus_error(int n, siginfo_t * i, void * c) { const char * path = ql_os_mapped_path(i->si_addr); ... } */
QL_API const char * ql_os_mapped_path(const void * address);
/** A file without a name in a folder, for what a process keeps on disk for itself: it is gone when it is closed, and when the
 *  process ends in whatever way. Bytes are appended at multiples of 4096, then mapped once, all together, until
 *  ql_os_spill_close; after that nothing is appended.
 *  errors  QL_NOT_FOUND, QL_IO: the folder is not there or not writable; QL_NO_SPACE */
typedef struct ql_os_spill ql_os_spill;
QL_API ql_status ql_os_spill_open(const char * folder, ql_os_spill ** spill);
QL_API ql_status ql_os_spill_append(ql_os_spill * spill, const void * data, size_t bytes, uint64_t * offset);
QL_API ql_status ql_os_spill_map(ql_os_spill * spill, const void ** data);
QL_API void ql_os_spill_close(ql_os_spill * spill); /* NULL is fine */
/** Deletes the temporary files of unfinished writes, the empty files of locks that are held, and the folders that
 *  ql_os_make_directory made and that hold nothing: for a signal handler that then ends the process.
 *  Async-signal-safe. */
QL_API void ql_os_remove_temporaries(void);
/** Writes a file safely: temporary (PATH.tmp-<pid>), fsync, rename. A symbolic link is followed; what is not a
 *  regular file is not replaced. errors  QL_IO, QL_NO_SPACE, QL_NOT_FOUND (its folder); then PATH is as it was. */
QL_API ql_status ql_os_write_file(const char * path, const void * data, size_t size);
/** Puts a file in its place only when it is known to be good. make(user, temporary) writes a whole file at the path
 *  `temporary` (beside PATH, say with ql_gguf_write) and may read it back; if make returns QL_OK, the file is synced
 *  and renamed over PATH, as by ql_os_write_file. If make fails, or the process dies, PATH is as it was.
 *  errors  those of make, with its message (where PATH stands for the temporary); QL_IO, QL_NO_SPACE, QL_NOT_FOUND */
QL_API ql_status ql_os_replace_file(const char * path, ql_status (*make)(void * user, const char * temporary), void * user);
/** A file that grows at its end, record by record: created if absent, never cut short, only a regular file. Appended
 *  bytes are the system's at once (a crash of the process loses nothing); ql_os_sync_file brings them to the disk.
 *  errors  QL_IO, QL_NO_SPACE, QL_NOT_FOUND (its folder) */
typedef struct ql_os_journal ql_os_journal;
QL_API ql_status ql_os_journal_open(const char * path, ql_os_journal ** journal);
QL_API ql_status ql_os_journal_append(ql_os_journal * journal, const void * data, size_t size);
QL_API void ql_os_journal_close(ql_os_journal * journal); /* NULL is fine */
/** Waits until a file's name, and all that anyone has written to the file, are on the disk: a later power cut loses
 *  none of it.   errors  QL_NOT_FOUND; QL_IO and QL_NO_SPACE if a write to the file has failed since */
QL_API ql_status ql_os_sync_file(const char * path);
/** QL_OK if a file could be created at the path: its folder exists and is writable, and it is no directory itself.
 *  Creates nothing that stays. */
QL_API ql_status ql_os_check_writable(const char * path);
/** Free bytes on the file system that holds the path (or would hold it). */
QL_API ql_status ql_os_free_space(const char * path, uint64_t * bytes);
QL_API ql_status ql_os_make_directory(const char * path); /* parents too; QL_OK if there already */

/** An exclusive lock on a file (created if absent), held until unlocked or the process ends. Unlocking removes an empty
 *  file; any other is left as it is.
 *  errors  QL_INVALID_ARGUMENT "in use by process N" if another process holds it */
typedef struct ql_os_lock ql_os_lock;
QL_API ql_status ql_os_lock_file(const char * path, ql_os_lock ** lock);
QL_API void ql_os_unlock_file(ql_os_lock * lock);

/** Peak resident bytes of this process since its start; 0 where unknown. */
QL_API uint64_t ql_os_peak_rss(void);
/** Resident bytes now; 0 where unknown. */
QL_API uint64_t ql_os_rss(void);
/** Bytes that the machine could give without swapping, and the process's control group allows; 0: unknown. */
QL_API uint64_t ql_os_available_memory(void);
typedef struct ql_os_block {
    const void * data;
    size_t bytes;
} ql_os_block;
/** Resident bytes now, without some blocks of memory: what a plan does not count. Of a file from which blocks are mapped
 *  they have no more than what is beside the blocks in it. 0 where unknown. */
QL_API uint64_t ql_os_rss_without(const ql_os_block * blocks, int64_t n);
/** Installed memory, bytes; 0 where unknown. */
QL_API uint64_t ql_os_memory(void);
/** Seconds of a clock that never goes back. */
QL_API double ql_os_seconds(void);
/** Physical cores that this process may use (affinity, hyper-threads once, a container's CPU quota), at least 1. */
QL_API int ql_os_physical_cores(void);
/** Bytes of stack that the calling thread has left below the caller; SIZE_MAX where the system does not say. */
QL_API size_t ql_os_stack_room(void);
/** 1 if the stream (1 stdout, 2 stderr) is a terminal; *columns gets its width (80 if unknown). */
QL_API int ql_os_is_terminal(int stream, int * columns);
/** For the first line of a program: where descriptor 0, 1 or 2 is closed, opens it on /dev/null, so that no file gets
 *  that number and receives what is printed. Reading such a stdin, or writing to such a stdout, still fails, so that
 *  results that nobody receives are no success. (Files that this library opens never get these numbers.) */
QL_API ql_status ql_os_open_standard_streams(void);
/** Sets *flag to the signal's number at Ctrl-C, SIGTERM, SIGHUP (where it is not ignored, as under nohup) and SIGXCPU
 *  (the CPU time is used up) instead of ending the process; a second Ctrl-C, while *flag is not 0, ends it, after
 *  ql_os_remove_temporaries. Reads that wait (the keyboard) return with EINTR. SIGPIPE and SIGXFSZ are ignored: writing
 *  to a closed pipe, or a file past the limit on sizes, is an error of the call that writes. NULL restores what was
 *  there before. The library installs no handlers unless this is called; one thread calls it. */
QL_API void ql_os_catch_interrupt(volatile int * flag);

#ifdef __cplusplus
}
#endif
#endif
