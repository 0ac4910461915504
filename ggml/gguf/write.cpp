// Laying the file out and writing it, front to back.
#include <algorithm>

#include "ggml/dtypes/dtype.hpp"
#include "ggml/gguf/encode.hpp"
#include "ggml/gguf/writer.hpp"

namespace ql::gguf {
namespace {

// Large enough that a system call costs nothing beside its bytes, small beside any model.
constexpr size_t kPieceBytes = 1 << 20;

uint64_t padded(uint64_t n, uint32_t alignment) {
    uint64_t result;
    (void)pad(n, alignment, &result);  // sizes are bounded in add_tensor
    return result;
}

/// What a producer's refusal means: a ql_status is passed on, with the message that it left; anything else is a
/// cancellation.
Status producing_failed(const std::string & name, int result) {
    const Code code = result > QL_OK && result <= QL_INTERNAL ? static_cast<Code>(result) : QL_CANCELLED;
    const std::string message = ql_error_message();
    if (!message.empty()) return error(code, "tensor '%s': %s", name.c_str(), message.c_str());
    return error(code, "tensor '%s': its data could not be produced (%d)", name.c_str(), result);
}

}  // namespace

uint32_t Writer::alignment() const {
    const auto planar = [](const Source & tensor) { return is_planar(tensor.dtype); };
    return std::any_of(tensors_.begin(), tensors_.end(), planar) ? kPlanarAlignment : kDefaultAlignment;
}

/// Everything before the data, padded.
std::string Writer::head() const {
    const uint32_t align = alignment();
    const bool write_alignment = align != kDefaultAlignment;
    std::string bytes(kMagic, sizeof kMagic);
    put(&bytes, kVersion);
    put(&bytes, static_cast<int64_t>(tensors_.size()));
    put(&bytes, static_cast<int64_t>(values_.size() + write_alignment));
    for (const Value & value : values_) {
        put_string(&bytes, value.key);
        bytes += value.bytes;
    }
    if (write_alignment) {
        put_string(&bytes, kAlignmentKey);
        bytes += encode_value(QL_GGUF_U32, align);
    }
    uint64_t offset = 0;
    for (const Source & tensor : tensors_) {
        put_string(&bytes, tensor.name);
        put(&bytes, static_cast<uint32_t>(tensor.n_dims));
        for (int i = 0; i < tensor.n_dims; i++) put(&bytes, tensor.ne[i]);
        put(&bytes, static_cast<int32_t>(tensor.dtype));
        put(&bytes, offset);
        offset += padded(tensor.size, align);
    }
    bytes.resize(padded(bytes.size(), align), '\0');
    return bytes;
}

uint64_t Writer::size() const {
    uint64_t size = head().size();
    for (const Source & tensor : tensors_) size += padded(tensor.size, alignment());
    return size;
}

Status Writer::write_produced(os::SafeFile & file, const Source & tensor, std::string & buffer) const {
    buffer.resize(std::max(buffer.size(), static_cast<size_t>(std::min<uint64_t>(kPieceBytes, tensor.size))));
    for (uint64_t at = 0; at < tensor.size;) {
        const auto size = static_cast<size_t>(std::min<uint64_t>(kPieceBytes, tensor.size - at));
        (void)ql_set_error(QL_OK, "");  // a message found afterwards is of the call below
        const int result = tensor.produce(tensor.user, static_cast<size_t>(at), buffer.data(), size);
        if (result != 0) return producing_failed(tensor.name, result);
        QL_TRY(file.append(buffer.data(), size));
        at += size;
    }
    return {};
}

Status Writer::write(const std::string & path) const {
    const std::string start = head();
    const uint32_t align = alignment();
    uint64_t total = start.size();
    for (const Source & tensor : tensors_) total += padded(tensor.size, align);

    QL_ASSIGN(os::SafeFile file, os::SafeFile::create(path, total));
    QL_TRY(file.append(start.data(), start.size()));
    const std::string zeros(align, '\0');
    std::string buffer;
    for (const Source & tensor : tensors_) {
        if (tensor.data)
            QL_TRY(file.append(tensor.data, tensor.size));
        else
            QL_TRY(write_produced(file, tensor, buffer));
        QL_TRY(file.append(zeros.data(), padded(tensor.size, align) - tensor.size));
    }
    if (file.size() != total) return error(QL_INTERNAL, "%s: the layout of the file went wrong", path.c_str());
    return file.commit();
}

}  // namespace ql::gguf
