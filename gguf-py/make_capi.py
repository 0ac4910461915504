#!/usr/bin/env python3
"""Writes qlora_gguf/lib/_structs.py, _functions.py and _records.py: what the C headers say, for ctypes and type checkers.

    python3 gguf-py/make_capi.py [--check]     --check: writes nothing; exit status 1 if a file differs

Structs, enumerators and functions are never typed in by hand, so that Python cannot disagree with the library. A test
compiles the headers and compares sizes and offsets with these files (tests/lib/test_layout.py).
"""
import keyword
import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).resolve().parent
HEADERS = ("ggml/include/ql", "models/include/ql")
FUNCTIONS_OF = ("status", "dtype", "backend", "model", "adapter", "dataset", "train", "generate", "tokenizer", "chat",
                "quantize")  # the rest of the engine (graphs, plans) is not offered in Python
MORE_FUNCTIONS = ("ql_os_free",)
LEFT_OUT = ("ql_set_error", "ql_trainer_plan", "ql_session_plan")
BASIC = {"int": "c_int", "int32_t": "c_int32", "int64_t": "c_int64", "uint64_t": "c_uint64", "size_t": "c_size_t",
         "float": "c_float", "double": "c_double", "uint32_t": "c_uint32"}
# int64_t that hold a ql_dtype or a ql_base_type, and ints that are a yes or no without saying so in their comment
DTYPES = {("ql_model_options", "base_type"), ("ql_model_options", "embedding_type"), ("ql_session_options", "cache_type"),
          ("ql_quantize_options", "type"), ("ql_quantize_options", "embedding_type"), ("ql_train_options", "merge_type")}
FLAGS = {("ql_train_options", "shuffle"), ("ql_train_options", "packing"), ("ql_compose_method_info", "takes_rank"),
         ("ql_compose_method_info", "takes_density")}
CALLBACKS = {"on_progress", "on_log", "cancelled", "on_token", "on_tensor", "on_note", "on_window", "on_plan",
             "user"}  # the objects' own business
GIVEN_APART = {("ql_session_options", f) for f in ("adapters", "adapter_scales", "n_adapters")}


def read_headers():
    """Header's stem -> its text without preprocessor lines; comments stay."""
    texts = {}
    for folder in HEADERS:
        for path in sorted((HERE.parent / folder).glob("*.h")):
            texts[path.stem] = path.read_text(encoding="utf-8")
    return texts


