#include "models/data/other_kinds.hpp"

#include "models/base/utf8.hpp"

namespace ql {
namespace {

constexpr struct {
    std::string_view begin;
    const char * kind;
} kKinds[] = {
    {"PAR1", "a Parquet file"},
    {"ARROW1", "an Arrow file"},
    {"\xFF\xFF\xFF\xFF", "an Arrow stream"},
    {"FEA1", "a Feather file"},
    {"ORC", "an ORC file"},
    {"Obj\x01", "an Avro file"},
    {"PK\x03\x04", "a ZIP file, as .xlsx, .ods and .npz are"},
    {"\xD0\xCF\x11\xE0", "an Office file, as .xls is"},
    {"\x80\x02", "a pickle of Python"},
    {"\x80\x03", "a pickle of Python"},
    {"\x80\x04", "a pickle of Python"},
    {"\x80\x05", "a pickle of Python"},
    {"\x93NUMPY", "an array of NumPy"},
    {"\x89HDF", "an HDF5 file"},
    {"SQLite format 3", "an SQLite database"},
    {"%PDF-", "a PDF file"},
    {"BZh", "a file packed by bzip2"},
    {"\xFD"
     "7zXZ",
     "a file packed by xz"},
    {"\x28\xB5\x2F\xFD", "a file packed by zstd"},
    {"7z\xBC\xAF", "a file packed by 7-Zip"},
    {"GGUF", "a GGUF file"},
};

}  // namespace

const char * other_kind(std::string_view bytes) {
    for (const auto & kind : kKinds)
        if (bytes.starts_with(kind.begin))
            return bytes.find('\0') != bytes.npos || !is_well_formed_utf8(bytes) ? kind.kind : nullptr;
    return nullptr;
}

}  // namespace ql
