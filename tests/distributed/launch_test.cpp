// SPDX-License-Identifier: Apache-2.0
#include "posttrain/distributed/launch.hpp"

#include "support/catch.hpp"
#include "support/messages.hpp"

using namespace posttrain;
using posttrain::test::contains;
using posttrain::test::error_of;

namespace {

using Variables = EnvironmentVariables::Variables;

Launch resolved(const LaunchOptions& given, const Variables& variables = {},
                std::int64_t gpus = 0) {
  return resolve_launch(given, EnvironmentVariables(variables), gpus);
}

std::string error(const LaunchOptions& given, const Variables& variables = {},
                  std::int64_t gpus = 0) {
  return error_of([&] { resolved(given, variables, gpus); });
}

/// "id host:port"
std::string place(const Launch& launch) {
  return fmt::format("{} {}:{}", launch.rendezvous.id, launch.rendezvous.host,
                     launch.rendezvous.port);
}

RankPlace place_of(const LaunchOptions& given, const Variables& variables = {}) {
  return place_in(resolved(given, variables), EnvironmentVariables(variables));
}

std::string refusal(const LaunchOptions& given, const Variables& variables = {}) {
  return error_of([&] { place_of(given, variables); });
}

}  // namespace

TEST_CASE("without a word, a run is one process", "[launch]") {
  const Launch launch = resolved({});
  CHECK(launch.processes == 1);
  CHECK(launch.nodes == 1);
  CHECK(launch.rank == 0);
  CHECK(place(launch) == "0 :0");
  CHECK(launch.notes.empty());
  CHECK(resolved({.nproc_per_node = ""}, {{"PET_NNODES", ""}}).processes == 1);
}

TEST_CASE("an argument goes before the environment, which goes before the default", "[launch]") {
  const Variables variables{{"PET_NPROC_PER_NODE", " 2 "}, {"PET_NNODES", "4"},
                            {"PET_NODE_RANK", "3"},        {"PET_RDZV_ID", " run "},
                            {"MASTER_ADDR", "node0"},      {"MASTER_PORT", "29500"}};
  const Launch of_environment = resolved({}, variables);
  CHECK(of_environment.processes == 2);
  CHECK(of_environment.nodes == 4);
  CHECK(of_environment.rank == 3);
  CHECK(place(of_environment) == "run node0:29500");
  const Launch of_arguments = resolved({.nproc_per_node = 8,
                                        .nnodes = 2,
                                        .node_rank = "1",
                                        .rdzv_id = 7,
                                        .master_addr = "other",
                                        .master_port = 1},
                                       variables);
  CHECK(of_arguments.processes == 8);
  CHECK(of_arguments.nodes == 2);
  CHECK(of_arguments.rank == 1);
  CHECK(place(of_arguments) == "7 other:1");
  CHECK(of_arguments.notes.empty());
  // Each parameter by itself: an address that is given, with the port of the environment.
  CHECK(place(resolved({.master_addr = "other"}, {{"PET_MASTER_PORT", "5"}})) == "0 other:5");
  CHECK(place(resolved({.master_port = 6}, {{"PET_MASTER_ADDR", "node0"}})) == "0 node0:6");
  CHECK(place(resolved({.rdzv_endpoint = "[::1]:65535"})) == "0 ::1:65535");
  CHECK(place(resolved({}, {{"PET_RDZV_ENDPOINT", "node0:1"}})) == "0 node0:1");
}

