#include "tools/cli/data_options.hpp"

#include <algorithm>

#include "tools/cli/units.hpp"

namespace ql::cli {

void add_columns(Program & program, std::string & columns, const std::string & of) {
    program.list("--columns", columns, "The names that fields have in " + of + ", such as question=ask,answer=reply; _=NAME leaves a column out")
        ->option_text("FIELD=NAME,...");
}

void check_columns(const std::string & columns, const std::vector<std::string> & paths, const char * needed) {
    if (columns.empty()) return;
    if (paths.empty()) bad_input("--columns needs %s", needed);
    const auto is_text = [](const std::string & path) { return path.ends_with(".txt") || path.ends_with(".txt.gz"); };
    if (std::all_of(paths.begin(), paths.end(), is_text))
        bad_input("--columns has no meaning with %s: plain text has no fields", paths[0].c_str());
}

DatasetPtr open_data(const std::vector<std::string> & paths, const ModelPtr & model,
                     const ql_dataset_options & options) {
    std::vector<const char *> names;
    for (const std::string & path : paths) names.push_back(path.c_str());
    DatasetPtr data;
    check_input(
        ql_dataset_open_all(names.data(), static_cast<int64_t>(names.size()), model.get(), &options, out(data)));
    return data;
}

std::string name_files(const std::vector<std::string> & paths, const ql_dataset_info & info) {
    std::string names;
    for (const std::string & path : paths) names += (names.empty() ? "" : ", ") + path;
    const bool same = info.n_files == static_cast<int64_t>(paths.size());
    return same ? names : names + " (" + print_count(info.n_files) + (info.n_files == 1 ? " file)" : " files)");
}

void note_bad_lines(const Program & program, const DatasetPtr & data, const ql_dataset_info & info) {
    if (info.n_bad == 0) return;
    int64_t shown = 0;
    for (; const char * line = ql_dataset_bad_line(data.get(), shown); ++shown)
        program.note(std::string("skipped  ") + line);
    if (info.n_bad > shown) program.note("skipped  " + print_count(info.n_bad - shown) + " more bad lines");
}

}  // namespace ql::cli
