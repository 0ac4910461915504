#include "models/files/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "models/json/parse_json.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and used in place");

constexpr uint64_t kMaxHeader = 100'000'000;  // the format's own limit

struct SafeType {
    const char * name;
    size_t bytes;
    ql_dtype dtype;
    bool is_weight;
};

constexpr SafeType kTypes[] = {
    {"F32", 4, QL_F32, true},  {"F16", 2, QL_F16, true},     {"BF16", 2, QL_BF16, true},   {"F64", 8, QL_F32, false},
    {"I64", 8, QL_I32, false}, {"U64", 8, QL_I32, false},    {"I32", 4, QL_I32, false},    {"U32", 4, QL_I32, false},
    {"I16", 2, QL_I32, false}, {"U16", 2, QL_I32, false},    {"I8", 1, QL_I8, false},      {"U8", 1, QL_I8, false},
    {"BOOL", 1, QL_I8, false}, {"F8_E4M3", 1, QL_I8, false}, {"F8_E5M2", 1, QL_I8, false},
};

const SafeType * find_type(const std::string & name) {
    const auto it =
        std::find_if(std::begin(kTypes), std::end(kTypes), [&](const SafeType & t) { return name == t.name; });
    return it == std::end(kTypes) ? nullptr : it;
}

/// A count of JSON in [0, 2^63); false for anything else.
bool take_count(const Json & value, uint64_t & count) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX) return false;
    count = value.get<uint64_t>();
    return true;
}

Result<Json> parse_header(const std::string & path, std::string_view text) {
    auto header = parse_json(text, 1, {.bytes = kMaxHeader});
    if (!header.ok()) return error(QL_BAD_FILE, "%s: the header: %s", path.c_str(), header.message().c_str());
    if (!header->is_object()) return error(QL_BAD_FILE, "%s: the header is no JSON object", path.c_str());
    return header;
}

/// Reads one entry of the header; `data` has `data_size` bytes.
Status read_entry(const Json & entry, const uint8_t * data, uint64_t data_size, SafeTensor & tensor) {
    const auto wrong = [&](const char * what) {
        return error(QL_BAD_FILE, "tensor '%.80s': %s", tensor.name.c_str(), what);
    };
    if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
        return wrong("dtype, shape or data_offsets is missing");
    const Json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
    if (!dtype.is_string() || !shape.is_array()) return wrong("dtype is no string, or shape no list");
    tensor.dtype = dtype.get<std::string>();
    const SafeType * type = find_type(tensor.dtype);
    if (!type)
        return error(QL_UNSUPPORTED, "tensor '%.80s': type '%.20s' is unknown", tensor.name.c_str(),
                     tensor.dtype.c_str());

    uint64_t bytes = type->bytes;
    for (const Json & dim : shape) {
        uint64_t n = 0;
        if (!take_count(dim, n)) return wrong("a dimension is no count");
        if (__builtin_mul_overflow(bytes, n, &bytes) || bytes > INT64_MAX)
            return wrong("the shape is larger than any file");
        tensor.shape.push_back(static_cast<int64_t>(n));
    }
    uint64_t begin = 0, end = 0;
    if (!offsets.is_array() || offsets.size() != 2 || !take_count(offsets[0], begin) || !take_count(offsets[1], end))
        return wrong("data_offsets are not two counts");
    if (begin > end || end > data_size)
        return error(QL_BAD_FILE,
                     "tensor '%.80s': data_offsets [%llu, %llu] are out of range, there are %llu bytes of data",
                     tensor.name.c_str(), static_cast<unsigned long long>(begin), static_cast<unsigned long long>(end),
                     static_cast<unsigned long long>(data_size));
    if (end - begin != bytes)
        return error(QL_BAD_FILE, "tensor '%.80s': %s %s needs %llu bytes, data_offsets give %llu", tensor.name.c_str(),
                     tensor.dtype.c_str(), tensor.shape_text().c_str(), static_cast<unsigned long long>(bytes),
                     static_cast<unsigned long long>(end - begin));
    tensor.data = data + begin;
    tensor.bytes = bytes;
    return {};
}

std::map<std::string, std::string> texts_of(const Json & metadata) {
    std::map<std::string, std::string> texts;
    if (metadata.is_object())
        for (const auto & [key, value] : metadata.items())
            if (value.is_string()) texts[key] = value.get<std::string>();
    return texts;
}

/// Sorts by place in the file. Tensors cover all data, and no byte twice: the format's library refuses every other file.
Status check_coverage(const uint8_t * data, uint64_t data_size, std::vector<SafeTensor> & tensors) {
    const auto at = [](const SafeTensor & t) { return static_cast<const uint8_t *>(t.data); };
    std::stable_sort(tensors.begin(), tensors.end(), [&](const SafeTensor & a, const SafeTensor & b) {
        return at(a) != at(b) ? at(a) < at(b) : a.bytes < b.bytes;
    });
    const auto nobodys = [](uint64_t bytes, const std::string & where) {
        return error(QL_BAD_FILE, "%llu bytes %s belong to no tensor", static_cast<unsigned long long>(bytes),
                     where.c_str());
    };
    const uint8_t * end = data;
    for (size_t i = 0; i < tensors.size(); ++i) {
        if (at(tensors[i]) < end)
            return error(QL_BAD_FILE, "tensors '%.80s' and '%.80s' overlap", tensors[i - 1].name.c_str(),
                         tensors[i].name.c_str());
        if (at(tensors[i]) > end)
            return nobodys(static_cast<uint64_t>(at(tensors[i]) - end),
                           "in front of '" + tensors[i].name.substr(0, 80) + "'");
        end = at(tensors[i]) + tensors[i].bytes;
    }
    const uint64_t left = data_size - static_cast<uint64_t>(end - data);
    return left == 0 ? Status() : nobodys(left, "at the end of the file");
}

}  // namespace

