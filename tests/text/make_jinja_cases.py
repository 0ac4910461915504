#!/usr/bin/env python3
"""Writes jinja_cases.json: templates of ours with what Jinja itself makes of them.

Needs the package jinja2. The environment is the one that chat templates are written for: trim_blocks and lstrip_blocks on,
immutable sandbox, loop controls, a tojson that does not escape HTML. A case without "text" is one that Jinja refuses.
"""
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


VARIABLES = {
    "s": "Hello, World", "u": "\u00e4\u00f6\u20ac \U0001f600!", "blank": " \t\n x y \u3000", "n": 7, "m": -3, "f": 2.5, "t": True, "o": None,
    "l": [3, 1, 2], "names": ["b", "A", "c"], "d": {"b": 1, "a": [1, {"x": "y\"z"}]}, "e": [],
    "people": [{"name": "Ann", "age": 30, "ok": True}, {"name": "bob", "age": 25, "ok": False}, {"name": "Cy", "age": 41}],
    "messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "Hi <b>\n"},
                 {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}],
}

EXPRESSIONS = """
1 + 2 * 3 - 4 // 3 % 2
-7 // 2
-7 % 3
7 % -3
7 / 2
2 ** 3 ** 2
2 ** -1
-2 ** 2
7.5 // 2
1e3
1_000
1.0
1e16
0.1 + 0.2
1 / 3
'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1, 'x'] ~ {'k': 'v'}
'a' 'b' "c"
'ab' * 3
[1, 2] + [3]
[0] * 3
(1, 2)
(1,)
()
[1, 'a', "it's", 'q"', none, true, 1.5]
{'a': {'b': [1]}}
'x\\n\\t\\x41\\u00e4\\'"'
'x' + 1
1 + 'x'
s[0] ~ s[-1] ~ s[20] ~ s[1:5] ~ s[:-3] ~ s[::-1] ~ s[::2] ~ s[-3:]
u[0] ~ u[4] ~ u[1:3] ~ u | length
l[0] ~ l[-1] ~ l[1:] ~ l[:1] ~ l[::-1] ~ l[5:]
l[9] is defined
d.b ~ d['a'] ~ d.missing ~ d['missing']
d.missing.more
missing.more
missing['x']
missing
missing is defined
missing is not defined and missing is undefined
missing + 'x'
missing ~ 'x'
missing == missing2
missing or 'fallback'
'o' in s
'x' not in s
1 in l and 9 not in l
'a' in d
'x' in missing
1 in s
n in [7, 8]
1 < 2 < 3
1 < 3 < 2
3 > 2 >= 2 != 1
1 == 1.0
true == 1
'a' < 'b'
[1, 2] < [1, 3]
'a' < 1
1 == '1'
not true or true and false
not (true and false)
'yes' if n > 5 else 'no'
'yes' if n > 9
'a' if false else 'b' if false else 'c'
none == false
o is none
n is number and f is number and f is float and n is integer and t is boolean
t is number
t is integer
s is string and l is sequence and d is mapping and l is iterable and s is sequence
d is sequence
missing is sequence
missing is iterable
n is iterable
3 is odd
4 is even
9 is divisibleby 3
9 is divisibleby(2)
s is upper
'ABC' is upper
'abc1' is lower
n is equalto 7
n is eq(7)
n is not eq 7
n is lt 8
n is in [7]
t is true
n is true
raise_exception is callable
s | upper ~ s | lower ~ 'x y' | title ~ 'hELLO wORLD' | capitalize
'hello wORLD-foo_bar' | title
'hello wORLD-foo bar'.title()
blank | trim
'xxaxx' | trim('x')
blank.strip() ~ '|' ~ blank.lstrip() ~ '|' ~ blank.rstrip()
'xyaxy'.strip('xy')
s.split(', ')
' a  b c '.split()
' a  b c '.split(none, 1)
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a,b,'.split(',')
'a\\nb\\r\\nc\\n'.splitlines()
'a\\x0bb\\x0cc\\x1cd\\x1de\\x1ef\\x85g\\u2028h\\u2029i\\n\\rj'.splitlines() | join('|')
'</think>x</think>y'.split('</think>')[-1].lstrip('x')
s.startswith('He') and s.endswith('ld') and not s.startswith('x')
s.startswith(('x', 'He'))
s.replace('l', 'L')
s.replace('l', 'L', 1)
s | replace('o', '0')
s | replace('o', '0', 1)
s.find('World') ~ s.find('z') ~ s.rfind('o') ~ u.find('!')
s.count('l')
'-'.join(['a', 'b'])
s.upper() ~ s.lower() ~ 'abc'.capitalize()
'123'.isdigit() ~ 'ab'.isalpha() ~ ''.isdigit()
s.zzz is defined
s.zzz()
s | length ~ l | length ~ d | length ~ l | count
missing | length
n | length
missing | default('d') ~ o | default('d') ~ '' | default('d', true) ~ '' | default('d')
missing | default
o | d('x', boolean=true)
l | join ~ l | join(', ') ~ [1, none, 'x'] | join('-')
people | map(attribute='name') | join(',')
people | map(attribute='zip', default='?') | join(',')
names | map('upper') | list
names | map('replace', 'b', 'x') | list
people | selectattr('ok') | map(attribute='name') | list
people | selectattr('ok', 'defined') | map(attribute='name') | list
people | rejectattr('age', 'gt', 28) | map(attribute='name') | list
people | selectattr('name', 'equalto', 'Ann') | list | length
people | selectattr('name', 'in', ['Ann', 'Cy']) | map(attribute='age') | list
[0, 1, '', 'x', none] | select | list
[1, 2, 3, 4] | reject('odd') | list
o | selectattr('x') | list
l | first ~ l | last ~ e | first
s | first ~ s | last
'abc' | list
d | list
l | sort ~ names | sort ~ names | sort(case_sensitive=true) ~ l | sort(reverse=true)
people | sort(attribute='age') | map(attribute='name') | list
l | min ~ l | max ~ names | max ~ l | sum ~ people | sum(attribute='age')
['a', 'A', 'b', 'a'] | unique | list
l | reverse | list
s | reverse
d | items | list
d | dictsort
missing | items | list
d.items() | list
d.keys() | list
d.values() | list
d.get('b') ~ d.get('z') ~ d.get('z', 'q')
d.update({'z': 1})
l.append(1)
d | tojson
d | tojson(indent=2)
[] | tojson(indent=2) ~ {} | tojson
u | tojson
u | tojson(ensure_ascii=true)
"<a href='x'>&\\n\\x01" | tojson
[1.0, 1e20, 1e-7, true, none] | tojson
{'b': 1, 'a': 2} | tojson(sort_keys=true)
{'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'))
missing | tojson
n | string ~ '1'
n | string + '1'
'12' | int + 1
'x' | int
'x' | int(5)
' 3.7 ' | int
3.9 | int
'2.5' | float
m | abs
'a\\nb\\n\\nc' | indent
'a\\nb\\n\\nc' | indent(2, true)
s | nonsense
s is nonsense
nonsense(1)
range(3) | list
range(1, 7, 2) | list
range(3, 0, -1) | list
dict(a=1, b='x')
namespace(a=1).a
raise_exception('no')
(s, n)[0]
[[1, 2], [3]][0][1]
{'a': 1}.a
{'items': 1}.items is callable
{'items': 1}['items']
(1 if t else 2) + 3
- n | abs
-n | abs
n is none or s is string
s is defined and s
s if s is string else n
1 // 0
{1: 'a', -2: 'b', 'c': 3}
{1: 'a'}[1]
{1: 'a'}[1.0] ~ {1: 'a'}[true]
{1: 'a'}['1'] is defined
{1: 'a'}[1.5] is defined
{1: 'a'}.get(1, 'no') ~ {1: 'a'}.get('1', 'no')
1 in {1: 'a'}
'1' in {1: 'a'}
{1: 'a', 2: 'b', 1: 'c'}
{10: 'x', 9: 'y', 100: 'z'} | dictsort
{10: 'x', 9: 'y'} | dictsort(reverse=true)
{10: 'x', 9: 'y'}.items() | list
{10: 'x', 9: 'y'} | items | list
{10: 'x', 9: 'y'}.keys() | list
{10: 'x', 9: 'y'} | tojson
{1: 'a'} == {1: 'a'}
{1: 'a'} == {'1': 'a'}
dict({1: 'a'})
{1: 'a', 'b': 2} | dictsort
'<{}|{}>'.format(1, 'x')
'{0}{1}{0}'.format('a', 2.5)
'{a}-{b}'.format(a=1, b=none)
'{{}} {}'.format(true)
'{}'.format([1, 'x'], 'spare')
'{}'.format(missing)
'{}{}'.format(1)
'{}{0}'.format(1)
'{0}{}'.format(1)
'{x}'.format(1)
'{'.format(1)
'}'.format(1)
''.format()
u.format()
'<i>' | safe
'<i>' | safe + "a<'b'>" + '&"'
"a<b" + '<i>' | safe
('<i>' | safe) + ('<b>' | safe)
('<i>' | safe) ~ '<b>'
('<i>' | safe).strip() + '<b>'
(' <i> ' | safe | trim) + '<b>'
('<i>' | safe | upper) + '<b>'
('<ij>' | safe)[1:] + '<b>'
('<i>' | safe) * 2 + '<b>'
('<i>' | safe | string) + '<b>'
('<i>' | safe | replace('i', 'j')) + '<b>'
['<i>' | safe, '<j>'] | join('<k>')
('<i>' | safe) == '<i>'
('<i>' | safe) + 1
('<i>' | safe) + (d | tojson)
('<i>' | safe) | tojson
7 | safe + '<'
s | e ~ ('<' | escape) + '<'
"<'&>" | e | e
""".strip("\n").split("\n")

