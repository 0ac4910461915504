// Safetensors files made by hand in tests, broken ones included: the header is given as text.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ql::test {

/// Header length (of the text, unless another is given), header, data.
inline std::string raw_safetensors(const std::string & header, const std::string & data, uint64_t length = UINT64_MAX) {
    if (length == UINT64_MAX) length = header.size();
    std::string file(sizeof length, '\0');
    std::memcpy(file.data(), &length, sizeof length);
    return file + header + data;
}

/// The data without what no tensor of a changed header has any more; a header that is broken otherwise keeps its data.
inline std::string close_holes(nlohmann::ordered_json & header, const std::string & data) {
    std::map<size_t, nlohmann::ordered_json *> places;  // by their beginning
    for (auto & [name, entry] : header.items())
        if (name != "__metadata__") places[entry["data_offsets"][0].get<size_t>()] = &entry["data_offsets"];
    size_t end = 0;
    for (const auto & [begin, offsets] : places) {
        const auto last = (*offsets)[1].get<size_t>();
        if (begin < end || last < begin || last > data.size()) return data;
        end = last;
    }
    std::string packed;
    for (const auto & [begin, offsets] : places) {
        const size_t at = packed.size();
        packed += data.substr(begin, (*offsets)[1].get<size_t>() - begin);
        *offsets = {at, packed.size()};
    }
    return packed;
}

template <typename T>
std::string bytes_of(const std::vector<T> & values) {
    return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
}

/// Composes a sound file.
class SafeTensorsMaker {
  public:
    void add(const std::string & name, const char * dtype, const std::vector<int64_t> & shape,
             const std::string & bytes) {
        header_[name] = {
            {"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
        data_ += bytes;
    }
    void add(const std::string & name, const std::vector<int64_t> & shape, const std::vector<float> & values) {
        add(name, "F32", shape, bytes_of(values));
    }
    /// `pad` moves the data to another alignment.
    std::string file(size_t pad = 0) const {
        std::string header = header_.dump();
        header.resize((header.size() + 7) / 8 * 8 + pad, ' ');
        return raw_safetensors(header, data_);
    }

  private:
    nlohmann::ordered_json header_ = nlohmann::ordered_json::object();
    std::string data_;
};

}  // namespace ql::test
