// From tokens to a tree. Expressions and statements are two classes: ExprParser reads an expression at the stream's
// position, Parser reads the template around it.
#pragma once
#include <string>
#include <vector>

#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/lexer.hpp"
#include "models/text/jinja/meter.hpp"
#include "ql/status.hpp"

namespace ql::jinja {

/// Parses a whole template, including branches that will never be taken. A tag that is not known is an error that
/// names it and its line.
Result<Block> parse(const std::string & source);

/// A position in the tokens.
class TokenStream {
  public:
    explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
    const Token & peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    const Token & next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
    bool is(Token::Type type, const char * value = nullptr, size_t ahead = 0) const {
        const Token & token = peek(ahead);
        return token.type == type && (!value || token.value == value);
    }
    bool is_op(const char * value) const { return is(Token::Type::op, value); }
    bool is_word(const char * value) const { return is(Token::Type::name, value); }
    bool take_op(const char * value) { return is_op(value) && (next(), true); }
    bool take_word(const char * value) { return is_word(value) && (next(), true); }
    int line() const { return peek().line; }
    /// How the current token reads in a message.
    std::string describe() const;
    Status expect_op(const char * value);

  private:
    std::vector<Token> tokens_;
    size_t at_ = 0;
};

class ExprParser {
  public:
    ExprParser(TokenStream & stream, const StackLimit & stack) : stream_(stream), stack_(stack) {}
    /// a, b, c as a tuple; a lone expression as itself. Without conditions "x if y" ends before the if (for loops).
    Result<ExprPtr> tuple(bool with_condition = true);
    Result<ExprPtr> expression();
    /// The filters after `| ` applied to `operand` (null for a block set's text).
    Result<ExprPtr> filters(ExprPtr operand);
    /// A filter and those after it, applied to a block's text.
    Result<ExprPtr> filter_chain();

  private:
    /// Operands joined by operators that bind at least as tightly as `lowest`.
    Result<ExprPtr> chain(int lowest);
    Result<ExprPtr> operand(int lowest);
    Result<ExprPtr> comparison(ExprPtr first);
    Result<ExprPtr> element(bool with_condition);
    Result<ExprPtr> unary();
    Result<ExprPtr> unary_without_filters();
    Result<ExprPtr> primary();
    Result<ExprPtr> name_or_constant();
    Result<ExprPtr> number();
    Result<ExprPtr> sequence(const char * closing, Expr::Kind kind);
    Result<ExprPtr> parenthesis();
    Result<ExprPtr> dictionary();
    Result<ExprPtr> postfix(ExprPtr operand);
    Result<ExprPtr> call(ExprPtr callee);
    Result<ExprPtr> subscript(ExprPtr operand);
    Result<ExprPtr> filter(ExprPtr operand);
    Result<ExprPtr> filters_and_tests(ExprPtr operand);
    Result<ExprPtr> test(ExprPtr operand);
    Status arguments(Expr & call);
    ExprPtr make(Expr::Kind kind, std::string name = "") const;
    /// Adds a child; too deep a tree is an error.
    Status add(Expr & parent, ExprPtr child) const;

    /// One more level of recursion; the caller takes it back.
    Status enter();

    TokenStream & stream_;
    const StackLimit & stack_;
    int nesting_ = 0;
};

}  // namespace ql::jinja