def plain(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#[^\n]*(\\\n[^\n]*)*", " ", text, flags=re.S | re.M)


class Field:
    """One member of a struct: its declaration, and what its comment says."""

    def __init__(self, struct, declaration, name, comment):
        self.struct, self.name = struct, name
        self.comment = " ".join(comment.split())
        self.declaration = declaration
        self.is_flag = declaration == "int" and (self.comment.startswith("1 ") or self.comment.startswith("1:")
                                                 or (struct, name) in FLAGS)


def split_fields(struct, body):
    """Statements of a struct's body, each with the comment behind it, or else the one before it."""
    fields, before = [], ""
    for match in re.finditer(r"\s*(/\*.*?\*/)|\s*([^;/]+);[ \t]*(/\*(?:[^*]|\*(?!/))*\*/)?", body, flags=re.S):
        if match[1]:
            before = match[1]
            continue
        comment = re.sub(r"^/\*+|\*/$|^\s*\*\s", "", match[3] or before, flags=re.M)
        before = ""
        declaration = " ".join(match[2].split())
        if pointer := re.match(r"(.*)\(\*(\w+)\)\((.*)\)$", declaration):
            fields.append(Field(struct, f"callback {pointer[1].strip()}({pointer[3]})", pointer[2], comment))
            continue
        first = re.match(r"(.*?[\s*])(\w+(?:\[\d+\])?)((?:,.*)?)$", declaration)
        for name in [first[2]] + [n.strip() for n in first[3].split(",") if n.strip()]:
            kind = first[1].strip() if name == first[2] else re.sub(r"[\s*]+$", "", first[1]) + " *" * name.startswith("*")
            name = name.lstrip("* ")
            if array := re.match(r"(\w+)\[(\d+)\]", name):
                kind, name = f"{kind}[{array[2]}]", array[1]
            fields.append(Field(struct, kind, name, comment))
    return fields


class Api:
    def __init__(self, texts):
        self.enums, self.structs, self.opaque, self.functions, self.constants = {}, {}, set(), {}, {}
        self.callbacks = {}  # name -> the declaration of a field of that type
        for stem, text in texts.items():
            self.constants.update((n, int(v, 0)) for n, v in re.findall(r"#define (QL_\w+) (\d\w*)\b", text))
            self.constants.update(re.findall(r'#define (QL_\w+) "([^"]*)"', text))
            for body, name in re.findall(r"(?:typedef )?enum\s*\w*\s*\{(.*?)\}\s*(\w*);", text, flags=re.S):
                values = re.findall(r"(QL_\w+)\s*=\s*(-?\w+)", plain(body))
                self.enums.setdefault(name, {}).update((n, int(v, 0)) for n, v in values)
            for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, flags=re.S):
                self.structs[name] = split_fields(name, re.sub(r"^[^\n]*?/\*[^\n]*\*/", "", body, count=1)
                                                  if body.startswith(" /*") else body)
            callbacks = re.findall(r"typedef ([^;(]*?)\(\*(\w+)\)\(([^;]*?)\);", plain(text), flags=re.S)
            self.callbacks.update((name, f"callback {result.strip()}({' '.join(arguments.split())})")
                                  for result, name, arguments in callbacks)
            self.opaque.update(re.findall(r"typedef struct (ql_\w+) \1;", text))
            for result, name, arguments in re.findall(r"QL_API ([^;(]*?)(\w+)\(([^;]*?)\);", plain(text), flags=re.S):
                if (stem in FUNCTIONS_OF or name in MORE_FUNCTIONS) and name not in LEFT_OUT:
                    self.functions[name] = (result.strip(), self.arguments(arguments))
        for fields in self.structs.values():
            for field in fields:
                field.declaration = self.callbacks.get(field.declaration, field.declaration)

    @staticmethod
    def arguments(text):
        """Types of a list of arguments, without their names."""
        text = " ".join(text.split())
        if text in ("", "void"):
            return []
        types = []
        for argument in text.split(", "):
            match = re.match(r"(.*?[\s*])(\w+)(\[\w+\])?$", argument)
            types.append(match[1].strip() + (" *" if match[3] else ""))
        return types

    def ctype(self, declaration):
        """The ctypes expression of a C type. A text that the caller frees is an address."""
        if re.fullmatch(r"char\s*\*\s*\*", declaration.strip()):
            return "C.POINTER(C.c_void_p)"
        declaration = " ".join(declaration.replace("const", " ").split())
        if declaration.startswith("callback "):
            result, arguments = re.match(r"callback (.*?)\((.*)\)$", declaration).groups()
            inner = [self.ctype(a) for a in self.arguments(arguments)]
            return f"C.CFUNCTYPE({', '.join([self.ctype(result)] + inner)})"
        if array := re.match(r"(.*)\[(\d+)\]$", declaration):
            return f"{self.ctype(array[1])} * {array[2]}"
        if declaration == "void":
            return "None"
        if declaration in BASIC:
            return f"C.{BASIC[declaration]}"
        if declaration in self.enums:
            return "C.c_int"
        if declaration in self.structs:
            return declaration
        base = declaration.rstrip("* ")
        depth = declaration.count("*")
        if depth == 0:
            raise SystemExit(f"make_capi.py: the type {declaration!r} is not known")
        if base == "char":
            inner, depth = "C.c_char_p", depth - 1
        elif base == "void" or base in self.opaque:
            inner, depth = "C.c_void_p", depth - 1
        else:
            inner = self.ctype(base)
        for _ in range(depth):
            inner = f"C.POINTER({inner})"
        return inner

    def used_structs(self):
        """Structs that the functions name, and those inside of these, in the headers' order."""
        wanted = " ".join(" ".join([r] + a) for r, a in self.functions.values())
        names = {n for n in self.structs if re.search(rf"\b{n}\b", wanted)}
        while True:
            more = {n for n in self.structs for s in names for f in self.structs[s] if re.search(rf"\b{n}\b", f.declaration)}
            if more <= names:
                return [n for n in self.sorted_structs() if n in names]
            names |= more

    def sorted_structs(self):
        """A struct comes after those that it contains."""
        done = []

        def add(name):
            for field in self.structs[name]:
                for other in re.findall(r"\bql_\w+", field.declaration):
                    if other in self.structs and other not in done and other != name:
                        add(other)
            if name not in done:
                done.append(name)
        for name in self.structs:
            add(name)
        return done


def head(what):
    return f'"""{what}\n\nWritten by make_capi.py from the C headers: do not edit."""\n'


