// What the operators' rows are written with: a launch is one dispatch of a shader, or several, with a block of addresses and
// numbers as the shader declares it (layout(push_constant, scalar)); addresses stand first.
#pragma once
#include <initializer_list>

#include "backends/vulkan/device.hpp"

namespace ql::vulkan {

using Address = VkDeviceAddress;

/// Shaders count elements and bytes in 32 bits with a sign.
Status expect_small(const Node & n);

/// Where a tensor is, for shaders; 0 where it is absent.
inline Address at(const Launch & l, const void * data) {
    return device_of(l).recorder().address(data);
}
inline Address source(const Launch & l, int i) {
    return l.has(i) ? at(l, l.src[i]) : 0;
}
inline Address result(const Launch & l, int i) {
    return at(l, l.out[i]);
}

inline int32_t number(int64_t n) {
    return static_cast<int32_t>(n);
}
inline int32_t elements(const Operand & t) {
    return number(t.shape.elements());
}

/// One group for each `each` of n, in as many rows of groups as every device can count.
Groups groups_for(int64_t n, int64_t each);

template <typename Push>
Status dispatch(const Launch & l, const Shader & shader, const Push & push, Groups groups,
                std::initializer_list<uint32_t> constants = {}) {
    static_assert(sizeof(Push) <= kMostPushed);
    return device_of(l).recorder().dispatch(shader, {constants.begin(), constants.size()}, &push, sizeof(push), groups);
}

/// A shader of single elements: shaders/elements.glsl.
template <typename Push>
Status each_element(const Launch & l, const Shader & shader, const Push & push, int64_t n,
                    std::initializer_list<uint32_t> constants = {}) {
    return n == 0 ? Status() : dispatch(l, shader, push, groups_for(n, 1024), constants);
}
/// A shader of rows, of which a group of 64 takes one: shaders/rows.glsl.
template <typename Push>
Status each_row(const Launch & l, const Shader & shader, const Push & push, int64_t n_rows,
                std::initializer_list<uint32_t> constants = {}) {
    return n_rows == 0 ? Status() : dispatch(l, shader, push, groups_for(n_rows, 1), constants);
}

/// Shaders read f32, f16 and bf16: a constant of theirs says which.
inline uint32_t numbers_of(ql_dtype dtype) {
    return dtype == QL_F32 ? 0 : dtype == QL_F16 ? 1 : 2;
}
inline uint32_t numbers_of(const Operand & t) {
    return numbers_of(t.dtype);
}

inline Status anything(const Node &) {
    return {};
}
template <Status (*launch)(const Launch &), Status (*takes)(const Node &)>
Status accepts(const Node & n, const DeviceImpl & device) {
    QL_TRY(expect_small(n));
    QL_TRY(takes(n));
    return vulkan_of(device).rehearse(launch, n);
}
/// A row: its launch, which is rehearsed before a node is accepted, what it takes beside that, and its scratch.
template <Status (*launch)(const Launch &), Status (*takes)(const Node &) = anything>
constexpr Kernel row(size_t (*scratch)(const Node &, const DeviceImpl &) = nullptr,
                     bool (*reads_bf16)(const Node &, size_t) = nullptr,
                     bool (*writes_bf16)(const Node &, size_t) = nullptr) {
    return {.launch = launch,
            .scratch = scratch,
            .accepts = accepts<launch, takes>,
            .reads_bf16 = reads_bf16,
            .writes_bf16 = writes_bf16};
}
/// Of tensors that a kernel takes in bf16, too.
inline bool takes_bf16(const Node &, size_t) {
    return true;
}

}  // namespace ql::vulkan
