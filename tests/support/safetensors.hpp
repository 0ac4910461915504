// Reads golden files in tests: the whole file in memory, tensors as vectors. A test that asks for what is not there
// should stop with a message, so this reader throws (GoogleTest reports it); the library's own does not.
#pragma once
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace ql::test {

class SafeTensors {
  public:
    static SafeTensors open(const std::string & path) {
        std::ifstream in(path, std::ios::binary);
        if (!in) throw std::runtime_error(path + ": cannot be opened");
        SafeTensors st;
        st.path_ = path;
        st.bytes_.assign(std::istreambuf_iterator<char>(in), {});
        uint64_t size = 0;
        if (st.bytes_.size() < sizeof size) throw std::runtime_error(path + ": too short");
        std::memcpy(&size, st.bytes_.data(), sizeof size);
        if (size > st.bytes_.size() - sizeof size) throw std::runtime_error(path + ": header past the end");
        st.data_ = sizeof size + size;
        st.header_ =
            nlohmann::json::parse(st.bytes_.begin() + sizeof size, st.bytes_.begin() + static_cast<long>(st.data_));
        return st;
    }

    bool has(const std::string & name) const { return name != "__metadata__" && header_.contains(name); }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (const auto & [name, value] : header_.items()) {
            if (name != "__metadata__") all.push_back(name);
        }
        return all;
    }
    /// As in the file, outermost dimension first.
    std::vector<int64_t> shape(const std::string & name) const { return entry(name).at("shape"); }
    std::string dtype(const std::string & name) const { return entry(name).at("dtype"); }
    /// A value of the file's metadata; throws where there is none.
    std::string metadata(const std::string & key) const { return header_.at("__metadata__").at(key); }

    std::vector<float> f32(const std::string & name) const { return values<float>(name, "F32"); }
    std::vector<uint8_t> u8(const std::string & name) const { return values<uint8_t>(name, "U8"); }
    std::vector<int32_t> i32(const std::string & name) const { return values<int32_t>(name, "I32"); }
    std::vector<int64_t> i64(const std::string & name) const { return values<int64_t>(name, "I64"); }

  private:
    const nlohmann::json & entry(const std::string & name) const {
        if (!has(name)) throw std::runtime_error(path_ + ": no tensor '" + name + "'");
        return header_.at(name);
    }

    template <typename T>
    std::vector<T> values(const std::string & name, const char * dtype) const {
        const nlohmann::json & e = entry(name);
        if (e.at("dtype") != dtype) throw std::runtime_error(path_ + ": '" + name + "' is not " + dtype);
        const uint64_t begin = e.at("data_offsets").at(0), end = e.at("data_offsets").at(1);
        uint64_t count = 1;
        for (const uint64_t dim : e.at("shape")) count *= dim;
        if (begin > end || end > bytes_.size() - data_ || end - begin != count * sizeof(T)) {
            throw std::runtime_error(path_ + ": '" + name + "' has a wrong range");
        }
        std::vector<T> out(count);
        if (count > 0) std::memcpy(out.data(), bytes_.data() + data_ + begin, count * sizeof(T));
        return out;
    }

    std::string path_;
    std::vector<char> bytes_;
    size_t data_ = 0;
    nlohmann::json header_;
};

}  // namespace ql::test
