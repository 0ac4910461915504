/* ql/status.h - how calls of this library fail.
 *
 * Every fallible call returns a ql_status; QL_OK is 0. On failure a one-line message for a person is kept for the
 * calling thread (`ql_error_message`), which names the thing, what is wrong, what was got, and the way out where there
 * is one. Nothing aborts, exits, prints or throws across this border. Numbers in files, messages and options have a
 * decimal point, whatever locale the host sets. */
#ifndef QL_STATUS_H
#define QL_STATUS_H

#include "ql/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ql_status {
    QL_OK = 0,
    QL_INVALID_ARGUMENT = 1, /* a NULL, a number out of range, a wrong order of calls */
    QL_BAD_SHAPE = 2,        /* tensor shapes that do not fit together */
    QL_BAD_DTYPE = 3,        /* an element type that the operation does not take */
    QL_BAD_FILE = 4,         /* a file whose content breaks its format */
    QL_NOT_FOUND = 5,        /* a file, key, tensor or backend that is not there */
    QL_IO = 6,               /* the operating system refused to read or write */
    QL_NO_SPACE = 7,         /* the disk is full, or a file would be larger than is allowed */
    QL_NO_MEMORY = 8,        /* memory or the memory budget is exhausted */
    QL_UNSUPPORTED = 9,      /* understood, but not available here; the message says what is */
    QL_CANCELLED = 10,       /* a callback asked to stop */
    QL_NON_FINITE = 11,      /* NaN or Inf where a number is needed */
    QL_INTERNAL = 12         /* a fault of this library: please report it */
} ql_status;

/** The message of the last failed call on this thread, "" when none failed yet. Owned by the library, valid until the
 *  next call of the library on this thread. */
QL_API const char * ql_error_message(void);

/** Sets the message of the calling thread, one line, and returns the code: for libraries built on this one, whose
 *  failures are then read the same way. A NULL message counts as ""; control characters become '?', so that names in a
 *  hostile file cannot write to a terminal or add lines. */
QL_API ql_status ql_set_error(ql_status code, const char * message);

/** A short name of a status ("bad file"); never NULL. */
QL_API const char * ql_status_name(ql_status status);

/** The library's version, "major.minor.patch". */
QL_API const char * ql_version(void);

#ifdef __cplusplus
}
#endif
#endif
