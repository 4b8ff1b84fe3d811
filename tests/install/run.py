# SPDX-License-Identifier: Apache-2.0
"""Installs the library into a scratch folder and builds a consumer in each supported way.

pkg-config with a bare compiler call, the CMake package, a Meson subproject, and FetchContent in CMake,
header-only and against the library that it compiles; each is then run.

usage: run.py BUILD_FOLDER FLAGS_FILE WORK_FOLDER LIBTORCH
"""

import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tools"))
import repo  # noqa: E402


class Failed(Exception):
    pass


def call(*command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failed(" ".join(command) + "\n" + done.stdout[-3000:])
    return done.stdout


def main():
    build, flags_file, work, libtorch = sys.argv[1:5]
    compiler = repo.load_flags(flags_file)["compiler"]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    cases = repo.Cases()
    # A cached object of another test must not stand in for a compile here.
    env = dict(os.environ, CCACHE_DISABLE="1")
    env.pop("DESTDIR", None)
    source = os.path.join(work, "source")
    shutil.copytree(os.path.join(HERE, "consumer"), source)

    stage = os.path.join(work, "stage")
    prefix = os.path.join(stage, "usr", "local")

    def installed():
        call("meson", "install", "-C", build, "--no-rebuild", "--destdir", stage, env=env)
        config = glob.glob(os.path.join(stage, "**", "posttrain.pc"), recursive=True)
        if len(config) != 1:
            raise Failed(f"expected one posttrain.pc, found {config}")
        headers = glob.glob(os.path.join(stage, "**", "batch", "forest.hpp"), recursive=True)
        if len(headers) != 1:
            raise Failed(f"expected installed headers, found {headers}")

    def by_pkg_config(package="posttrain"):
        config = glob.glob(os.path.join(stage, "**", package + ".pc"), recursive=True)[0]
        search = os.pathsep.join(filter(None, [os.path.dirname(config),
                                               os.environ.get("PKG_CONFIG_PATH", "")]))
        own = dict(env, PKG_CONFIG_PATH=search)
        flags = call("pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs",
                     package, env=own).split()
        program = os.path.join(work, package)
        call(*compiler, "-std=c++20", os.path.join(source, "consumer.cpp"), "-o", program, *flags,
             env=own)
        call(program)

    def by_cmake():
        folder = os.path.join(work, "cmake")
        call("cmake", "-S", source, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}",
             f"-DCMAKE_CXX_COMPILER={shutil.which(compiler[-1])}", env=env)
        call("cmake", "--build", folder, env=env)
        call(os.path.join(folder, "consumer"))

    def by_meson():
        # The consumer's own checkout of this library, as a wrap would put it.
        subprojects = os.path.join(source, "subprojects")
        os.makedirs(subprojects)
        os.symlink(repo.ROOT, os.path.join(subprojects, "posttrain"))
        folder = os.path.join(work, "meson")
        # Not from the installed pkg-config file, and as a subproject without tests and examples.
        call("meson", "setup", folder, source, f"-Dlibtorch={libtorch}",
             "--force-fallback-for=posttrain", env=env)
        call("ninja", "-C", folder, "-j", str(repo.jobs()), env=env)
        call(os.path.join(folder, "consumer"))

    def by_subdirectory():
        # A project that fetched this one; also against the library that it compiles itself.
        project = os.path.join(work, "fetching")
        os.makedirs(project)
        with open(os.path.join(project, "CMakeLists.txt"), "w") as file:
            file.write(f"""cmake_minimum_required(VERSION 3.20)
project(fetching LANGUAGES CXX)
include(FetchContent)
FetchContent_Declare(posttrain SOURCE_DIR {repo.ROOT})
FetchContent_MakeAvailable(posttrain)
foreach(way posttrain compiled)
  add_executable(${{way}}_consumer {source}/consumer.cpp)
  target_link_libraries(${{way}}_consumer PRIVATE posttrain::${{way}})
endforeach()
""")
        folder = os.path.join(work, "fetched")
        call("cmake", "-S", project, "-B", folder, f"-DPOSTTRAIN_LIBTORCH={libtorch}",
             f"-DCMAKE_CXX_COMPILER={shutil.which(compiler[-1])}", env=env)
        call("cmake", "--build", folder, "-j", str(repo.jobs()), env=env)
        for way in ("posttrain", "compiled"):
            call(os.path.join(folder, way + "_consumer"))

    def compiled():
        # Where the build was configured with -Dcompiled=true.
        if glob.glob(os.path.join(stage, "**", "posttrain-compiled.pc"), recursive=True):
            by_pkg_config("posttrain-compiled")

    def outcome(job):
        name, way = job
        try:
            way()
            return name, []
        except (Failed, OSError, IndexError) as error:
            return name, [str(error)]

    # The longest first.
    ways = [("CMake subdirectory", by_subdirectory), ("Meson subproject", by_meson),
            ("CMake package", by_cmake), ("pkg-config", by_pkg_config),
            ("compiled library", compiled)]
    for name, problems in [outcome(("installation", installed)), *repo.in_parallel(outcome, ways)]:
        cases.case(f"consumer: {name}", problems)
    if not cases.failed:
        shutil.rmtree(work)
    cases.finish()


if __name__ == "__main__":
    main()
