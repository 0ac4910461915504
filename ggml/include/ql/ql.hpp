/* ql/ql.hpp - the C++ face of ql/ql.h: owning handles, errors as values, structs with their size, spans. The calls are
 * those of the C API, and what its headers say of them holds here. Header only, C++20; nothing here throws, except
 * std::bad_alloc from a std::string or std::vector.
 *
 *     ql::Status softmax(std::span<const float> values, std::span<float> result) {
 *         ql::DevicePtr device;                                     what is declared last is freed first
 *         ql::GraphPtr graph;
 *         QL_TRY(ql_device_open(nullptr, ql::out(device)));         leaves with the code and the message of a failure
 *         QL_TRY(ql_graph_create(ql::out(graph)));
 *         const int64_t n = std::ssize(values);
 *         ql_tensor * x = ql_input(graph.get(), "x", QL_F32, 1, &n);
 *         ql_tensor * y = ql_softmax(graph.get(), x);
 *         QL_ASSIGN(const ql::PlanPtr plan, ql::make_plan(graph, device, {&y, 1}));
 *         QL_TRY(ql::write_tensor(x, values));
 *         QL_TRY(ql_plan_run(plan.get()));
 *         return ql::read_output(plan, y, result);
 *     }
 *
 * Without the macros: if (const ql::Status s = ql_graph_create(ql::out(graph)); !s.ok()) print(s.message());
 *
 * Stability: none is promised from one version to the next; a program contains the headers that it was built with. */
#ifndef QL_QL_HPP
#define QL_QL_HPP

#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "ql/dtypes.hpp"
#include "ql/ql.h"
#include "ql/status.hpp"

namespace ql {

/// A deleter that calls a function of the C API.
template <auto Function>
struct FreeWith {
    template <typename T>
    void operator()(T * object) const {
        Function(object);
    }
};
template <typename T, auto Function>
using Handle = std::unique_ptr<T, FreeWith<Function>>;

using DevicePtr = Handle<ql_device, ql_device_close>;
using GraphPtr = Handle<ql_graph, ql_graph_free>;
using PlanPtr = Handle<ql_plan, ql_plan_free>;
using GgufPtr = Handle<ql_gguf, ql_gguf_close>;
using GgufWriterPtr = Handle<ql_gguf_writer, ql_gguf_writer_free>;
using FileMapPtr = Handle<ql_os_map, ql_os_unmap_file>;
using JournalPtr = Handle<ql_os_journal, ql_os_journal_close>;
using SpillPtr = Handle<ql_os_spill, ql_os_spill_close>;
using LockPtr = Handle<ql_os_lock, ql_os_unlock_file>;
using OpBenchPtr = Handle<ql_op_bench, ql_op_bench_free>;
/// Text or bytes that the library made for its caller.
using CharsPtr = Handle<char, ql_os_free>;

/// See out().
template <typename T, typename Free>
class Out {
  public:
    explicit Out(std::unique_ptr<T, Free> & to) : to_(to) {}
    Out(const Out &) = delete;
    Out & operator=(const Out &) = delete;
    ~Out() { to_.reset(made_); }
    operator T **() { return &made_; }

