// An adapter's matrices out of singular vectors.
#pragma once
#include "models/adapter/adapter.hpp"
#include "models/adapter/low_rank/svd.hpp"

namespace ql {

/// The branch of a weight [k, m]: each singular value is shared by A and B. As files hold no rank of 0, one without any is
/// of rank 1 and zero.
LoraMatrix from_svd(const ThinSvd & svd, const std::string & weight, int64_t k, int64_t m);

/// That a rank which was asked for is one that a matrix can have.
/// command  asks, in messages
/// highest  the number of singular values of the largest one, highest_rank()
/// least    0 where none may be asked for
/// errors   QL_INVALID_ARGUMENT
Status check_rank(const char * command, int64_t rank, int64_t highest, int64_t least = 0);
/// No matrix has more singular values than its smaller side.
int64_t highest_rank(const Adapter & adapter);

}  // namespace ql
