// Which model an adapter belongs to, in two hashes. Quantising changes every matrix but no norm: so the norms name the
// model, and an adapter trained on its NF4 form is known to fit its Q4_1 form; the bytes name the very file.
#pragma once
#include <string>
#include <vector>

#include "models/model/weights.hpp"

namespace ql {

/// The hashes of weights as they are stored; the order of tensors does not count. 1-D norms and the shapes of embedding and
/// block matrices make `model`; names, types, shapes and both ends of every tensor make `file`. A merge into the same
/// file's matrices keeps `model`: only `file` tells it apart. Tokens are left out: files pad their lists differently.
/// errors  QL_BAD_DTYPE where a norm cannot be decoded
Result<BaseIdentity> identify_base(const std::string & architecture, const std::vector<Weight> & weights);

}  // namespace ql
