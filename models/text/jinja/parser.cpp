// Statements: the text, the {{ }} and the {% %} tags of a template.
#include "models/text/jinja/parser.hpp"

#include <algorithm>

#include "models/text/jinja/walk.hpp"

namespace ql::jinja {

std::string TokenStream::describe() const {
    const Token & token = peek();
    switch (token.type) {
        case Token::Type::end:
            return "the end of the template";
        case Token::Type::block_end:
            return "'%}'";
        case Token::Type::variable_end:
            return "'}}'";
        case Token::Type::string:
            return "a string";
        case Token::Type::text:
        case Token::Type::block_begin:
        case Token::Type::variable_begin:
            return "text";
        default:
            return "'" + token.value + "'";
    }
}

Status TokenStream::expect_op(const char * value) {
    if (take_op(value)) return {};
    return template_error(line(), "expected '%s', got %s", value, describe().c_str());
}

namespace {

using StmtKind = Stmt::Kind;
using Type = Token::Type;
constexpr int kMaxBlocks = 60;  // tags inside one another

class Parser {
  public:
    explicit Parser(std::vector<Token> tokens) : stream_(std::move(tokens)), expr_(stream_, stack_) {}

    Result<Block> run() {
        QL_ASSIGN(Block block, body({}));
        if (stream_.is(Type::end)) return block;
        return template_error(stream_.line(), "'%s' closes nothing here", stream_.peek(1).value.c_str());
    }

  private:
    std::unique_ptr<Stmt> make(StmtKind kind) const {
        auto stmt = std::make_unique<Stmt>();
        stmt->kind = kind;
        stmt->line = stream_.line();
        return stmt;
    }

    /// Statements up to one of the closing words, whose tag is left unread; up to the end if there are none.
    Result<Block> body(std::vector<const char *> closing) {
        Block block;
        Status room = stack_.check();
        if (!room.ok()) return template_error(stream_.line(), "%s", room.message().c_str());
        if (++depth_ > kMaxBlocks) return template_error(stream_.line(), "blocks are nested too deeply");
        while (!stream_.is(Type::end)) {
            if (stream_.is(Type::text)) {
                block.push_back(make(StmtKind::text));
                block.back()->text = Text(stream_.next().value);
            } else if (stream_.is(Type::variable_begin)) {
                stream_.next();
                block.push_back(make(StmtKind::print));
                QL_ASSIGN(block.back()->expr, expr_.tuple());
                if (!stream_.is(Type::variable_end))
                    return template_error(stream_.line(), "expected '}}', got %s", stream_.describe().c_str());
                stream_.next();
            } else {
                if (closes(closing)) break;
                QL_ASSIGN(auto stmt, tag());
                block.push_back(std::move(stmt));
            }
        }
        --depth_;
        return block;
    }

    bool closes(const std::vector<const char *> & closing) const {
        if (!stream_.is(Type::block_begin) || !stream_.is(Type::name, nullptr, 1)) return false;
        if (closing.empty()) return stream_.peek(1).value.starts_with("end");
        return std::any_of(closing.begin(), closing.end(),
                           [&](const char * w) { return stream_.is(Type::name, w, 1); });
    }

    Status end_tag() {
        if (!stream_.is(Type::block_end))
            return template_error(stream_.line(), "expected '%%}', got %s", stream_.describe().c_str());
        stream_.next();
        return {};
    }

    /// The body, then {% word %}.
    Status body_until(Block & block, const char * word, int opened_at, const char * opener) {
        QL_ASSIGN(block, body({word}));
        if (stream_.is(Type::end)) return template_error(opened_at, "{%% %s %%} is not closed", opener);
        stream_.next();
        stream_.next();
        return end_tag();
    }

    Result<std::unique_ptr<Stmt>> tag() {
        stream_.next();
        if (!stream_.is(Type::name))
            return template_error(stream_.line(), "expected a tag's name, got %s", stream_.describe().c_str());
        const int line = stream_.line();
        const std::string word = stream_.next().value;
        if (word == "if") return condition();
        if (word == "for") return loop();
        if (word == "set") return assignment();
        if (word == "macro") return macro();
        if (word == "filter") return filtered();
        if (word == "generation") {
            auto stmt = make(StmtKind::generation);
            QL_TRY(end_tag());
            QL_TRY(body_until(stmt->body, "endgeneration", line, "generation"));
            return stmt;
        }
        if (word == "break" || word == "continue") {
            if (loops_ == 0) return template_error(line, "'%s' outside a loop", word.c_str());
            auto stmt = make(word == "break" ? StmtKind::leave : StmtKind::next);
            QL_TRY(end_tag());
            return stmt;
        }
        if (word.starts_with("end") || word == "else" || word == "elif")
            return template_error(line, "{%% %s %%} closes nothing here", word.c_str());
        return template_error(line, "the tag {%% %s %%} is not supported", word.c_str());
    }

    Result<std::unique_ptr<Stmt>> condition() {
        auto stmt = make(StmtKind::condition);
        while (true) {
            QL_ASSIGN(ExprPtr test, expr_.tuple());
            QL_TRY(end_tag());
            QL_ASSIGN(Block block, body({"elif", "else", "endif"}));
            stmt->branches.emplace_back(std::move(test), std::move(block));
            if (stream_.is(Type::end)) return template_error(stmt->line, "{%% if %%} is not closed");
            stream_.next();
            const std::string word = stream_.next().value;
            if (word == "elif") continue;
            QL_TRY(end_tag());
            if (word == "else") QL_TRY(body_until(stmt->orelse, "endif", stmt->line, "if"));
            return stmt;
        }
    }