TEST_CASE("processes are counted by a number, auto or gpu", "[launch]") {
  CHECK(resolved({.nproc_per_node = "auto"}, {}, 4).processes == 4);
  CHECK(resolved({.nproc_per_node = "GPU"}, {}, 1).processes == 1);
  CHECK(resolved({.nproc_per_node = "3"}, {}, 4).processes == 3);
  CHECK(resolved({}, {{"PET_NPROC_PER_NODE", "auto"}}, 2).processes == 2);
  CHECK(error({.nproc_per_node = "auto"}) ==
        "nproc_per_node = auto asks for one process for each GPU, and there is none here; hint: a "
        "number");
  for (const LaunchValue& bad : {LaunchValue("cpu"), LaunchValue(0), LaunchValue(-1),
                                 LaunchValue("1.5"), LaunchValue("2x"), LaunchValue(" ")}) {
    CHECK(error({.nproc_per_node = bad}) ==
          "expected nproc_per_node to be a number of processes, auto or gpu, got " + bad.text());
  }
  CHECK(error({}, {{"PET_NPROC_PER_NODE", "all"}}) ==
        "expected PET_NPROC_PER_NODE to be a number of processes, auto or gpu, got all");
}

TEST_CASE("numbers of machines are whole and fit each other", "[launch]") {
  CHECK(error({.nnodes = 0}) == "expected nnodes to be a whole number of at least 1, got 0");
  CHECK(error({}, {{"PET_NNODES", "1:4"}}) ==
        "expected PET_NNODES to be a whole number of at least 1, got 1:4");
  CHECK(error({.nnodes = "99999999999999999999"}) ==
        "expected nnodes to be a whole number of at least 1, got 99999999999999999999");
  CHECK(error({.node_rank = -1}) ==
        "expected node_rank to be a whole number of at least 0, got -1");
  CHECK(error({.node_rank = 1}) ==
        "expected node_rank to be below nnodes = 1, got 1; hint: machines are counted from 0");
  CHECK(error({.nnodes = 2}, {{"PET_NODE_RANK", "2"}}) ==
        "expected PET_NODE_RANK to be below nnodes = 2, got 2; hint: machines are counted from 0");
}

TEST_CASE("of endpoint and address one is given, or the higher level wins with a line",
          "[launch]") {
  CHECK(error({.rdzv_endpoint = "a:1", .master_addr = "b"}) ==
        "master_addr = b and rdzv_endpoint = a:1 both say where the processes meet; hint: give one "
        "of them");
  CHECK(error({}, {{"PET_RDZV_ENDPOINT", "a:1"}, {"MASTER_ADDR", "b"}}) ==
        "MASTER_ADDR = b and PET_RDZV_ENDPOINT = a:1 both say where the processes meet; hint: give "
        "one of them");
  const Launch address = resolved({.master_addr = "b"}, {{"PET_RDZV_ENDPOINT", "a:1"}});
  CHECK(place(address) == "0 b:0");
  CHECK(address.notes ==
        std::vector<std::string>{"master_addr = b goes before PET_RDZV_ENDPOINT = a:1 of the "
                                 "environment, which is ignored"});
  const Launch endpoint =
      resolved({.rdzv_endpoint = "a:1"}, {{"PET_MASTER_ADDR", "b"}, {"MASTER_PORT", "2"}});
  CHECK(place(endpoint) == "0 a:1");
  CHECK(endpoint.notes ==
        std::vector<std::string>{
            "rdzv_endpoint = a:1 goes before PET_MASTER_ADDR = b of the environment, which is "
            "ignored",
            "rdzv_endpoint = a:1 goes before MASTER_PORT = 2 of the environment, which is "
            "ignored"});
}

TEST_CASE("the two names of the environment agree where they are used", "[launch]") {
  const Variables addresses{{"PET_MASTER_ADDR", "a"}, {"MASTER_ADDR", "b"}};
  CHECK(error({}, addresses) ==
        "PET_MASTER_ADDR = a and MASTER_ADDR = b differ; hint: unset one of them");
  CHECK(place(resolved({.master_addr = "c"}, addresses)) == "0 c:0");
  CHECK(resolved({}, {{"PET_MASTER_ADDR", "a"}, {"MASTER_ADDR", "a"}}).rendezvous.host == "a");
  const Variables ports{{"MASTER_ADDR", "a"}, {"PET_MASTER_PORT", "1"}, {"MASTER_PORT", "2"}};
  CHECK(error({}, ports) ==
        "PET_MASTER_PORT = 1 and MASTER_PORT = 2 differ; hint: unset one of them");
  CHECK(place(resolved({.master_port = 3}, ports)) == "0 a:3");
}

