// The GGUF reader: any bytes are read or refused, and what is read lies within the bytes.
#include <cstdlib>
#include <string>

#include "ggml/gguf/reader.hpp"

namespace {

unsigned touch(const void * data, size_t size) {
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++) sum += static_cast<const unsigned char *>(data)[i];
    return sum;
}

void check(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    const std::string file = "fuzz";
    const auto result = ql::gguf::parse(data, size, file);
    if (!result.ok()) {
        check(!result.message().empty());
        return 0;
    }
    volatile unsigned sum = 0;
    for (const ql::gguf::Key & key : result->keys) {
        check(result->find_key(key.name) == &key);
        sum = sum + touch(key.raw.data(), key.raw.size());
        for (size_t i = 0; i < key.strings.size(); i++) {
            const std::string_view text = ql::gguf::array_string(key, static_cast<int64_t>(i));
            sum = sum + touch(text.data(), text.size());
        }
        (void)ql::gguf::get_int(key, file).ok();
        (void)ql::gguf::get_float(key, file).ok();
        (void)ql::gguf::get_string(key, file).ok();
    }
    for (const ql::gguf::Tensor & tensor : result->tensors) {
        check(result->find_tensor(tensor.name) == &tensor);
        sum = sum + touch(tensor.data, tensor.size);
    }
    return 0;
}
