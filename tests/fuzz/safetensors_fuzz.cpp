// safetensors: what a header describes lies within the file.
#include "fuzz/fuzz.hpp"
#include "models/files/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    using namespace ql::fuzz;
    const auto file = ql::SafeTensorsFile::open(write("model.safetensors", data, size));
    if (!file.ok()) {
        require(!file.message().empty(), "a failure without words");
        return 0;
    }
    volatile unsigned sum = 0;
    for (const ql::SafeTensor & tensor : file->tensors()) {
        require(file->find(tensor.name) == &tensor, "a tensor that is not found by its name");
        sum = sum + touch(tensor.data, tensor.bytes);
        (void)tensor.shape_text();
        if (const auto values = ql::read_f32(tensor); values.ok())
            require(static_cast<int64_t>(values->size()) == tensor.elements(), "values that are not the shape's");
    }
    return 0;
}
