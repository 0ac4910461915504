// JSON as a template sees it: the tools of a conversation, the calls in its messages.
#pragma once
#include "models/json/parse_json.hpp"
#include "models/text/jinja/value.hpp"

namespace ql::jinja {

/// The value, in the file's order of keys. Strings (not keys) come from that part of message `source`; -1: from none.
/// errors  QL_UNSUPPORTED: a whole number beyond 64 bits, which no value here holds exactly
Result<Value> from_json(const Json & json, int32_t source = -1, MessagePart part = MessagePart::call);

}  // namespace ql::jinja