TEST_CASE("a port has an address, one of its own, and a number that ports have", "[launch]") {
  CHECK(error({.master_port = 1}) ==
        "master_port = 1 without an address; hint: master_addr, or rdzv_endpoint = host:port");
  CHECK(error({}, {{"MASTER_PORT", "1"}}) ==
        "MASTER_PORT = 1 without an address; hint: master_addr, or rdzv_endpoint = host:port");
  CHECK(
      error({.rdzv_endpoint = "a:1", .master_port = 2}) ==
      "master_port = 2 beside rdzv_endpoint = a:1, which has a port of its own; hint: give one of "
      "them");
  CHECK(error({.master_port = 2}, {{"PET_RDZV_ENDPOINT", "a:1"}}) ==
        "master_port = 2 without an address, and PET_RDZV_ENDPOINT = a:1 has a port of its own; "
        "hint: master_addr");
  for (const LaunchValue& port : {LaunchValue(0), LaunchValue(65536), LaunchValue("http")}) {
    CHECK(error({.master_addr = "a", .master_port = port}) ==
          "expected master_port to be a whole number from 1 to 65535, got " + port.text());
  }
}

TEST_CASE("an endpoint is a host with a port", "[launch]") {
  for (const char* bad : {"a", "a:", ":1", "a:b", "a:0", "a:65536", "::1:1", "[]:1", "a b:1",
                          "http://a:1", "a:1:2"}) {
    CHECK(error({.rdzv_endpoint = bad}) ==
          std::string("expected rdzv_endpoint as host:port with a port from 1 to 65535, got ") +
              bad);
  }
  CHECK(error({}, {{"PET_RDZV_ENDPOINT", "a"}}) ==
        "expected PET_RDZV_ENDPOINT as host:port with a port from 1 to 65535, got a");
}

TEST_CASE("a launch is resolved, and this process finds its place in it", "[launch]") {
  const std::int64_t gpus = 0;
  const auto run = [&] {
    // [snippet: launch]
    const EnvironmentVariables environment;  // the process's own
    const Launch launch =
        resolve_launch({.nproc_per_node = 8, .master_addr = "node0"}, environment, gpus);
    for (const std::string& line : launch.notes) fmt::print(stderr, "{}\n", line);
    const RankPlace place = place_in(launch, environment);  // for Ranks{.place = place}
    // [/snippet]
    return place;
  };
  CHECK(error_of(run) ==
        "nproc_per_node = 8 asks for 8 processes on this machine, and no launcher started them; "
        "hint: torchrun --no-python --nproc-per-node 8 PROGRAM");
}

TEST_CASE("without a launcher there is one process on each machine", "[launch]") {
  CHECK(place_of({}).size == 1);
  CHECK(place_of({.nproc_per_node = 1, .master_addr = "a", .master_port = 1}).size == 1);
  CHECK(refusal({.nproc_per_node = 8, .nnodes = 2}) ==
        "nproc_per_node = 8 asks for 8 processes on this machine, and no launcher started them; "
        "hint: torchrun --no-python --nproc-per-node 8 --nnodes 2 PROGRAM");
  const RankPlace place =
      place_of({.nnodes = 3, .node_rank = 2, .rdzv_id = "run 7", .rdzv_endpoint = "node0:29500"});
  CHECK(place.rank == 2);
  CHECK(place.size == 3);
  CHECK(place.local_rank == 0);
  CHECK(place.local_size == 1);
  CHECK(place.host == "node0");
  CHECK(place.port == 29500);
  CHECK(place.run == "run 7");
  CHECK_FALSE(place.served);
  for (const LaunchOptions& given :
       {LaunchOptions{.nnodes = 2}, LaunchOptions{.nnodes = 2, .master_addr = "node0"}}) {
    CHECK(refusal(given) ==
          "nnodes = 2, and nothing says where the machines meet; hint: master_addr and "
          "master_port, or rdzv_endpoint = host:port, of the machine with node_rank 0");
  }
}

