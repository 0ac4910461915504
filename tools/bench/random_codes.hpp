// Random contents of tensors of any type, without a tensor's f32 values ever being in memory: a small tile of values is
// encoded once - or, where a type can only be read, made of random codes - and a tensor is made of runs of the tile's
// blocks, from places drawn at random.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/philox.hpp"
#include "ql/dtype.h"

namespace ql::cli {

/// The type that an option's value names, one that weights can have, if only for reading; Stop for any other.
ql_dtype weight_type(const std::string & option, const std::string & name);

class RandomCodes {
  public:
    /// Throws Stop for a type whose layout this class does not know.
    RandomCodes(ql_dtype dtype, uint64_t seed);
    ql_dtype dtype() const { return dtype_; }

    /// Bytes [offset, offset + size) of a tensor of n elements. The same seed, `tensor` and n give the same tensor,
    /// whatever the pieces that it is produced in.
    void produce(uint32_t tensor, int64_t n, size_t offset, size_t size, uint8_t * dst) const;

  private:
    /// A part of a tensor: units of `bytes`, each describing `elements`. Upstream's types have one plane, of blocks;
    /// those of the NF4 family keep codes and scales apart.
    struct Plane {
        size_t bytes;
        int64_t elements;
        size_t size(int64_t n) const { return static_cast<size_t>(n / elements + (n % elements != 0)) * bytes; }
    };
    static std::vector<Plane> planes(ql_dtype dtype);
    void encode_tile();
    void random_tile();
    /// Where a plane of a tensor of n elements begins.
    size_t begin(size_t plane, int64_t n) const;
    /// Bytes [offset, offset + size) of a plane.
    void copy(size_t plane, uint32_t tensor, size_t offset, size_t size, uint8_t * dst) const;

    ql_dtype dtype_;
    PhiloxKey key_;
    std::vector<Plane> planes_;
    std::vector<uint8_t> tile_;
};

}  // namespace ql::cli
