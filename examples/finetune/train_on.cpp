#include "examples/finetune/train_on.hpp"

#include <sstream>

#include "ql/dataset.h"
#include "tools/cli/stop.hpp"

namespace ql::cli {

namespace {

struct Part {
    const char * name;
    int flag;
};
constexpr Part kParts[] = {{"answers", QL_TRAIN_ANSWERS},     {"last", QL_TRAIN_LAST},   {"words", QL_TRAIN_WORDS},
                           {"reasoning", QL_TRAIN_REASONING}, {"tools", QL_TRAIN_TOOLS}, {"all", QL_TRAIN_ALL}};

int flag_of(const std::string & name) {
    for (const Part & part : kParts)
        if (name == part.name) return part.flag;
    bad_input("--train-on: '%s' is not one of: %s", name.c_str(), kTrainOnNames);
}

}  // namespace

const char * const kTrainOnNames = "answers, last, words, reasoning, tools, all";

int read_train_on(const std::string & names) {
    int flags = 0;
    std::istringstream list(names + ",");
    for (std::string name; std::getline(list, name, ',');) flags |= flag_of(name);
    if ((flags & QL_TRAIN_ALL) != 0 && flags != QL_TRAIN_ALL)
        bad_input("--train-on: all stands alone: it is everything, whoever says it");
    return flags;
}

bool trains_parts(int flags) {
    const int parts = flags & QL_TRAIN_ANSWERS;
    return parts != 0 && parts != QL_TRAIN_ANSWERS;
}

}  // namespace ql::cli