TEST_CASE("a launcher started what was given", "[launch]") {
  const Variables torchrun{{"RANK", "5"},
                           {"WORLD_SIZE", "8"},
                           {"LOCAL_RANK", "1"},
                           {"LOCAL_WORLD_SIZE", "4"},
                           {"MASTER_ADDR", "node0"},
                           {"MASTER_PORT", "40000"},
                           {"TORCHELASTIC_RUN_ID", "r"},
                           {"TORCHELASTIC_RESTART_COUNT", "0"},
                           {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
  CHECK(place_of({}, torchrun).rank == 5);
  const RankPlace place = place_of({.nproc_per_node = 4, .nnodes = 2, .node_rank = 1}, torchrun);
  CHECK(place.rank == 5);
  CHECK(place.size == 8);
  CHECK(refusal({.nproc_per_node = 8}, torchrun) ==
        "nproc_per_node = 8 and torchrun, which started 4 on this machine, contradict each other; "
        "hint: leave it to the launcher");
  CHECK(refusal({.nnodes = 3}, torchrun) ==
        "nnodes = 3 and torchrun, which started 8 processes, 4 of them on this machine, contradict "
        "each other; hint: leave it to the launcher");
  CHECK(refusal({.nnodes = 2, .node_rank = 0}, torchrun) ==
        "node_rank = 0 and torchrun, which made this process rank 5 of 8, contradict each other; "
        "hint: leave it to the launcher");
  CHECK(
      refusal({.rdzv_id = "other"}, torchrun) ==
      "rdzv_id = other and torchrun, whose run is r, contradict each other; hint: leave it to the "
      "launcher");
  CHECK(place_of({.rdzv_id = "r"}, torchrun).run == place_of({}, torchrun).run);
  // The environment's PET_… are torchrun's own defaults, which its command line goes before.
  Variables with_defaults = torchrun;
  with_defaults.emplace("PET_NPROC_PER_NODE", "16");
  with_defaults.emplace("PET_RDZV_ID", "default");
  CHECK(place_of({}, with_defaults).size == 8);
  CHECK(place_of({}, with_defaults).run == place_of({}, torchrun).run);
  // torchrun's store is where it says; its rendezvous was somewhere else.
  CHECK(place_of({.rdzv_endpoint = "elsewhere:1"}, torchrun).port == 40000);
  // Others have no address of their own.
  const Variables mpirun{{"OMPI_COMM_WORLD_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "2"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "0"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}};
  CHECK(contains(refusal({}, mpirun), "nothing says where they meet"));
  const RankPlace by_mpi = place_of({.master_addr = "node0", .master_port = 7}, mpirun);
  CHECK(by_mpi.rank == 1);
  CHECK(by_mpi.host == "node0");
  CHECK(by_mpi.port == 7);
  // Two runs at one address are told apart by their names.
  const LaunchOptions address{.rdzv_id = "a", .master_addr = "node0", .master_port = 7};
  CHECK(place_of(address, mpirun).run == "a/" + by_mpi.run);
  Variables beneath_torchrun = mpirun;
  beneath_torchrun.emplace("TORCHELASTIC_RUN_ID", "r");
  CHECK(place_of(address, beneath_torchrun).run == "a/" + by_mpi.run);
  // srun does not say how many there are on a machine.
  const Variables srun{{"SLURM_PROCID", "1"},
                       {"SLURM_NTASKS", "2"},
                       {"SLURM_STEP_NODELIST", "a,b"},
                       {"SLURM_JOB_ID", "1"},
                       {"SLURM_STEP_ID", "0"}};
  CHECK(place_of({.nproc_per_node = 1, .nnodes = 2}, srun).size == 2);
}
