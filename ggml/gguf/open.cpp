// Opening a file, and with the first part of a sharded model ("NAME-00001-of-00003.gguf") all its parts.
#include <cstdio>

#include "ggml/gguf/cursor.hpp"
#include "ggml/gguf/reader.hpp"

namespace ql::gguf {
namespace {

struct ShardName {
    std::string stem;  // the path before "-00001-of-00003.gguf"
    int part = 1, count = 1;
    std::string path(int i) const { return stem + format("-%05d-of-%05d.gguf", i, count); }
};

/// The pieces of a sharded file's name; part 1 of 1 for any other name.
ShardName shard_name(const std::string & path) {
    constexpr size_t kTail = sizeof "-00001-of-00003.gguf" - 1;
    ShardName name;
    if (path.size() <= kTail) return name;
    const std::string tail = path.substr(path.size() - kTail);
    int part = 0, count = 0;
    if (std::sscanf(tail.c_str(), "-%5d-of-%5d.gguf", &part, &count) != 2) return name;
    name.stem = path.substr(0, path.size() - kTail);
    name.part = part;
    name.count = count;
    // The name must come out the same when written again: "-+0001-of-..." is no such name.
    return part >= 1 && part <= count && name.path(part) == path ? name : ShardName();
}

/// An integer key that, where it is there, must have this value.
Status expect_int(const Contents & contents, const std::string & file, const char * name, int64_t expected) {
    const Key * key = contents.find_key(name);
    if (!key) return {};
    QL_ASSIGN(const int64_t value, get_int(*key, file));
    if (value == expected) return {};
    return error(QL_BAD_FILE, "%s: key '%s' is %lld, but by its name and place it should be %lld", file.c_str(), name,
                 static_cast<long long>(value), static_cast<long long>(expected));
}

/// Refuses a part under another name: it would be half a model without a word.
Status check_whole(const Contents & contents, const std::string & file) {
    const Key * key = contents.find_key("split.count");
    if (!key) return {};
    QL_ASSIGN(const int64_t count, get_int(*key, file));
    if (count <= 1) return {};
    return error(QL_BAD_FILE,
                 "%s: is one of %lld parts, which must be named NAME-00001-of-%05lld.gguf and so on; "
                 "rename them so and open the first",
                 file.c_str(), static_cast<long long>(count), static_cast<long long>(count));
}

Result<Contents> parse_part(const std::string & path, std::vector<os::MappedFile> * parts) {
    QL_ASSIGN(os::MappedFile map, os::MappedFile::open(path));
    QL_ASSIGN(Contents contents, parse(map.data(), map.size(), path));
    parts->push_back(std::move(map));
    return contents;
}

Status add_part(const ShardName & name, int part, File * file) {
    const std::string path = name.path(part);
    Result<Contents> parsed = parse_part(path, &file->parts);
    if (parsed.code() == QL_NOT_FOUND)
        return error(QL_NOT_FOUND, "%s: part %d of %d of the model is missing", path.c_str(), part, name.count);
    QL_TRY(parsed.status());
    Contents & contents = *parsed;
    QL_TRY(expect_int(contents, path, "split.count", name.count));
    QL_TRY(expect_int(contents, path, "split.no", part - 1));
    for (const auto & [tensor, i] : contents.tensor_index)  // the names stay valid: they point into the map
        if (!file->contents.tensor_index.emplace(tensor, file->contents.tensors.size() + i).second)
            return error(QL_BAD_FILE, "%s: tensor '%s' is in another part too", path.c_str(), excerpt(tensor).c_str());
    for (Tensor & tensor : contents.tensors) file->contents.tensors.push_back(std::move(tensor));
    return {};
}

}  // namespace

Result<File> open_file(const std::string & path) {
    const ShardName name = shard_name(path);
    if (name.part != 1)
        return error(QL_BAD_FILE, "%s: is part %d of %d; open the first, %s", path.c_str(), name.part, name.count,
                     name.path(1).c_str());
    File file;
    file.path = path;
    QL_ASSIGN(file.contents, parse_part(path, &file.parts));
    if (name.stem.empty()) {
        QL_TRY(check_whole(file.contents, path));
        return file;
    }
    QL_TRY(expect_int(file.contents, path, "split.count", name.count));
    QL_TRY(expect_int(file.contents, path, "split.no", 0));
    for (int part = 2; part <= name.count; part++) QL_TRY(add_part(name, part, &file));
    QL_TRY(expect_int(file.contents, path, "split.tensors.count", static_cast<int64_t>(file.contents.tensors.size())));
    return file;
}

}  // namespace ql::gguf
