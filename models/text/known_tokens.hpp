// Tokens that are known by their text: files say little about what a token is for, and sometimes they are wrong.
// The names are those that llama.cpp knows, so that a model ends its replies here where it does there.
#pragma once
#include <span>
#include <string_view>

#include "models/text/vocab.hpp"

namespace ql {

/// Texts of tokens that end a turn in a chat, by how surely: the first found in a vocabulary is its end of turn.
std::span<const std::string_view> end_of_turn_names();
/// Texts of other tokens at which generation stops: of a text, of a file, of a message that calls a tool.
std::span<const std::string_view> end_of_text_names();

/// Makes control tokens of those that must be, whatever type the file gives them: the known names, and the eos and eot
/// tokens unless text itself can become them. (A file may name the newline as its eos.) Such a token of another type
/// would be spelled out as plain text in every template, and no model could learn to stop. Each change that matters to
/// training is one of the vocabulary's notes.
void mark_control_tokens(Vocab & vocab);

}  // namespace ql
