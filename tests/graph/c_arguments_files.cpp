// Wrong calls of ql/dtype.h, ql/gguf.h and ql/os.h.
#include "graph/engine_arguments.hpp"

#include <climits>
#include <cmath>

#include "ql/dither.h"

namespace ql::test {

std::vector<BadCall> EngineArguments::dtype_calls() {
    static ql_dtype dtype;
    static float values[64];
    static uint8_t bytes[256];
    return {
        {"ql_dtype_at", "-1", [] { return ql_dtype_at(-1, &dtype); }},
        {"ql_dtype_at", "past the end", [] { return ql_dtype_at(ql_dtype_count(), &dtype); }},
        {"ql_dtype_at", "NULL", [] { return ql_dtype_at(0, nullptr); }},
        {"ql_dtype_from_name", "NULL", [] { return ql_dtype_from_name(nullptr, &dtype); }},
        {"ql_dtype_from_name", "an unknown name", [] { return ql_dtype_from_name("q77_0", &dtype); }},
        {"ql_merge_rows", "NULL w", [] { return ql_merge_rows(nullptr, 1, values, values, 1, 1, 1); }},
        {"ql_merge_rows", "NULL a", [] { return ql_merge_rows(values, 1, nullptr, values, 1, 1, 1); }},
        {"ql_merge_rows", "NULL b", [] { return ql_merge_rows(values, 1, values, nullptr, 1, 1, 1); }},
        {"ql_merge_rows", "-1 rows", [] { return ql_merge_rows(values, -1, values, values, 1, 1, 1); }},
        {"ql_merge_rows", "k -1", [] { return ql_merge_rows(values, 1, values, values, -1, 1, 1); }},
        {"ql_merge_rows", "r -1", [] { return ql_merge_rows(values, 1, values, values, 1, -1, 1); }},
        {"ql_encode", "type 77", [] { return ql_encode(wrong<ql_dtype>(77), values, 32, bytes); }},
        {"ql_encode", "n -32", [] { return ql_encode(QL_Q8_0, values, -32, bytes); }},
        {"ql_encode", "n 33", [] { return ql_encode(QL_Q8_0, values, 33, bytes); }},
        {"ql_encode", "n 2^62", [] { return ql_encode(QL_F32, values, int64_t{1} << 62, bytes); }},
        {"ql_encode", "NULL source", [] { return ql_encode(QL_Q8_0, nullptr, 32, bytes); }},
        {"ql_encode", "NULL target", [] { return ql_encode(QL_Q8_0, values, 32, nullptr); }},
        {"ql_encode", "a type that is only read", [] { return ql_encode(QL_Q5_1, values, 0, bytes); }},
        {"ql_encode_dithered", "type 77",
         [] { return ql_encode_dithered(wrong<ql_dtype>(77), values, 64, 1, 0, bytes); }},
        {"ql_encode_dithered", "a type without dither",
         [] { return ql_encode_dithered(QL_Q8_0, values, 64, 1, 0, bytes); }},
        {"ql_encode_dithered", "n 33", [] { return ql_encode_dithered(QL_NF4, values, 33, 1, 0, bytes); }},
        {"ql_encode_dithered", "first -1", [] { return ql_encode_dithered(QL_NF4, values, 64, 1, -1, bytes); }},
        {"ql_encode_dithered", "NULL source", [] { return ql_encode_dithered(QL_NF4, nullptr, 64, 1, 0, bytes); }},
        {"ql_encode_dithered", "NULL target", [] { return ql_encode_dithered(QL_NF4, values, 64, 1, 0, nullptr); }},
        {"ql_encode_search", "type 77", [] { return ql_encode_search(wrong<ql_dtype>(77), values, 64, bytes); }},
        {"ql_encode_search", "a type without search", [] { return ql_encode_search(QL_F32, values, 64, bytes); }},
        {"ql_encode_search", "n 33", [] { return ql_encode_search(QL_NF4, values, 33, bytes); }},
        {"ql_encode_search", "NULL source", [] { return ql_encode_search(QL_NF4, nullptr, 64, bytes); }},
        {"ql_encode_search", "NULL target", [] { return ql_encode_search(QL_NF4, values, 64, nullptr); }},
        {"ql_encode_search_weighted", "NULL target",
         [] { return ql_encode_search_weighted(QL_NF4, values, 64, values, 64, nullptr); }},
        {"ql_encode_search_weighted", "row 0",
         [] { return ql_encode_search_weighted(QL_NF4, values, 64, values, 0, bytes); }},
        {"ql_encode_search_weighted", "row 33",
         [] { return ql_encode_search_weighted(QL_NF4, values, 64, values, 33, bytes); }},
        {"ql_self_test_weights", "NULL", [] { return ql_self_test_weights(QL_IQ2_S, 1, 256, 1, nullptr); }},
        {"ql_self_test_weights", "type 77", [] { return ql_self_test_weights(wrong<ql_dtype>(77), 1, 256, 1, bytes); }},
        {"ql_self_test_weights", "a type that is written",
         [] { return ql_self_test_weights(QL_Q8_0, 1, 32, 1, bytes); }},
        {"ql_self_test_weights", "n 100", [] { return ql_self_test_weights(QL_IQ2_S, 1, 100, 1, bytes); }},
        {"ql_decode", "type -1", [] { return ql_decode(wrong<ql_dtype>(-1), bytes, 32, 0, 32, values); }},
        {"ql_decode", "first past the end", [] { return ql_decode(QL_Q8_0, bytes, 32, INT64_MAX - 31, 32, values); }},
        {"ql_decode", "count too many", [] { return ql_decode(QL_Q8_0, bytes, 32, 0, 64, values); }},
        {"ql_decode", "NULL", [] { return ql_decode(QL_Q8_0, nullptr, 32, 0, 32, values); }},
    };
}

std::vector<BadCall> EngineArguments::gguf_calls() {
    static ql_gguf * file = nullptr;
    static ql_gguf_type type;
    static ql_gguf_string text;
    static ql_gguf_array array;
    static double number;
    static int flag;
    const auto produce = [](void *, size_t, void *, size_t) { return 0; };
    const auto add = [this](const char * name, ql_dtype dtype, int n_dims, const int64_t * ne, const void * data) {
        return [=, this] { return ql_gguf_add_tensor(writer_, name, dtype, n_dims, ne, data); };
    };
    static const int64_t huge[] = {INT64_MAX, INT64_MAX}, negative[] = {-1, 2};
    return {
        {"ql_gguf_open", "NULL path", [] { return ql_gguf_open(nullptr, &file); }},
        {"ql_gguf_open", "NULL file", [] { return ql_gguf_open("f", nullptr); }},
        {"ql_gguf_open", "no file", [this] { return ql_gguf_open(folder_.path("absent").c_str(), &file); }},
        {"ql_gguf_key_type", "NULL file", [] { return ql_gguf_key_type(nullptr, "n", &type); }},
        {"ql_gguf_key_type", "NULL key", [this] { return ql_gguf_key_type(file_, nullptr, &type); }},
        {"ql_gguf_get_int", "NULL value", [this] { return ql_gguf_get_int(file_, "n", nullptr); }},
        {"ql_gguf_get_float", "another type", [this] { return ql_gguf_get_float(file_, "n", &number); }},
        {"ql_gguf_get_bool", "another type", [this] { return ql_gguf_get_bool(file_, "n", &flag); }},
        {"ql_gguf_get_string", "NULL file", [] { return ql_gguf_get_string(nullptr, "n", &text); }},
        {"ql_gguf_get_array", "another type", [this] { return ql_gguf_get_array(file_, "n", &array); }},
        {"ql_gguf_array_string", "another type", [this] { return ql_gguf_array_string(file_, "n", -1, &text); }},
        {"ql_gguf_tensor_at", "-1", [this] { return ql_gguf_tensor_at(file_, -1, &tensor_); }},
        {"ql_gguf_tensor_at", "past the end", [this] { return ql_gguf_tensor_at(file_, INT64_MAX, &tensor_); }},
        {"ql_gguf_find_tensor", "NULL name", [this] { return ql_gguf_find_tensor(file_, nullptr, &tensor_); }},
        {"ql_gguf_writer_create", "NULL", [] { return ql_gguf_writer_create(nullptr); }},
        {"ql_gguf_set_int", "NULL writer", [] { return ql_gguf_set_int(nullptr, "a", QL_GGUF_U8, 1); }},
        {"ql_gguf_set_int", "300 as a byte", [this] { return ql_gguf_set_int(writer_, "a", QL_GGUF_U8, 300); }},
        {"ql_gguf_set_int", "type 77", [this] { return ql_gguf_set_int(writer_, "a", wrong<ql_gguf_type>(77), 1); }},
        {"ql_gguf_set_f32", "NULL key", [this] { return ql_gguf_set_f32(writer_, nullptr, 1); }},
        {"ql_gguf_set_f64", "NULL key", [this] { return ql_gguf_set_f64(writer_, nullptr, 1); }},
        {"ql_gguf_set_bool", "NULL writer", [] { return ql_gguf_set_bool(nullptr, "a", 1); }},
        {"ql_gguf_set_string", "NULL data", [this] { return ql_gguf_set_string(writer_, "a", nullptr, 3); }},
        {"ql_gguf_set_array", "type 77",
         [this] { return ql_gguf_set_array(writer_, "a", wrong<ql_gguf_type>(77), "abc", 3); }},
        {"ql_gguf_set_array", "n -1", [this] { return ql_gguf_set_array(writer_, "a", QL_GGUF_U8, "abc", -1); }},
        {"ql_gguf_set_array", "n 2^62",
         [this] { return ql_gguf_set_array(writer_, "a", QL_GGUF_U64, "abc", int64_t{1} << 62); }},
        {"ql_gguf_set_strings", "n -1", [this] { return ql_gguf_set_strings(writer_, "a", &text, -1); }},
        {"ql_gguf_set_strings", "NULL data", [this] { return ql_gguf_set_strings(writer_, "a", nullptr, 1); }},
        {"ql_gguf_unset", "NULL writer", [] { return ql_gguf_unset(nullptr, "a"); }},
        {"ql_gguf_copy_keys", "NULL file", [this] { return ql_gguf_copy_keys(writer_, nullptr); }},
        {"ql_gguf_add_tensor", "NULL name", add(nullptr, QL_F32, 2, kShape, kShape)},
        {"ql_gguf_add_tensor", "type 77", add("t", wrong<ql_dtype>(77), 2, kShape, kShape)},
        {"ql_gguf_add_tensor", "5 dimensions", add("t", QL_F32, 5, kShape, kShape)},
        {"ql_gguf_add_tensor", "NULL data", add("t", QL_F32, 2, kShape, nullptr)},
        {"ql_gguf_add_tensor", "huge sizes", add("t", QL_F32, 2, huge, kShape)},
        {"ql_gguf_add_tensor", "negative sizes", add("t", QL_F32, 2, negative, kShape)},
        {"ql_gguf_add_produced", "NULL function",
         [this] { return ql_gguf_add_produced(writer_, "t", QL_F32, 2, kShape, nullptr, nullptr); }},
        {"ql_gguf_add_produced", "0 dimensions",
         [this, produce] { return ql_gguf_add_produced(writer_, "t", QL_F32, 0, kShape, produce, nullptr); }},
        {"ql_gguf_write", "NULL path", [this] { return ql_gguf_write(writer_, nullptr); }},
    };
}

std::vector<BadCall> EngineArguments::os_calls() {
    static char * data = nullptr;
    static const void * mapped = nullptr;
    static size_t size = 0;
    static uint64_t bytes = 0;
    static ql_os_map * map = nullptr;
    static ql_os_lock * lock = nullptr;
    static ql_os_journal * journal = nullptr;
    static ql_os_spill * spill = nullptr;
    static uint64_t offset = 0;
    return {
        {"ql_os_read_file", "NULL path", [] { return ql_os_read_file(nullptr, 0, &data, &size); }},
        {"ql_os_read_file", "NULL data", [] { return ql_os_read_file("f", 0, nullptr, &size); }},
        {"ql_os_map_file", "NULL map", [] { return ql_os_map_file("f", nullptr, &mapped, &size); }},
        {"ql_os_map_file", "NULL path", [] { return ql_os_map_file(nullptr, &map, &mapped, &size); }},
        {"ql_os_write_file", "NULL path", [] { return ql_os_write_file(nullptr, "", 0); }},
        {"ql_os_write_file", "NULL data", [this] { return ql_os_write_file(folder_.path("f").c_str(), nullptr, 1); }},
        {"ql_os_replace_file", "NULL function",
         [this] { return ql_os_replace_file(folder_.path("f").c_str(), nullptr, nullptr); }},
        {"ql_os_spill_open", "NULL folder", [] { return ql_os_spill_open(nullptr, &spill); }},
        {"ql_os_spill_open", "a folder that is not there", [] { return ql_os_spill_open("/nowhere", &spill); }},
        {"ql_os_spill_append", "NULL spill", [] { return ql_os_spill_append(nullptr, "", 1, &offset); }},
        {"ql_os_spill_map", "NULL spill", [] { return ql_os_spill_map(nullptr, nullptr); }},
        {"ql_os_journal_open", "NULL path", [] { return ql_os_journal_open(nullptr, &journal); }},
        {"ql_os_journal_open", "NULL journal", [] { return ql_os_journal_open("f", nullptr); }},
        {"ql_os_journal_open", "a folder", [this] { return ql_os_journal_open(folder_.path("").c_str(), &journal); }},
        {"ql_os_journal_append", "NULL", [] { return ql_os_journal_append(nullptr, "", 0); }},
        {"ql_os_sync_file", "NULL", [] { return ql_os_sync_file(nullptr); }},
        {"ql_os_check_writable", "\"\"", [] { return ql_os_check_writable(""); }},
        {"ql_os_free_space", "NULL", [] { return ql_os_free_space("/", nullptr); }},
        {"ql_os_free_space", "NULL path", [] { return ql_os_free_space(nullptr, &bytes); }},
        {"ql_os_make_directory", "\"\"", [] { return ql_os_make_directory(""); }},
        {"ql_os_lock_file", "NULL lock", [] { return ql_os_lock_file("f", nullptr); }},
        {"ql_os_lock_file", "NULL path", [] { return ql_os_lock_file(nullptr, &lock); }},
    };
}

}  // namespace ql::test