int64_t SafeTensor::elements() const {
    int64_t n = 1;
    for (const int64_t dim : shape) n *= dim;
    return n;
}

std::string SafeTensor::shape_text() const {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + "]";
}

Result<ql_dtype> SafeTensor::weight_dtype() const {
    const SafeType * type = find_type(dtype);
    if (type && type->is_weight) return type->dtype;
    return error(QL_UNSUPPORTED, "tensor '%.80s' is %s; weights must be F32, F16 or BF16", name.c_str(), dtype.c_str());
}

Result<SafeTensorsFile> SafeTensorsFile::open(const std::string & path) {
    SafeTensorsFile file;
    file.path_ = path;
    const void * bytes = nullptr;
    size_t size = 0;
    QL_TRY(ql_os_map_file(path.c_str(), out(file.map_), &bytes, &size));

    uint64_t header_size = 0;
    if (size < sizeof header_size)
        return error(QL_BAD_FILE, "%s: too short for a safetensors file, %zu bytes", path.c_str(), size);
    std::memcpy(&header_size, bytes, sizeof header_size);
    if (header_size > size - sizeof header_size || header_size > kMaxHeader)
        return error(QL_BAD_FILE, "%s: a header of %llu bytes in a file of %zu; is it a whole safetensors file?",
                     path.c_str(), static_cast<unsigned long long>(header_size), size);
    const auto * text = static_cast<const char *>(bytes) + sizeof header_size;
    QL_ASSIGN(const Json header, parse_header(path, {text, header_size}));

    const auto * data = reinterpret_cast<const uint8_t *>(text) + header_size;
    const uint64_t data_size = size - sizeof header_size - header_size;
    for (const auto & [name, entry] : header.items()) {
        if (name == "__metadata__") {
            file.metadata_ = texts_of(entry);
            continue;
        }
        SafeTensor tensor;
        tensor.name = name;
        if (Status s = read_entry(entry, data, data_size, tensor); !s.ok())
            return error(s.code(), "%s: %s", path.c_str(), s.message().c_str());
        file.tensors_.push_back(std::move(tensor));
    }
    if (Status s = check_coverage(data, data_size, file.tensors_); !s.ok())
        return error(s.code(), "%s: %s", path.c_str(), s.message().c_str());
    for (size_t i = 0; i < file.tensors_.size(); ++i) file.by_name_[file.tensors_[i].name] = i;
    return file;
}

const SafeTensor * SafeTensorsFile::find(const std::string & name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

Result<std::vector<float>> read_f32(const SafeTensor & tensor) {
    QL_ASSIGN(const ql_dtype dtype, tensor.weight_dtype());
    const int64_t n = tensor.elements();
    std::vector<float> values(static_cast<size_t>(n));
    if (n == 0) return values;
    const std::vector<uint8_t> aligned(static_cast<const uint8_t *>(tensor.data),
                                       static_cast<const uint8_t *>(tensor.data) + tensor.bytes);
    if (const ql_status status = ql_decode(dtype, aligned.data(), n, 0, n, values.data()); status != QL_OK)
        return error(status, "tensor '%.80s': %s", tensor.name.c_str(), ql_error_message());
    return values;
}

Status write_safetensors(const std::string & path, const std::vector<F32Tensor> & tensors,
                         const std::map<std::string, std::string> & metadata) {
    Json header = {{"__metadata__", {{"format", "pt"}}}};
    for (const auto & [key, text] : metadata) header["__metadata__"][key] = text;
    uint64_t size = 0;
    for (const F32Tensor & t : tensors) {
        uint64_t bytes = sizeof(float);
        for (const int64_t dim : t.shape) bytes *= static_cast<uint64_t>(dim);
        header[t.name] = {{"dtype", "F32"}, {"shape", t.shape}, {"data_offsets", {size, size + bytes}}};
        size += bytes;
    }
    std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned when the file is mapped
    const uint64_t header_size = text.size();

    std::string out;
    out.reserve(sizeof header_size + header_size + size);
    out.append(reinterpret_cast<const char *>(&header_size), sizeof header_size).append(text);
    for (const F32Tensor & t : tensors) {
        size_t n = sizeof(float);
        for (const int64_t dim : t.shape) n *= static_cast<size_t>(dim);
        out.append(reinterpret_cast<const char *>(t.data), n);
    }
    return write_file(path, out);
}

}  // namespace ql
