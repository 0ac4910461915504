// The files that weights are mapped from, as they were when the model was opened. Who overwrites one in place changes the
// weights of a model in use; who replaces it by another of its name changes nothing, as the old one is still mapped.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/model/weights.hpp"

namespace ql {

class BaseFiles {
  public:
    explicit BaseFiles(const std::vector<Weight> & weights);

    /// The first file whose size or time is another now; null: none. That of a file that is gone is not.
    const std::string * touched() const;

  private:
    struct Stamp {
        std::string path;
        uintmax_t bytes = 0;
        std::filesystem::file_time_type time;

        bool operator==(const Stamp &) const = default;
    };
    static bool read(Stamp & stamp);

    std::vector<Stamp> stamps_;
};

}  // namespace ql
