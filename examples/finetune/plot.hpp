// The loss curve as a picture: loss by step, its running mean, evaluations as points.
#pragma once
#include <string>

#include "examples/finetune/history.hpp"

namespace ql::cli {

void write_plot(const std::string & path, const History & history);

}  // namespace ql::cli
