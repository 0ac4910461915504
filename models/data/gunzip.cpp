#include "models/data/gunzip.hpp"

#include <zlib.h>

#include <algorithm>

namespace ql {
namespace {

constexpr size_t kMaxBytes = size_t{4} << 30, kChunk = size_t{1} << 18;
constexpr size_t kAlwaysAllowed = size_t{64} << 20, kMaxRatio = 256;  // deflate itself ends at 1032

class Unpacker {
  public:
    explicit Unpacker(std::string_view packed) : packed_(packed) {}
    Unpacker(const Unpacker &) = delete;
    Unpacker & operator=(const Unpacker &) = delete;
    ~Unpacker() {
        if (open_) inflateEnd(&z_);
    }

    Result<std::string> run() {
        if (inflateInit2(&z_, 15 + 16) != Z_OK) return error(QL_NO_MEMORY, "no memory to unpack it");  // 16: gzip
        open_ = true;
        while (true) {
            QL_TRY(member());
            const size_t next = packed_.find_first_not_of('\0', at());
            if (next == packed_.npos) return std::move(out_);
            if (!is_gzip(packed_.substr(next)))
                return error(QL_BAD_FILE, "%zu bytes behind the gzip data are no gzip data", packed_.size() - next);
            given_ = next;
            z_.avail_in = 0;
            inflateReset(&z_);
        }
    }

  private:
    /// The first byte that is not unpacked yet.
    size_t at() const { return given_ - z_.avail_in; }

    void feed() {
        const size_t n = std::min(packed_.size() - given_, size_t{1} << 30);  // zlib counts in 32 bits
        z_.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed_.data() + given_));
        z_.avail_in = static_cast<uInt>(n);
        given_ += n;
    }

    Status member() {
        while (true) {
            if (z_.avail_in == 0) feed();
            z_.next_out = reinterpret_cast<Bytef *>(chunk_.data());
            z_.avail_out = static_cast<uInt>(chunk_.size());
            const int result = inflate(&z_, Z_NO_FLUSH);
            out_.append(chunk_, 0, chunk_.size() - z_.avail_out);
            if (out_.size() > kMaxBytes) return error(QL_UNSUPPORTED, "more than 4 GiB when unpacked; split the file");
            if (out_.size() > kAlwaysAllowed && out_.size() / kMaxRatio > packed_.size())
                return error(QL_UNSUPPORTED, "more than %zu times its size when unpacked; unpack it first", kMaxRatio);
            if (result == Z_STREAM_END) return {};
            const bool starved = at() == packed_.size() && z_.avail_out > 0;
            if (result == Z_BUF_ERROR || (result == Z_OK && starved))
                return error(QL_BAD_FILE, "the gzip data is cut off");
            if (result == Z_MEM_ERROR) return error(QL_NO_MEMORY, "no memory to unpack it");
            if (result != Z_OK) return error(QL_BAD_FILE, "the gzip data is damaged");
        }
    }

    std::string_view packed_;
    size_t given_ = 0;  // bytes handed to zlib
    z_stream z_{};
    bool open_ = false;
    std::string out_, chunk_ = std::string(kChunk, '\0');
};

}  // namespace

bool is_gzip(std::string_view bytes) {
    return bytes.starts_with("\x1f\x8b");
}

Result<std::string> gunzip(std::string_view packed) {
    return Unpacker(packed).run();
}

}  // namespace ql