def q(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def version_of_source():
    text = (HERE.parent / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"project\(ql VERSION ([0-9.]+)", text)[1]


def write_structs(api):
    structs = api.used_structs()
    text = " ".join(f.declaration for s in structs for f in api.structs[s])
    text += " ".join(" ".join([r] + a) for r, a in api.functions.values())
    lines = [head("Structs and enumerators of the C API, for ctypes."), "import ctypes as C\n",
             f"VERSION = {q(version_of_source())}  # of the headers"]
    lines += [f"{n.removeprefix('QL_')} = {q(v) if isinstance(v, str) else v}"
              for n, v in api.constants.items() if n in ("QL_TRAINING_DATE", "QL_DATE_SIZE")]
    lines += ["", "ENUMS = {"]
    for name, values in api.enums.items():
        flags = not name and "QL_TOKENIZE_ADD_SPECIAL" in values
        if name == "ql_base_type" or flags or name and re.search(rf"\b{name}\b", text):
            numbers = [f"        {q(n)}: {v}," for n, v in values.items()]
            lines += [f"    {q(name or 'ql_tokenize_flags')}: {{", *numbers, "    },"]
    lines += ["}", ""]
    for name in structs:
        lines += ["", f"class {name}(C.Structure):", "    _fields_ = ["]
        lines += [f"        ({q(f.name)}, {api.ctype(f.declaration)})," for f in api.structs[name]]
        lines += ["    ]", ""]
    lines += ["", "ENUM_FIELDS = {  # (struct, field): the enumeration of its numbers"]
    for s in structs:
        for f in api.structs[s]:
            kind = "ql_dtype" if (s, f.name) in DTYPES else f.declaration if f.declaration in api.enums else None
            if kind:
                lines.append(f"    ({q(s)}, {q(f.name)}): {q(kind)},")
    lines += ["}", "FLAGS = {  # (struct, field): an int that says yes or no"]
    lines += [f"    ({q(s)}, {q(f.name)})," for s in structs for f in api.structs[s] if f.is_flag]
    lines += ["}", ""]
    return "\n".join(lines)


def write_functions(api):
    lines = [head("Functions of the C API, for ctypes."), "import ctypes as C\n", "from ._structs import *\n",
             "FUNCTIONS = {  # name: (result, arguments)"]
    for name, (result, arguments) in api.functions.items():
        types = ", ".join(api.ctype(a) for a in arguments)
        lines += textwrap.wrap(f"    {q(name)}: ({api.ctype(result)}, [{types}]),", 120, subsequent_indent=" " * 8)
    lines += ["}", ""]
    return "\n".join(lines)


def class_name(struct):
    return "".join(part.capitalize() for part in struct.removeprefix("ql_").split("_"))


def enum_words(api, enum):
    """What an enumerator is called in Python: QL_SCHEDULE_COSINE is "cosine"."""
    names = list(api.enums[enum])
    prefix = names[0].rsplit("_", 1)[0] + "_" if len(names) > 1 else ""
    while not all(n.startswith(prefix) for n in names):
        prefix = prefix[:-1].rsplit("_", 1)[0] + "_"
    return [n.removeprefix(prefix).lower() for n in names]


def python_name(name):
    return name + "_" if keyword.iskeyword(name) else name


def python_type(api, field):
    """The type of a field for a reader, or None for what is no value."""
    d = field.declaration.replace("const ", "").strip()
    if field.name in CALLBACKS or field.name == "size" or (field.struct, field.name) in GIVEN_APART:
        return None
    if (field.struct, field.name) in DTYPES:
        return "str | int"
    if d in api.enums:
        return "Literal[" + ", ".join(q(w) for w in enum_words(api, d)) + "]"
    if d == "char *":
        return "str | None" if field.comment.startswith("NULL") else "str"
    if d == "int":
        return "bool" if field.is_flag else "int"
    return "float" if d in ("float", "double") else "int" if d in BASIC else None


def described(line, comment):
    """A field with its comment behind it, or above it where that is too long."""
    if not comment or len(line) + len(comment) < 120:
        return [line + (f"  # {comment}" if comment else "")]
    return textwrap.wrap(comment, 120, initial_indent="    # ", subsequent_indent="    # ") + [line]


def write_records(api):
    lines = [head("What the library reports, and the options that it takes, by name."), "from __future__ import annotations\n",
             "from dataclasses import dataclass", "from typing import Literal, TypedDict\n"]
    names = []
    for struct in api.used_structs():
        fields = [(f, python_type(api, f)) for f in api.structs[struct]]
        fields = [(f, t) for f, t in fields if t]
        options = struct.endswith("_options") or struct == "ql_sampling"
        if api.structs[struct][0].name != "size":
            continue
        names.append(class_name(struct))
        lines.append("")
        lines += [f"class {class_name(struct)}(TypedDict, total=False):"] if options else \
                 ["@dataclass(frozen=True)", f"class {class_name(struct)}:"]
        lines.append(f'    """{struct} of the C headers."""')
        for f, kind in fields:
            if not options and kind.startswith("str"):
                kind = "str | None" if kind == "str | None" else "str"
            lines += described(f"    {python_name(f.name)}: {kind}", re.sub(r"\bNULL\b", "None", f.comment))
        lines.append("")
    lines += ["", "__all__ = [", *(f"    {q(n)}," for n in names), "]", ""]
    return "\n".join(lines)


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    api = Api(read_headers())
    stale = 0
    for name, text in (("_structs.py", write_structs(api)), ("_functions.py", write_functions(api)),
                       ("_records.py", write_records(api))):
        path = HERE / "qlora_gguf" / "lib" / name
        if sys.argv[1:] == ["--check"]:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                print(f"{path}: the C headers say something else; run make_capi.py", file=sys.stderr)
                stale = 1
        else:
            path.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