  private:
    std::unique_ptr<T, Free> & to_;
    T * made_ = nullptr;
};

/// The argument for an object that a call makes: `ql_graph_create(out(graph))`. The handle gets the object at the
/// end of the whole expression, or nothing if the call failed; what it held before is freed then.
template <typename T, typename Free>
Out<T, Free> out(std::unique_ptr<T, Free> & handle) {
    return Out<T, Free>(handle);
}

/// A struct for a call to fill in, its size set.
template <typename T>
T sized() {
    T filled{};
    filled.size = sizeof(T);
    return filled;
}

/// The function that sets a struct's defaults; nullptr: it has none.
template <typename T>
inline constexpr std::nullptr_t defaults_function = nullptr;
template <>
inline constexpr auto defaults_function<ql_device_options> = &ql_device_options_init;

/// Options as their _init function leaves them: `auto options = defaults<ql_device_options>()`.
template <typename T>
T defaults() {
    // Asked of the type: GCC's -fsanitize=undefined has no constant for whether a function's address is null.
    static_assert(!std::is_null_pointer_v<decltype(defaults_function<T>)>, "T is no struct with an _init function");
    T options;
    defaults_function<T>(&options);
    return options;
}

/// Elements that lie one after another in memory and can be copied as bytes: a vector, an array, a span.
template <typename R>
concept Elements = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                   std::is_trivially_copyable_v<std::ranges::range_value_t<R>>;

template <Elements R>
size_t size_in_bytes(const R & values) {
    return std::ranges::size(values) * sizeof(std::ranges::range_value_t<R>);
}

/// ql_tensor_write: elements of the tensor's type, to element `first` and those after it.
template <Elements R>
Status write_tensor(ql_tensor * tensor, const R & values, size_t first = 0) {
    const size_t offset = first * sizeof(std::ranges::range_value_t<R>);
    return ql_tensor_write(tensor, std::ranges::data(values), offset, size_in_bytes(values));
}

/// ql_tensor_read: as many elements as there is room for, from element `first` on.
template <Elements R>
Status read_tensor(const ql_tensor * tensor, R && values, size_t first = 0) {
    const size_t offset = first * sizeof(std::ranges::range_value_t<R>);
    return ql_tensor_read(tensor, std::ranges::data(values), offset, size_in_bytes(values));
}

/// ql_plan_read: as many elements as there is room for, from element `first` on.
template <Elements R>
Status read_output(const PlanPtr & plan, const ql_tensor * output, R && values, size_t first = 0) {
    const size_t offset = first * sizeof(std::ranges::range_value_t<R>);
    return ql_plan_read(plan.get(), output, std::ranges::data(values), offset, size_in_bytes(values));
}

/// ql_plan_create_with, over one device.
inline Result<PlanPtr> make_plan(const GraphPtr & graph, ql_device * device, std::span<ql_tensor * const> outputs,
                                 const ql_plan_options & options) {
    PlanPtr plan;
    QL_TRY(ql_plan_create_with(graph.get(), &device, 1, outputs.data(), static_cast<int>(outputs.size()), &options,
                               out(plan)));
    return plan;
}
/// ql_plan_create_over; `over` may be null: a plan with memory of its own.
inline Result<PlanPtr> make_plan(const GraphPtr & graph, ql_device * device, std::span<ql_tensor * const> outputs,
                                 const ql_plan * over = nullptr) {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.over = over;
    return make_plan(graph, device, outputs, options);
}
inline Result<PlanPtr> make_plan(const GraphPtr & graph, const DevicePtr & device,
                                 std::span<ql_tensor * const> outputs, const PlanPtr & over = nullptr) {
    return make_plan(graph, device.get(), outputs, over.get());
}

inline std::string_view view(const ql_gguf_string & text) {
    return {text.data, text.size};
}

inline Status set_string(const GgufWriterPtr & writer, const char * key, std::string_view value) {
    return ql_gguf_set_string(writer.get(), key, value.data(), value.size());
}

/// The bytes of a file, for as long as this object lives; one NUL follows them.
class FileBytes {
  public:
    FileBytes(CharsPtr data, size_t size) : data_(std::move(data)), size_(size) {}
    std::string_view view() const { return {data_.get(), size_}; }

  private:
    CharsPtr data_;
    size_t size_;
};

/// ql_os_read_file; limit: the most bytes that it may have, 0 for any number.
inline Result<FileBytes> read_file(const std::string & path, size_t limit) {
    CharsPtr data;
    size_t size = 0;
    QL_TRY(ql_os_read_file(path.c_str(), limit, out(data), &size));
    return FileBytes(std::move(data), size);
}

/// ql_os_write_file: whole, or not at all.
inline Status write_file(const std::string & path, std::string_view bytes) {
    return ql_os_write_file(path.c_str(), bytes.data(), bytes.size());
}

}  // namespace ql

#endif
