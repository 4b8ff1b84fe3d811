// SPDX-License-Identifier: Apache-2.0
#include "posttrain/io/event_file_writer.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/temp_folder.hpp"

using namespace posttrain;
using posttrain::io::EventFileWriter;
using posttrain::test::slurp;
using posttrain::test::TempFolder;

namespace {

/// Bit by bit: no table in common with the writer.
std::uint32_t checksum(std::string_view bytes) {
  std::uint32_t sum = 0xffffffffU;
  for (const char byte : bytes) {
    sum ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1U) ^ (0x82f63b78U * (sum & 1U));
  }
  sum = ~sum;
  return ((sum >> 15U) | (sum << 17U)) + 0xa282ead8U;
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    number = number << 8U | static_cast<unsigned char>(bytes[i - 1]);
  }
  return number;
}

/// A message's fields by number; numbers of four and eight bytes as their bits.
struct Message {
  std::map<int, std::vector<std::uint64_t>> numbers{};
  std::map<int, std::vector<std::string>> texts{};

  explicit Message(std::string_view bytes) {
    const auto varint = [&] {
      std::uint64_t value = 0;
      for (unsigned shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.at(0));
        bytes.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
        if (byte < 0x80) return value;
      }
    };
    const auto taken = [&](std::size_t size) {
      const std::string_view part = bytes.substr(0, size);
      REQUIRE(part.size() == size);
      bytes.remove_prefix(size);
      return part;
    };
    while (!bytes.empty()) {
      const std::uint64_t key = varint();
      const int field = static_cast<int>(key >> 3U);
      switch (key & 7U) {
        case 0:
          numbers[field].push_back(varint());
          break;
        case 1:
          numbers[field].push_back(little_endian(taken(8)));
          break;
        case 2:
          texts[field].emplace_back(taken(varint()));
          break;
        case 5:
          numbers[field].push_back(little_endian(taken(4)));
          break;
        default:
          FAIL("kind of a field");
      }
    }
  }
};

/// The events of a file, every length and content against its checksum.
std::vector<Message> events_of(const std::filesystem::path& path) {
  const std::string file = slurp(path);
  std::string_view rest = file;
  std::vector<Message> events;
  while (!rest.empty()) {
    REQUIRE(rest.size() >= 12);
    const std::uint64_t size = little_endian(rest.substr(0, 8));
    REQUIRE(little_endian(rest.substr(8, 4)) == checksum(rest.substr(0, 8)));
    REQUIRE(rest.size() >= size + 16);
    const std::string_view event = rest.substr(12, size);
    REQUIRE(little_endian(rest.substr(12 + size, 4)) == checksum(event));
    events.emplace_back(event);
    rest.remove_prefix(size + 16);
  }
  return events;
}

float value_of(const Message& value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.numbers.at(2).at(0)));
}

}  // namespace

TEST_CASE("an event file has framed records with checksums, a version first", "[io]") {
  const TempFolder scratch;
  EventFileWriter file(scratch / "logs/run", 1);
  CHECK_FALSE(file.follows_others());
  CHECK(file.path().filename().string().starts_with("events.out.tfevents."));
  const double infinity = std::numeric_limits<double>::infinity();
  file.write(1, {{"loss", 0.1}, {"rewards/märgins", -2.5}});
  file.write(300, {{"loss", std::nan("")}, {"val_loss", infinity}});
  const auto events = events_of(file.path());  // there at once, not when the file is closed
  REQUIRE(events.size() == 3);
  CHECK(events[0].texts.at(3).at(0) == "brain.Event:2");
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (const Message& event : events) {
    const double time = std::bit_cast<double>(event.numbers.at(1).at(0));
    CHECK(time == Approx(std::chrono::duration<double>(now).count()).margin(60.0));
    CHECK(event.texts.count(7) == 0);
  }
  CHECK(events[1].numbers.at(2).at(0) == 1);
  CHECK(events[2].numbers.at(2).at(0) == 300);
  const Message first(events[1].texts.at(5).at(0)), second(events[2].texts.at(5).at(0));
  REQUIRE(first.texts.at(1).size() == 2);
  CHECK(Message(first.texts.at(1)[0]).texts.at(1).at(0) == "loss");
  CHECK(value_of(Message(first.texts.at(1)[0])) == 0.1F);
  CHECK(Message(first.texts.at(1)[1]).texts.at(1).at(0) == "rewards/märgins");
  CHECK(value_of(Message(first.texts.at(1)[1])) == -2.5F);
  CHECK(std::isnan(value_of(Message(second.texts.at(1)[0]))));
  CHECK(std::isinf(value_of(Message(second.texts.at(1)[1]))));
}

TEST_CASE("a later session begins behind the earlier ones and says from which step on", "[io]") {
  const TempFolder scratch;
  std::vector<std::string> names;
  for (const std::int64_t first_step : {1, 4, 6}) {
    EventFileWriter file(scratch / "logs", first_step);
    file.write(first_step, {{"loss", 1.0}});
    CHECK(file.follows_others() == (first_step > 1));
    names.push_back(file.path().filename().string());
    const auto events = events_of(file.path());
    REQUIRE(events.size() == (first_step > 1 ? 3 : 2));
    if (first_step == 1) continue;
    CHECK(events[1].numbers.at(2).at(0) == static_cast<std::uint64_t>(first_step));
    CHECK(Message(events[1].texts.at(7).at(0)).numbers.at(1).at(0) == 1);  // START
  }
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("an event file goes behind one of the future, and where there is a folder", "[io]") {
  const TempFolder scratch;
  scratch.write("events.out.tfevents.4000000000.there.1.0", "");
  scratch.write("events.out.tfevents.odd", "");
  const EventFileWriter file(scratch.path(), 1);
  CHECK(file.follows_others());
  CHECK(file.path().filename().string().starts_with("events.out.tfevents.4000000001."));
  CHECK_THROWS_WITH(EventFileWriter(scratch / "events.out.tfevents.odd", 1),
                    Catch::Contains("found a file"));
}
