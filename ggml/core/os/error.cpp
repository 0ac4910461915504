// Messages for failed system calls.
#include <cerrno>
#include <system_error>

#include "ggml/core/os/os.hpp"

namespace ql::os {

Status system_error(const std::string & path, const char * doing, int code) {
    if (code == ENOSPC || code == EDQUOT)
        return error(QL_NO_SPACE, "%s: %s: the disk is full; free some space or choose another place", path.c_str(),
                     doing);
    if (code == EFBIG)
        return error(QL_NO_SPACE,
                     "%s: %s: file too large: more than the file system or a limit on file sizes (ulimit -f) allows",
                     path.c_str(), doing);
    if (code == ENOMEM) return error(QL_NO_MEMORY, "%s: %s: out of memory", path.c_str(), doing);
    const Code status = code == ENOENT ? QL_NOT_FOUND : QL_IO;
    // std::generic_category: a strerror that is safe in threads.
    return error(status, "%s: %s: %s", path.c_str(), doing, std::generic_category().message(code).c_str());
}

}  // namespace ql::os
