"""The package's commands: python -m qlora_gguf dump|verify|convert|plot-metrics."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import __version__, adapters, checkpoints, gguf, metrics
from .errors import GgufError, one_line
from .gguf import GgufFile, ValueType
from .gguf.format import excerpt
from .verify import verify

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def _value_text(file: GgufFile, key: str, whole: bool) -> str:
    """A key's type and value on one line; of arrays and long texts the beginning, unless the whole is asked for."""
    value, kind = file.keys[key], file.keys.type(key)
    if kind != ValueType.ARRAY:
        text = repr(value) if isinstance(value, str) else str(value)
        return f"{kind.label} {text if whole or len(text) <= 100 else text[:100] + '...'}"
    items = value.tolist() if isinstance(value, np.ndarray) else value
    shown = items if whole else items[:6]
    more = "" if len(shown) == len(items) else ", ..."
    element = file.keys.element_type(key)
    return f"{element.label if element else ''}[{len(items)}] [{', '.join(map(repr, shown))}{more}]"


def dump(options: argparse.Namespace) -> int:
    with gguf.open(options.file) as file:
        if options.key:
            if options.key not in file.keys:
                raise GgufError(f"key '{excerpt(options.key)}' is missing", file.path)
            print(one_line(_value_text(file, options.key, whole=True)))
            return DONE
        n = sum(t.n_elements for t in file.tensors.values())
        print(f"{file.path}: GGUF version {file.version}, {len(file.keys)} keys, {len(file.tensors)} tensors, {n} weights, "
              f"aligned to {file.alignment}")
        for key in file.keys:
            print(one_line(f"  {key} = {_value_text(file, key, whole=False)}"))
        for t in file.tensors.values():
            print(one_line(f"  {t.name:<40} {t.dtype.label:<8} {list(t.shape)!s:<18} {t.n_bytes} bytes at {t.offset}"))
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    report = verify(options.file)
    for note in report.notes:
        print(one_line(f"note: {note}"), file=sys.stderr)
    for fault in report.faults:
        print(one_line(f"qlora-gguf: {options.file}: {fault}"), file=sys.stderr)
    if report.faults:
        return BAD_INPUT
    print(f"{options.file}: sound, {report.n_tensors} tensors, {report.n_elements} weights, {report.n_bytes} bytes")
    return DONE


def _base(options: argparse.Namespace) -> adapters.Base:
    if options.base is None:
        raise GgufError("--base MODEL is needed, which says how rows are ordered (GGUF, or a Hugging Face directory)",
                        options.source)
    return adapters.Base.open(options.base)


def _say_notes(adapter: adapters.Adapter) -> None:
    for note in adapter.notes:
        print(one_line(f"note: {note}"), file=sys.stderr)


def _refuse_type(options: argparse.Namespace) -> None:
    if options.type is not None:
        raise GgufError("--type is for checkpoints; an adapter stays f32", options.source)


def _refuse_overwriting(output: str, *inputs: str | None) -> None:
    """An output that is one of the inputs, or a file of a directory that is one. GGUF files are read from no directory."""
    for path in inputs:
        if path is None or not os.path.exists(path) or not os.path.exists(output):
            continue
        inside = (os.path.isdir(path) and os.path.isfile(output) and not output.endswith(".gguf")
                  and any(os.path.samefile(os.path.dirname(name), path) for name in (os.path.abspath(output), os.path.realpath(output))))
        if inside or os.path.samefile(path, output):
            raise GgufError(f"is {'a file of ' if inside else ''}the input {path} and would be overwritten; choose another name",
                            output)


def convert(options: argparse.Namespace) -> int:
    source, output = options.source, options.output
    _refuse_overwriting(output, source, options.base)
    if os.path.isdir(source) and os.path.exists(os.path.join(source, "config.json")):
        with checkpoints.Checkpoint.open(source) as checkpoint:
            checkpoints.write_checkpoint(checkpoint, output, options.type,
                                         lambda note: print(one_line(f"note: {note}"), file=sys.stderr))
        print(f"{output}: the model {one_line(checkpoint.name)} as GGUF")
        return DONE
    _refuse_type(options)
    if os.path.isdir(source):
        base = _base(options)
        adapter = adapters.read_peft(source, base, any_base=options.force)
        _say_notes(adapter)
        adapters.write_gguf(adapter, output, base, any_base=options.force)
        print(f"{output}: an adapter of {len(adapter.matrices)} matrices as GGUF")
        return DONE
    with gguf.open(source) as file:
        if not adapters.is_adapter(file):
            raise GgufError("is a model in GGUF already; ql-quantize changes its type", source)
    base = _base(options)
    adapter = adapters.read_gguf(source, base, any_base=options.force)
    _say_notes(adapter)
    adapters.write_peft(adapter, base, output, any_base=options.force)
    print(f"{output}: an adapter of {len(adapter.matrices)} matrices as a PEFT directory")
    return DONE


def plot_metrics(options: argparse.Namespace) -> int:
    _refuse_overwriting(options.output, *options.files)
    try:
        metrics.plot(options.files, options.output)
    except ImportError as e:
        raise GgufError(f"plots need matplotlib ({e}): pip install 'qlora-gguf[plot]'") from None
    print(options.output)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qlora-gguf", description="Looks at GGUF files, checks and makes them.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="dump|verify|convert|plot-metrics")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    c = add("dump", dump, "Prints keys and tensors of a GGUF file.")
    c.add_argument("file")
    c.add_argument("--key", metavar="NAME", help="prints this key's whole value alone")
    c = add("verify", run_verify, "Decodes every tensor; says what is no number, or all zeros.")
    c.add_argument("file")
    c = add("convert", convert, "A Hugging Face directory to GGUF; a PEFT directory to a GGUF adapter, and back.")
    c.add_argument("source", help="model directory, PEFT directory or GGUF adapter")
    c.add_argument("-o", "--output", required=True, help="a file, or a directory for PEFT; an existing one is replaced")
    c.add_argument("--base", metavar="MODEL", help="the adapter's base: GGUF file or Hugging Face directory")
    c.add_argument("--force", action="store_true", help="over any base, though the adapter says that it was trained on another")
    c.add_argument("--type", metavar="TYPE", help="of the layers' matrices (default: as in the checkpoint)")
    c = add("plot-metrics", plot_metrics, "Draws loss and learning rate of metrics files as PNG.")
    c.add_argument("files", nargs="+", metavar="METRICS.jsonl")
    c.add_argument("-o", "--output", required=True, metavar="FILE.png")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 1 the run failed, 2 bad usage or input, 130 interrupted; an error is one line."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it ends
        return DONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except (GgufError, ValueError) as e:
        print(one_line(f"qlora-gguf: {e}"), file=sys.stderr)
        return BAD_INPUT
    except OSError as e:
        where = f"{e.filename}: " if e.filename is not None else ""
        print(one_line(f"qlora-gguf: {where}{e.strerror or e}"), file=sys.stderr)
        return BAD_INPUT if isinstance(e, (FileNotFoundError, IsADirectoryError, NotADirectoryError)) else FAILED


if __name__ == "__main__":
    sys.exit(main())
