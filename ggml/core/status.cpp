// Implements ql/status.h. The message lies in a fixed buffer of the thread: reporting an error never allocates, so that
// running out of memory can be reported too.
#include "ql/status.h"

#include <cstddef>

namespace {

constexpr size_t kMessageBytes = 2048;
thread_local char last_message[kMessageBytes] = "";

bool is_control(char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

const char * ql_error_message(void) {
    return last_message;
}

ql_status ql_set_error(ql_status code, const char * message) {
    size_t i = 0;
    for (; message && i + 1 < kMessageBytes && message[i] != '\0'; i++)
        last_message[i] = is_control(message[i]) ? '?' : message[i];
    last_message[i] = '\0';
    return code;
}

const char * ql_status_name(ql_status status) {
    switch (status) {
        case QL_OK:
            return "ok";
        case QL_INVALID_ARGUMENT:
            return "invalid argument";
        case QL_BAD_SHAPE:
            return "bad shape";
        case QL_BAD_DTYPE:
            return "bad dtype";
        case QL_BAD_FILE:
            return "bad file";
        case QL_NOT_FOUND:
            return "not found";
        case QL_IO:
            return "input/output error";
        case QL_NO_SPACE:
            return "no space";
        case QL_NO_MEMORY:
            return "no memory";
        case QL_UNSUPPORTED:
            return "unsupported";
        case QL_CANCELLED:
            return "cancelled";
        case QL_NON_FINITE:
            return "non-finite number";
        case QL_INTERNAL:
            return "internal error";
    }
    return "unknown status";
}

const char * ql_version(void) {
    return QL_VERSION;
}
