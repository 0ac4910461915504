// What a template's {% generation %} blocks say about training: the template's author marks with them what is to be
// learnt.
#pragma once
#include <span>
#include <vector>

#include "models/text/chat_template.hpp"
#include "models/text/jinja/text.hpp"

namespace ql {

/// The bytes that the blocks wrote, without those of answers that the sample leaves out. None if no block holds a byte
/// of an answer: then the answers stand elsewhere, and an end of turn alone is not what is to be learnt.
/// errors  QL_UNSUPPORTED: an answer that is trained shares a block with one that is left out, or stands outside
///         while a block holds the template's own words alone
Result<std::vector<Span>> generated_spans(const jinja::Text & text, std::span<const Message> messages);

}  // namespace ql
