#include "tools/picture/png_writer.hpp"

#include <zlib.h>

namespace ql::cli {
namespace {

void append_number(std::string & to, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(v >> shift & 0xFF);
}

/// A chunk: length, name, content, checksum.
void append_chunk(std::string & to, const std::string & name, const std::string & content) {
    const std::string checked = name + content;
    append_number(to, static_cast<uint32_t>(content.size()));
    to += checked;
    append_number(to, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef *>(checked.data()),
                                                  static_cast<uInt>(checked.size()))));
}

}  // namespace

struct PngWriter::Packer {
    z_stream stream{};
    bool works = deflateInit(&stream, 6) == Z_OK;
    ~Packer() { deflateEnd(&stream); }
};

PngWriter::PngWriter(int width, int height)
    : packer_(std::make_unique<Packer>()),
      above_(3 * static_cast<size_t>(width)),
      filtered_(above_.size() + 1),
      width_(width),
      height_(height) {}

PngWriter::~PngWriter() = default;

void PngWriter::pack(std::span<const uint8_t> bytes, bool is_last) {
    z_stream & stream = packer_->stream;
    stream.next_in = const_cast<Bytef *>(bytes.data());  // zlib's interface has no const; it reads alone
    stream.avail_in = static_cast<uInt>(bytes.size());
    int status = Z_OK;
    do {
        Bytef buffer[1 << 14];
        stream.next_out = buffer, stream.avail_out = sizeof buffer;
        status = deflate(&stream, is_last ? Z_FINISH : Z_NO_FLUSH);
        packed_.append(reinterpret_cast<const char *>(buffer), sizeof buffer - stream.avail_out);
    } while (stream.avail_out == 0);
    packer_->works &=
        is_last ? status == Z_STREAM_END : status == Z_OK || status == Z_BUF_ERROR;  // all was packed before
}

/// What is packed is the difference to the row above, which is mostly the same: PNG's filter 2, "Up".
void PngWriter::add_row(std::span<const uint8_t> row) {
    if (!packer_->works) return;
    filtered_[0] = 2;
    for (size_t i = 0; i < above_.size(); ++i) filtered_[i + 1] = static_cast<uint8_t>(row[i] - above_[i]);
    above_.assign(row.begin(), row.end());
    pack(filtered_, false);
}

std::string PngWriter::finish() {
    if (packer_->works) pack({}, true);
    if (!packer_->works) return "";
    std::string header;
    append_number(header, static_cast<uint32_t>(width_));
    append_number(header, static_cast<uint32_t>(height_));
    header += std::string("\x08\x02\0\0\0", 5);  // 8 bits a channel, RGB, deflate, five filters, not interlaced
    std::string png = "\x89PNG\r\n\x1a\n";
    append_chunk(png, "IHDR", header);
    append_chunk(png, "IDAT", packed_);
    append_chunk(png, "IEND", "");
    return png;
}

}  // namespace ql::cli
