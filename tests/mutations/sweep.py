#!/usr/bin/env python3
"""Mutation sweep: breaks the code one line at a time and looks whether a test fails.

    tests/mutations/sweep.py [TABLE ...] [--only TEXT] [--all-tests] [--check] [--scratch DIR] [-j N]

        TABLE        tables to take, such as train.toml; default: all beside this script
        --only TEXT  rows whose file or reason holds TEXT
        --all-tests  run the whole program for a row rather than the tests that it names: which tests catch a new row
        --check      only look whether every row applies; builds nothing
        --scratch    where the copy of the sources is built; default: build/mutations. Kept between runs
        -j N         compilers at once; default: one for each core

A table is TOML: `program`, the test program of its rows, and one [[mutation]] for each change, with

        file         path from the root
        old, new     text of the file, which must be there exactly once, and what takes its place
        tests        filter of GoogleTest: the tests that must fail
        why          what is wrong then, in a line
        program      where it is another one than the table's

Sources are copied, so that the tree itself stays as it is; ccache is used where it is installed, and all tables take half
an hour on two cores. A row of which no test fails has SURVIVED: write the test. A row whose text is not there, or there
more than once, which does not compile, or which names no test is STALE: the code has moved on, so move the row. One that
hangs counts as caught. Exits with 1 if a row survived or is stale, with 2 where the sweep itself cannot run.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NOT_COPIED = ("build", "install", "__pycache__", ".", "findings")  # beginnings of folders' names
LIMIT_SECONDS = 300  # of one run of tests; the slowest takes a tenth of it


class Stale(Exception):
    """A row that no longer says anything about the code."""


class Unusable(Exception):
    """The sweep cannot run."""


def read_rows(tables, only):
    rows = []
    for name in tables:
        with open(os.path.join(HERE, name), "rb") as file:
            table = tomllib.load(file)
        for row in table["mutation"]:
            row.setdefault("program", table["program"])
            row["table"] = name
            if only in row["file"] or only in row["why"]:
                rows.append(row)
    return rows


def mutated(row, root):
    """The file's text with the row's change."""
    path = os.path.join(root, row["file"])
    if not os.path.exists(path):
        raise Stale("there is no such file")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    places = text.count(row["old"])
    if places != 1:
        raise Stale(f"its text is there {places} times: {row['old']}")
    return text, text.replace(row["old"], row["new"])


class Scratch:
    """A copy of the sources with a build of its own."""

    def __init__(self, folder, jobs):
        self.source = os.path.join(folder, "source")
        self.build = os.path.join(self.source, "build", "release")
        self.jobs = jobs
        self.environment = dict(os.environ)
        if shutil.which("ccache"):
            self.environment.setdefault("CMAKE_CXX_COMPILER_LAUNCHER", "ccache")
            self.environment.setdefault("CCACHE_BASEDIR", folder)
            self.environment.setdefault("CCACHE_NOHASHDIR", "1")

    def copy(self):
        """Makes the copy equal to the tree; files that are already equal keep their time, so that nothing is rebuilt."""
        there = set()
        for folder, subfolders, names in os.walk(ROOT):
            subfolders[:] = [s for s in subfolders if not s.startswith(NOT_COPIED)]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                there.add(path)
                self.copy_file(path)
        for folder, subfolders, names in os.walk(self.source):
            subfolders[:] = [s for s in subfolders if not s.startswith(NOT_COPIED)]
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.source)
                if path not in there:
                    os.remove(os.path.join(self.source, path))

    def copy_file(self, path):
        source, target = os.path.join(ROOT, path), os.path.join(self.source, path)
        if os.path.islink(source) or not os.path.isfile(source):
            return
        with open(source, "rb") as file:
            data = file.read()
        if os.path.exists(target):
            with open(target, "rb") as file:
                if file.read() == data:
                    return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(data)
        shutil.copymode(source, target)

    def run(self, command, **options):
        return subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", **options)

    def configure(self):
        done = self.run(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                         "-DQL_BUILD_TESTS=ON", "-DQL_BUILD_PROGRAMS=ON"])
        if done.returncode != 0:
            raise Unusable("cmake failed:\n" + done.stdout)

    def make(self, program):
        """Builds a test program; returns "" or the compiler's words."""
        done = self.run(["cmake", "--build", self.build, "-j", str(self.jobs), "--target", program])
        return "" if done.returncode == 0 else done.stdout

    def write(self, path, text):
        with open(os.path.join(self.source, path), "w", encoding="utf-8") as file:
            file.write(text)

    def names(self, program, tests):
        """The tests that a filter names."""
        done = self.run([os.path.join(self.build, "bin", program), "--gtest_filter=" + tests, "--gtest_list_tests"])
        return [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]

    def failures(self, program, tests):
        """Names of the tests that fail; one word if the program hangs or crashes."""
        command = [os.path.join(self.build, "bin", program), "--gtest_filter=" + tests, "--gtest_brief=1"]
        try:
            done = self.run(command, timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return ["(hangs)"]
        failed = sorted({line.split()[3].rstrip(",") for line in done.stdout.splitlines()
                         if line.startswith("[  FAILED  ] ") and "." in line and "(" in line})
        return failed or ([] if done.returncode == 0 else ["(crashes)"])


def try_row(scratch, row, tests):
    """The tests that fail with the row's change."""
    text, changed = mutated(row, scratch.source)
    scratch.write(row["file"], changed)
    try:
        words = scratch.make(row["program"])
        if words:
            raise Stale("it does not compile: " + "; ".join(t for t in words.splitlines() if "error:" in t))
        return scratch.failures(row["program"], tests)
    finally:
        scratch.write(row["file"], text)


def check_sound(scratch, program, rows):
    """Builds a program without any change; every test that a row names passes then."""
    words = scratch.make(program)
    if words:
        raise Unusable(f"{program} does not build:\n{words}")
    failed = scratch.failures(program, ":".join(dict.fromkeys(row["tests"] for row in rows)))
    if failed:
        raise Unusable(f"{program} fails without any change: {' '.join(failed)}")


def outcome(scratch, row, all_tests):
    try:
        if scratch is None:
            mutated(row, ROOT)
            return "applies", ""
        if not scratch.names(row["program"], row["tests"]):
            raise Stale(f"{row['program']} has no test {row['tests']}")
        failed = try_row(scratch, row, "*" if all_tests else row["tests"])
        return ("caught", " ".join(failed[:6])) if failed else ("SURVIVED", row["tests"])
    except Stale as stale:
        return "STALE", str(stale)


def sweep(arguments):
    rows = read_rows(arguments.tables or sorted(n for n in os.listdir(HERE) if n.endswith(".toml")), arguments.only)
    rows.sort(key=lambda row: (row["program"], row["file"]))  # neighbours share most of their build
    scratch = None
    if not arguments.check:
        scratch = Scratch(os.path.abspath(arguments.scratch), arguments.jobs)
        scratch.copy()
        scratch.configure()
    counts, sound = {}, None
    for row in rows:
        if scratch and row["program"] != sound:
            sound = row["program"]
            check_sound(scratch, sound, [r for r in rows if r["program"] == sound])
        word, more = outcome(scratch, row, arguments.all_tests)
        counts[word] = counts.get(word, 0) + 1
        print(f"{word:9} {row['file']}: {row['why']}" + (f"  [{more}]" if more else ""), flush=True)
    print(f"{len(rows)} mutations: " + (", ".join(f"{n} {word}" for word, n in sorted(counts.items())) or "none"))
    return 1 if "SURVIVED" in counts or "STALE" in counts or not rows else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--only", default="")
    parser.add_argument("--all-tests", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--scratch", default=os.path.join(ROOT, "build", "mutations"))
    parser.add_argument("-j", dest="jobs", type=int, default=os.cpu_count())
    try:
        return sweep(parser.parse_args())
    except Unusable as reason:
        print(reason, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
