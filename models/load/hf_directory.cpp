#include "models/load/hf_directory.hpp"

#include <filesystem>
#include <map>
#include <set>

#include "models/files/file_fault.hpp"

namespace ql {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string & path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

/// The files of a sharded model with the tensors that its index says are in each.
using Shards = std::map<std::string, std::set<std::string>>;

Result<Shards> read_index(const std::string & path) {
    QL_ASSIGN(const JsonFile index, JsonFile::open(path));
    if (!index.has_object("weight_map")) return index.wrong("weight_map", "must be an object");
    Shards shards;
    for (const auto & [tensor, file] : index.at("weight_map").items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos ||
            name.front() == '.')
            return error(QL_BAD_FILE, "%s: the file of tensor '%.80s' is not the name of a file in the same directory",
                         path.c_str(), tensor.c_str());
        shards[name].insert(tensor);
    }
    if (shards.empty()) return error(QL_BAD_FILE, "%s: lists no tensors", path.c_str());
    return shards;
}

Result<std::vector<SafeTensorsFile>> open_weights(const std::string & directory) {
    std::vector<SafeTensorsFile> files;
    const std::string single = directory + "/model.safetensors", index = single + ".index.json";
    if (exists(single)) {
        QL_ASSIGN(SafeTensorsFile file, SafeTensorsFile::open(single));
        files.push_back(std::move(file));
        return files;
    }
    if (!exists(index))
        return error(QL_NOT_FOUND, "%s: neither model.safetensors nor model.safetensors.index.json is there",
                     directory.c_str());
    QL_ASSIGN(const Shards shards, read_index(index));
    for (const auto & [name, tensors] : shards) {
        QL_ASSIGN(SafeTensorsFile file, SafeTensorsFile::open(directory + "/" + name));
        for (const std::string & tensor : tensors)
            if (!file.find(tensor))
                return error(QL_BAD_FILE, "%s: tensor '%.80s' is missing, the index says it is here",
                             file.path().c_str(), tensor.c_str());
        files.push_back(std::move(file));
    }
    return files;
}

/// Files in which older packers wrote what is quantization_config in config.json today.
constexpr struct {
    const char * name;
    const char * method;
} kOlderConfigs[] = {{"/quantize_config.json", "gptq"}, {"/quant_config.json", "awq"}};

Status read_older_config(const std::string & directory, HfConfig & config) {
    if (config.bitsandbytes || config.integers.by != PackedIntegers::By::nobody) return {};
    for (const auto & older : kOlderConfigs) {
        const std::string path = directory + older.name;
        if (!exists(path)) continue;
        QL_ASSIGN(const JsonFile file, JsonFile::open(path));
        auto integers = read_packed_integers(file, older.method);
        QL_TRY(file_fault(path, integers.status()));
        config.integers = *integers;
        return {};
    }
    return {};
}

std::string name_of(const std::string & directory) {
    std::error_code ignored;
    fs::path path = fs::absolute(directory, ignored).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
}

}  // namespace

Result<HfDirectory> HfDirectory::open(const std::string & path) {
    HfDirectory directory;
    QL_ASSIGN(const JsonFile config, JsonFile::open(path + "/config.json"));
    auto model = read_hf_config(config);
    QL_TRY(file_fault(path + "/config.json", model.status()));
    directory.model = std::move(model).value();
    QL_TRY(read_older_config(path, directory.model.config));
    directory.name = name_of(path);
    QL_ASSIGN(directory.files, open_weights(path));
    return directory;
}

bool has_hf_tokenizer(const std::string & directory) {
    return exists(directory + "/tokenizer.json") || exists(directory + "/tokenizer.model");
}

}  // namespace ql
