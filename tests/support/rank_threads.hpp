// SPDX-License-Identifier: Apache-2.0
// Ranks as threads of one process, which meet on the loopback.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "posttrain/base/error.hpp"
#include "posttrain/distributed/gloo.hpp"
#include "posttrain/distributed/meeting.hpp"

namespace posttrain::test {

/// A port that nobody listens at.
inline std::int64_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!bound) fail("no free port on the loopback");
  return ntohs(address.sin_port);
}

/// Places of `size` ranks of one machine.
inline std::vector<RankPlace> places(std::int64_t size) {
  const std::int64_t port = free_port();
  std::vector<RankPlace> all;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    all.push_back({.rank = rank,
                   .size = size,
                   .local_rank = rank,
                   .local_size = size,
                   .launcher = "test",
                   .host = "127.0.0.1",
                   .port = port});
  }
  return all;
}

/// Calls `work(rank's place)` on a thread for each rank; returns what each threw, empty: nothing.
template <class Work>
std::vector<std::string> on_ranks(const std::vector<RankPlace>& all, const Work& work) {
  std::vector<std::string> errors(all.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i) {
    threads.emplace_back([&, i] {
      try {
        work(all[i]);
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

/// The same with a communicator for each, by Gloo.
template <class Work>
std::vector<std::string> on_gloo(std::int64_t size, const Work& work,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  return on_ranks(places(size), [&](const RankPlace& place) {
    const Meeting meeting(place);
    const std::shared_ptr<Communicator> ranks = gloo_communicator(place, meeting, timeout);
    work(ranks);
  });
}

}  // namespace posttrain::test