TEMPLATES = [
    "a\n", "a\n\n", "a\r\nb\rc", "  {% if t %}\n  x\n  {% endif %}\n  y\n", "  {%+ if t %}\n  x\n  {%- endif +%}\n  y\n",
    "a  {%- if t -%}  \n b \n {%- endif %}\n\n c", "a {{- ' b ' -}} \n c", "{{ 'x' }}\n{{ 'y' }}\n", "{# note #}\nx {#- note -#} y\n  {# z #}\n w",
    "x {% if t %}y{% endif %}\n  {{ n }}\n\t{% set q = 1 %}  \nz", "{% raw %}{{ x }} {% if %}{% endraw %}\nq", " {%- raw -%} \n a {%- endraw %} b",
    "{{ {'a': {'b': 1}} }}", "{{ '}}' }}{{ \"%}\" }}", "{{ '{{' }} { { % } }", "{% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ '.' if loop.last else ',' }}{% endfor %}",
    "{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for x in e %}x{% else %}none{% endfor %}", "{% for x in missing %}x{% else %}none{% endfor %}", "{% for x in o %}x{% endfor %}", "{% for x in n %}x{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for p in people if p.age > 26 %}{{ loop.index }}{{ p.name }}{{ loop.last }} {% endfor %}", "{% for p in people if p.age > 99 %}x{% else %}nobody{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% if y == 1 %}{% break %}{% endif %}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}", "{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.y = 'a' %}{{ ns.y }}{{ ns.z is defined }}", "{% set d.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% if n > 9 %}a{% elif n > 6 %}b{% elif n > 5 %}c{% else %}d{% endif %}", "{% if missing %}a{% elif e %}b{% else %}c{% endif %}",
    "{% set x %}a{{ n }}\n b{% endset %}[{{ x }}]", "{% set x | upper | trim %} ab {% endset %}[{{ x }}]", "{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}",
    "{% macro hi(a, b='x', c=none) %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ hi(1) }} {{ hi(1, c=2) }} {{ hi(b=1, a=0) }} {{ hi() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}",
    "{% macro fact(k) %}{% if k > 1 %}{{ k }}*{{ fact(k - 1) }}{% else %}1{% endif %}{% endmacro %}{{ fact(5) }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 5 %}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}{{ x }}",
    "{% macro m() %}{{ y }}{% endmacro %}{% for y in [1] %}[{{ m() }}]{% endfor %}", "{% if t %}{% macro m() %}in{% endmacro %}{% endif %}{{ m() }}", "{% macro m() %} x {% endmacro %}{{ m() | trim ~ m().strip() }}|",
    "{% filter trim %} a {{ n }} {% endfilter %}|", "{% filter upper | replace('A', 'x') %}a{% set q = 1 %}b{% endfilter %}{{ q is defined }}", "{% filter indent(2, true) %}a\nb{% endfilter %}",
    "{% for x in l %}{% filter trim %} {{ x }} {% endfilter %}{% endfor %}", "{% set x %}{% filter trim %} a {% endfilter %}{% endset %}[{{ x }}]", "{% filter %}{% endfilter %}", "{% filter trim %}", "{% filter nonsense %}a{% endfilter %}", "{% endfilter %}",
    "{% for k, v in {0: 'a', 512: 'b', 16: 'c'} | dictsort %}{{ k + 1 }}{{ v }}{% endfor %}", "{% for k in {3: 1, 2: 4} %}{{ k * 2 }},{% endfor %}",
    "{% if a %}", "{% endif %}", "{% for x in l %}", "{{ 1 + }}", "{{ (1 }}", "{{ 'abc }}", "{% nonsense %}", "{# open", "{{ a b }}", "{% if %}{% endif %}", "{{ [1, 2 }}", "{{ 1 ]}}", "{% break %}",
    "{% if n %}a{% else %}b{% endfor %}", "{{ }}", "{% set = 1 %}", "{{ x is }}", "{{ x | }}", "{{ x. }}", "{{ ! }}",
    "{%- for m in messages %}{%- if m['role'] == 'system' %}{{- '<<' + m['content'] | trim + '>>' }}{%- else %}{{- m.role | upper + ': ' + m['content'] }}{%- endif %}{%- endfor %}",
    "{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}[{{ (sys ~ m.content) if loop.first and sys is defined else m.content }}]{% endfor %}",
    "{% for m in messages | selectattr('role', 'ne', 'system') %}{{ m.content | trim | tojson }}{% endfor %}",
    "{%- macro kind(x) -%}{%- if x is mapping -%}map{%- elif x is string -%}str{%- elif x is iterable -%}seq{%- else -%}{{ x | string }}{%- endif -%}{%- endmacro -%}{{ kind(d) }} {{ kind(s) }} {{ kind(l) }} {{ kind(n) }} {{ kind(none) }}",
    "{% set ns = namespace(last=-1) %}{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{% if m.role == 'user' and ns.last == -1 %}{% set ns.last = i %}{% endif %}{% endfor %}{{ ns.last }}",
]


def main():
    env = environment()
    cases = []
    for template in ["{{ %s }}" % e for e in EXPRESSIONS] + TEMPLATES:
        case = {"template": template}
        try:
            case["text"] = env.from_string(template).render(**json.loads(json.dumps(VARIABLES)))
        except Exception as error:  # what Jinja refuses, we refuse
            case["refused"] = f"{type(error).__name__}: {error}"[:100]
        cases.append(case)
    path = pathlib.Path(__file__).with_name("jinja_cases.json")
    path.write_text(json.dumps({"variables": VARIABLES, "cases": cases}, indent=1) + "\n")


main()
