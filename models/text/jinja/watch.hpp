// What a rendering meets that llama.cpp's own Jinja does differently. The evaluator tells a watch, where it has one,
// what it is about to do; the watch knows the differences (docs/data.md has the table) and keeps the first of each
// kind. So a note is true of a rendering that took place, and says nothing of branches that no such conversation takes.
#pragma once
#include <string>
#include <vector>

#include "models/text/jinja/ast.hpp"
#include "models/text/jinja/call.hpp"

namespace ql::jinja {

struct Scope;

enum class Difference {
    carried_over,  // a name that an earlier round of the loop has set
    callers_name,  // a name of whoever called the macro
    looped,        // for part in a message's content
    indexed,       // a message's content, by a number
    sliced,        // a message's content
    from_end,      // a string's character, counted from its end
    prints_none,
    prints_list,
    default_of_none,
    select_filter,
    split_method,
    number_test,
    loop_depth,
    remainder,
    sum_with_safe,  // of a `safe` string and one that has what HTML escapes
};

struct Sighting {
    Difference difference;
    int line;
    std::string what;      // roughly as the template writes it
    int32_t message = -1;  // looped, indexed: whose content
};

class Watch {
  public:
    void reads(const Expr & name, const Scope & scope);
    void prints(const Expr & expr, const Value & value);
    void takes_attribute(const Expr & expr, const Value & object);
    void takes_item(const Expr & expr, const Value & object, const Value & key);
    void takes_slice(const Expr & expr, const Value & object);
    void loops(const Stmt & loop, const Value & over);
    void computes(const Expr & expr, const Value & left, const Value & right);
    void filters(const Expr & expr, const Call & call);
    void tests(const Expr & expr, const Value & value);
    void calls(const Expr & expr, const Call & method);

    const std::vector<Sighting> & seen() const { return seen_; }

  private:
    void see(Difference difference, const Expr & expr, int32_t message = -1);
    std::vector<Sighting> seen_;
};

}  // namespace ql::jinja
