// Shared objects found and opened at run time.
#pragma once
#include <string>
#include <vector>

namespace ql::os {

struct Library {
    std::string path;
    void * handle = nullptr;   // stays open for the process's life; null if it could not be opened
    std::string trouble = {};  // why not

    void * symbol(const char * name) const;
};

/// Opens every shared object whose name starts with `prefix`: in the folders of the environment variable, beside the
/// program, and in ../lib/ql from there, in this order; the first of a name wins.
std::vector<Library> find_libraries(const char * prefix, const char * environment);

}  // namespace ql::os
