// SPDX-License-Identifier: Apache-2.0
#include "posttrain/base/error_text.hpp"

#include <new>
#include <stdexcept>
#include <string>

#include "posttrain/base/error.hpp"
#include "support/catch.hpp"

using posttrain::error_text;

TEST_CASE("an error of the library is printed as it is") {
  CHECK(error_text(posttrain::Error("a.json: expected x; hint: y")) ==
        "a.json: expected x; hint: y");
}

TEST_CASE("a backtrace is cut off, in each of LibTorch's forms") {
  const std::string frames =
      "frame #0: c10::Error::Error(c10::SourceLocation) + 0x8d (0x7f in libc10.so)\nframe #1: …\n";
  CHECK(error_text("Dimension specified as 0 but tensor has no dimensions\nException raised from "
                   "maybe_wrap_dim at WrapDimMinimal.cpp:29 (most recent call first):\n" +
                   frames) == "Dimension specified as 0 but tensor has no dimensions");
  CHECK(error_text("[enforce fail at x.cpp:1] a > b. 1 vs 2\n" + frames) ==
        "[enforce fail at x.cpp:1] a > b. 1 vs 2");
  CHECK(error_text("sizes differ\nC++ CapturedTraceback:\n#4 f from x.cpp:3\n") == "sizes differ");
  CHECK(error_text(frames) == "an error without a message");
}

TEST_CASE("lines become one, of a bounded length") {
  CHECK(error_text("first\r\n  second\n\nthird\n") == "first second third");
  CHECK(error_text("a\tb\x1b[31m") == "a<09>b<1b>[31m");
  CHECK(error_text(std::string(100'000, 'x')).size() <= posttrain::kLongestMessage);
}

TEST_CASE("what ran out of memory says how much was wanted, and what needs less") {
  const std::string cpu = error_text(
      "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
      "you tried to allocate 5120000000 bytes. Error code 12 (Cannot allocate memory)\nframe #0: "
      "c10::ThrowEnforceNotMet(char const*) + 0x8d\n");
  CHECK(
      cpu.starts_with("out of memory: wanted 5120000000 bytes; hint: a smaller "
                      "max_tokens_per_batch"));
  CHECK(cpu.find("gradient_checkpointing") != cpu.npos);
  CHECK(error_text("CUDA out of memory. Tried to allocate 20.50 MiB. GPU 0 has a total capacity of "
                   "139.80 GiB of which 1.2 MiB is free. Including non-PyTorch memory, this "
                   "process has 139.70 GiB memory in use. Of the allocated memory 131.20 GiB is "
                   "allocated by PyTorch, and 7.80 GiB is reserved by PyTorch but unallocated.")
            .starts_with("out of memory: wanted 20.50 MiB, 1.2 MiB of the GPU's 139.80 GiB are "
                         "free, 131.20 GiB in use by tensors, 7.80 GiB reserved beside them; "
                         "hint:"));
  CHECK(error_text("[enforce fail at alloc_cpu.cpp:83] . DefaultCPUAllocator: not enough memory: "
                   "you tried to allocate 8 bytes.")
            .starts_with("out of memory: wanted 8 bytes; hint:"));
  CHECK(error_text(std::bad_alloc()).starts_with("out of memory; hint:"));
}

TEST_CASE("an error that a kernel left behind says that the process can do no more") {
  CHECK(error_text("CUDA error: device-side assert triggered\nCUDA kernel errors might be "
                   "asynchronously reported at some other API call\n")
            .starts_with("the GPU stopped with \"device-side assert triggered\" and does no more "
                         "work for this process; hint: run again from the last checkpoint"));
}
