#!/usr/bin/env python3
"""tools/gpu-check.sh: where there is no card it says so in a line and ends with 77; its report of the emulation has every field.

    gpu_check_test.py BIN       the folder with the built programs
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else ROOT / "build/release/bin"
STEPS = ["conformance", "gradients", "training", "sanitizer", "products", "train", "infer", "peers"]


def check(*options, path=None):
    environment = {**os.environ, **({"PATH": path} if path else {})}
    return subprocess.run([str(ROOT / "tools/gpu-check.sh"), *options], capture_output=True, text=True, env=environment,
                          check=False)


class GpuCheck(unittest.TestCase):
    def test_without_a_driver_it_says_so_and_ends_with_77(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bash", "dirname", "env"):  # and no nvidia-smi
                os.symlink(f"/usr/bin/{name}", os.path.join(folder, name))
            done = check(path=folder)
        self.assertEqual(done.returncode, 77, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("no NVIDIA driver", done.stderr)

    def test_options_that_are_wrong(self):
        for options, words in ((("--device", "cpu"), "'cpu' is no card"), (("--minutes", "0"), "'0' is no number"),
                               (("--out",), "--out needs a value")):
            done = check(*options)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_the_emulations_report_has_every_field(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "report"
            done = check("--device", "cuda-emu", "--bin", str(BIN), "--out", str(out))
            self.assertEqual(done.returncode, 0, done.stderr)
            report = json.loads((out / "report.json").read_text(encoding="utf-8"))
            text = (out / "report.md").read_text(encoding="utf-8")
        self.assertEqual(list(report), ["version", "device", "card", "build_seconds", "steps", "passed"])
        self.assertEqual(report["card"], {"name": "emulated", "capability": "8.6", "driver": "none", "memory_mib": 4096})
        self.assertIs(report["passed"], True)
        self.assertEqual(list(report["steps"]), STEPS)
        for name, step in report["steps"].items():
            self.assertEqual(list(step), ["what", "status", "detail", "seconds", "values"], name)
            self.assertIn(f"| {name} |", text)
        status = {name: step["status"] for name, step in report["steps"].items()}
        self.assertEqual([status[n] for n in ("conformance", "training")], ["passed"] * 2)
        self.assertEqual([status[n] for n in ("products", "train", "infer")], ["measured"] * 3)
        self.assertEqual([status[n] for n in ("sanitizer", "peers")], ["skipped"] * 2)
        values = {name: step["values"] for name, step in report["steps"].items()}
        self.assertGreater(values["conformance"]["cases"], 50)
        self.assertEqual(len(values["training"]["card_bf16"]), 6)
        self.assertTrue(all(row["unit"] for name in ("products", "train", "infer") for row in values[name]))


if __name__ == "__main__":
    unittest.main()
