#!/usr/bin/env python3
"""ptxas_test.py finds kernels that spill, that have too many registers, and those of which ptxas said too little."""
import unittest

import ptxas_test

NAME = "ptxas info    : Compiling entry function '{}' for 'sm_80'\n"
SPILLS = "    0 bytes stack frame, {} bytes spill stores, {} bytes spill loads\n"
USED = "ptxas info    : Used {} registers, used 1 barriers\n"


class Findings(unittest.TestCase):
    def test_a_good_kernel_is_none(self):
        text = NAME.format("k") + SPILLS.format(0, 0) + USED.format(64)
        self.assertEqual(ptxas_test.findings("cuda_ops_rows", text), (1, []))

    def test_spills_and_registers(self):
        text = NAME.format("k") + SPILLS.format(0, 8) + USED.format(65)
        n, wrong = ptxas_test.findings("cuda_ops_rows", text)
        self.assertEqual(n, 1)
        self.assertEqual(len(wrong), 2, wrong)

    def test_kernels_of_a_source_have_limits_of_their_own(self):
        for name, most in (("few_kernelI3Nf4Li1EEE", 72), ("few_kernelI3Nf4Li8EEE", 168), ("product_kernel", 168)):
            for registers in (most, most + 1):
                text = NAME.format(name) + SPILLS.format(0, 0) + USED.format(registers)
                self.assertEqual(len(ptxas_test.findings("cuda_formats_nf4", text)[1]), registers - most, name)

    def test_heads_of_each_size_have_a_limit(self):
        names = (("round_keys_kernelILi256EE", 64), ("tensor_attention_kernelILi64EE", 255),
                 ("tensor_attention_kernelILi128EE", 168), ("tensor_query_gradient_kernelILi96EE", 168),
                 ("tensor_key_gradient_kernelILi64EE", 168), ("tensor_key_gradient_kernelILi128EE", 255))
        for name, most in names:
            for registers in (most, most + 1):
                text = NAME.format(name) + SPILLS.format(0, 0) + USED.format(registers)
                self.assertEqual(len(ptxas_test.findings("cuda_attention_x", text)[1]), registers - most, name)

    def test_a_kernel_without_a_line_on_spills(self):
        second = NAME.format("second") + USED.format(8)
        for before in ("", NAME.format("first") + SPILLS.format(0, 0) + USED.format(8)):
            _, wrong = ptxas_test.findings("cuda_ops_rows", before + second)
            self.assertEqual(len(wrong), 1, before)
            self.assertIn("second: ptxas does not say", wrong[0])


if __name__ == "__main__":
    unittest.main()
