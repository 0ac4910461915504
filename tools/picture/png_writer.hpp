// A PNG file made row by row: zlib packs, and the three chunks around it need no library of their own.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ql::cli {

class PngWriter {
  public:
    PngWriter(int width, int height);
    ~PngWriter();
    /// RGB.
    void add_row(std::span<const uint8_t> row);
    /// The file; "" if there was no memory for it. After all rows.
    std::string finish();

  private:
    void pack(std::span<const uint8_t> bytes, bool is_last);
    struct Packer;
    std::unique_ptr<Packer> packer_;
    std::string packed_;
    std::vector<uint8_t> above_, filtered_;
    int width_, height_;
};

}  // namespace ql::cli
