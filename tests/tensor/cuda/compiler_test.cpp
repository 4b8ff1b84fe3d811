// SPDX-License-Identifier: Apache-2.0
#include "posttrain/tensor/cuda/compiler.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "posttrain/tensor/cuda/kernel.hpp"
#include "posttrain/tensor/ops.hpp"
#include "support/catch.hpp"
#include "support/device_programs.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;

TEST_CASE("every kernel compiles for every architecture", "[nvrtc]") {
  const cuda::Compiler& compiler = cuda::Compiler::get();
  if (!compiler.error().empty()) POSTTRAIN_SKIP("no NVRTC: " << compiler.error());
  const int architecture = GENERATE(80, 90, 100, 120);
  for (const cuda::DeviceProgram* program : test::kDevicePrograms) {
    for (const auto& [element, v] : {std::pair{at::kFloat, 1}, std::pair{at::kFloat, 4},
                                     std::pair{at::kBFloat16, 1}, std::pair{at::kBFloat16, 8}}) {
      CAPTURE(program->name, element, v, architecture);
      const cuda::Compiled made =
          compiler.compile(cuda::source_of(*program, element, v), architecture);
      CHECK(made.error == "");
      CHECK(made.image.size() > 500);
    }
  }
}

TEST_CASE("a program that does not compile gives the compiler's log") {
  const cuda::Compiler& compiler = cuda::Compiler::get();
  if (!compiler.error().empty()) POSTTRAIN_SKIP("no NVRTC: " << compiler.error());
  const cuda::Compiled made = compiler.compile("no_such_type x;", 90);
  CHECK(made.image.empty());
  CHECK_THAT(made.error, Catch::Contains("no_such_type"));
}

TEST_CASE("a folder keeps what was compiled for other processes") {
  const cuda::Compiler& compiler = cuda::Compiler::get();
  if (!compiler.error().empty()) POSTTRAIN_SKIP("no NVRTC: " << compiler.error());
  const test::TempFolder folder;
  ::setenv("POSTTRAIN_KERNEL_CACHE", folder.path().c_str(), 1);
  const std::string source = cuda::source_of(cuda::kRmsNorm, at::kFloat, 1);
  const cuda::Compiled first = compiler.compile(source, 90);
  std::string name;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    CHECK(name.empty());  // one file, and nothing half written beside it
    name = entry.path().filename();
  }
  CHECK_THAT(name, Catch::Contains("posttrain-"));
  folder.write(name, "from the folder");
  CHECK(compiler.compile(source, 90).image == "from the folder");
  CHECK(compiler.compile(source, 100).image.size() > 500);  // another architecture, another file
  ::unsetenv("POSTTRAIN_KERNEL_CACHE");
  CHECK(compiler.compile(source, 90).image == first.image);
}
