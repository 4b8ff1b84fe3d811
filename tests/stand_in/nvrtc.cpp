// SPDX-License-Identifier: Apache-2.0
// NVRTC of the stand-in device: a program "compiles" to the name of its form, "bf16 8", by which
// the stand-in's driver finds the same code compiled for the host.
#include <cstddef>
#include <cstring>
#include <string>

namespace {

struct Program {
  std::string source, image;
};

constexpr char kLog[] = "identifier \"no_such_type\" is undefined\n";

std::string between(const std::string& text, const std::string& before, char after) {
  const std::size_t begin = text.find(before);
  if (begin == text.npos) return {};
  const std::size_t from = begin + before.size();
  return text.substr(from, text.find(after, from) - from);
}

int copied(const std::string& text, char* out) {
  std::memcpy(out, text.c_str(), text.size() + 1);
  return 0;
}

}  // namespace

extern "C" {
int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return 0;
}
int nvrtcCreateProgram(void** program, const char* source, const char* /*name*/, int /*headers*/,
                       const char* const* /*texts*/, const char* const* /*names*/) {
  *program = new Program{source, {}};
  return 0;
}
int nvrtcDestroyProgram(void** program) {
  delete static_cast<Program*>(*program);
  return 0;
}
int nvrtcCompileProgram(void* program, int /*options*/, const char* const* /*texts*/) {
  auto& made = *static_cast<Program*>(program);
  if (made.source.find("no_such_type") != made.source.npos) return 6;  // NVRTC_ERROR_COMPILATION
  made.image =
      between(made.source, "typedef ", ' ') + " " + between(made.source, "constexpr int V = ", ';');
  return 0;
}
int nvrtcGetProgramLogSize(void* /*program*/, std::size_t* size) {
  *size = sizeof(kLog);
  return 0;
}
int nvrtcGetProgramLog(void* /*program*/, char* log) { return copied(kLog, log); }
int nvrtcGetCUBINSize(void* program, std::size_t* size) {
  *size = static_cast<Program*>(program)->image.size() + 1;
  return 0;
}
int nvrtcGetCUBIN(void* program, char* image) {
  return copied(static_cast<Program*>(program)->image, image);
}
int nvrtcGetPTXSize(void* program, std::size_t* size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(void* program, char* image) { return nvrtcGetCUBIN(program, image); }
int nvrtcGetNumSupportedArchs(int* count) {
  *count = 1;
  return 0;
}
int nvrtcGetSupportedArchs(int* architectures) {
  *architectures = 120;
  return 0;
}
}