    Status targets(Stmt & stmt) {
        const bool bracket = stream_.take_op("(");
        do {
            if (!stream_.is(Type::name))
                return template_error(stream_.line(), "expected a name, got %s", stream_.describe().c_str());
            stmt.targets.push_back(stream_.next().value);
        } while (stream_.take_op(","));
        return bracket ? stream_.expect_op(")") : Status();
    }

    Result<std::unique_ptr<Stmt>> loop() {
        auto stmt = make(StmtKind::loop);
        QL_TRY(targets(*stmt));
        if (!stream_.take_word("in"))
            return template_error(stream_.line(), "expected 'in', got %s", stream_.describe().c_str());
        QL_ASSIGN(stmt->expr, expr_.tuple(false));
        if (stream_.take_word("if")) {
            QL_ASSIGN(stmt->filter, expr_.expression());
        }
        if (stream_.is_word("recursive")) return template_error(stream_.line(), "a recursive loop is not supported");
        QL_TRY(end_tag());
        ++loops_;
        QL_ASSIGN(stmt->body, body({"else", "endfor"}));
        --loops_;
        if (stream_.is(Type::end)) return template_error(stmt->line, "{%% for %%} is not closed");
        stream_.next();
        const bool orelse = stream_.next().value == "else";
        QL_TRY(end_tag());
        if (orelse) QL_TRY(body_until(stmt->orelse, "endfor", stmt->line, "for"));
        return stmt;
    }

    Result<std::unique_ptr<Stmt>> assignment() {
        auto stmt = make(StmtKind::assign);
        QL_TRY(targets(*stmt));
        if (stmt->targets.size() == 1 && stream_.take_op(".")) {
            stmt->attribute = stream_.peek().value;
            if (!stream_.is(Type::name)) return template_error(stream_.line(), "expected a name after '.'");
            stream_.next();
        }
        if (stream_.take_op("=")) {
            QL_ASSIGN(stmt->expr, expr_.tuple());
            QL_TRY(end_tag());
            return stmt;
        }
        stmt->kind = StmtKind::capture;
        if (stmt->targets.size() != 1) return template_error(stmt->line, "a block {%% set %%} takes one name");
        if (stream_.is_op("|")) {
            QL_ASSIGN(stmt->expr, expr_.filters(nullptr));
        }
        QL_TRY(end_tag());
        QL_TRY(body_until(stmt->body, "endset", stmt->line, "set"));
        return stmt;
    }

    Result<std::unique_ptr<Stmt>> filtered() {
        auto stmt = make(StmtKind::filtered);
        QL_ASSIGN(stmt->expr, expr_.filter_chain());
        QL_TRY(end_tag());
        QL_TRY(body_until(stmt->body, "endfilter", stmt->line, "filter"));
        return stmt;
    }

    /// Macros may stand at the top or in an if; their names then live as long as the template.
    Result<std::unique_ptr<Stmt>> macro() {
        auto stmt = make(StmtKind::macro);
        if (loops_ > 0 || in_macro_)
            return template_error(stmt->line, "a macro inside a loop or a macro is not supported");
        if (!stream_.is(Type::name))
            return template_error(stream_.line(), "expected a macro's name, got %s", stream_.describe().c_str());
        stmt->name = stream_.next().value;
        QL_TRY(stream_.expect_op("("));
        while (!stream_.take_op(")")) {
            if (!stmt->parameters.empty()) QL_TRY(stream_.expect_op(","));
            if (!stream_.is(Type::name))
                return template_error(stream_.line(), "expected a name, got %s", stream_.describe().c_str());
            std::string name = stream_.next().value;
            ExprPtr value;
            if (stream_.take_op("=")) {
                QL_ASSIGN(value, expr_.expression());
            }
            stmt->parameters.emplace_back(std::move(name), std::move(value));
        }
        QL_TRY(end_tag());
        in_macro_ = true;
        QL_TRY(body_until(stmt->body, "endmacro", stmt->line, "macro"));
        in_macro_ = false;
        QL_TRY(refuse_spare_arguments(*stmt));
        return stmt;
    }

    /// Under these names Jinja hands a macro the arguments that no parameter takes; here their use is an error.
    static Status refuse_spare_arguments(const Stmt & macro) {
        const Expr * found = nullptr;
        for_each_expr(macro.body, [&](const Expr & e) {
            const bool spare = e.kind == Expr::Kind::name && (e.name == "varargs" || e.name == "kwargs");
            if (spare && !found && !has_parameter(macro, e.name)) found = &e;
        });
        if (!found) return {};
        return template_error(found->line, "'%s' in a macro is not supported", found->name.c_str());
    }
    static bool has_parameter(const Stmt & macro, const std::string & name) {
        return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                           [&](const auto & parameter) { return parameter.first == name; });
    }

    StackLimit stack_;
    TokenStream stream_;
    ExprParser expr_;
    int depth_ = 0, loops_ = 0;
    bool in_macro_ = false;
};

}  // namespace

Result<Block> parse(const std::string & source) {
    QL_ASSIGN(auto tokens, tokenize(source));
    return Parser(std::move(tokens)).run();
}

}  // namespace ql::jinja
