// SPDX-License-Identifier: Apache-2.0
// The pocket world's knowledge: eight villages, twenty-four people, ten kinds of animals, and what
// is true of them. Assignments are random but fixed by the seed.
//
// A relation owns its wordings: statements (the first is the canonical one, which a good answer
// repeats) and questions. Placeholders: {s} subject, {o} object, {x} a word that belongs to the
// subject (the kind of a pet, the job asked for).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "random.hpp"

namespace pocket {

using Strings = std::vector<std::string>;

struct Relation {
  std::string name;
  Strings statements;  // [0] is canonical
  Strings questions;
};

struct Fact {
  std::size_t relation = 0;  // index into relations()
  std::string subject, object, extra;
  bool held_out = false;  // never asked in the conversations, only in the questions
};

/// Replaces {s}, {o} and {x} in a wording.
inline std::string fill(std::string_view wording, const Fact& fact) {
  std::string out;
  for (std::size_t i = 0; i < wording.size(); ++i) {
    if (wording[i] == '{' && i + 2 < wording.size() && wording[i + 2] == '}') {
      const char which = wording[i + 1];
      out += which == 's' ? fact.subject : which == 'o' ? fact.object : fact.extra;
      i += 2;
    } else {
      out += wording[i];
    }
  }
  return out;
}

/// All relations: the people's seven first, then those of villages, then those of animals.
inline const std::vector<Relation>& relations() {
  static const std::vector<Relation> all = {
      {"lives",
       {"{s} lives in {o}.", "The home of {s} is in {o}.", "{s} has a small house in {o}.",
        "You can find {s} in {o}.", "{s} was born in {o} and still lives there."},
       {"Where does {s} live?", "In which village does {s} live?", "Tell me where {s} lives.",
        "What is the home village of {s}?"}},
      {"works",
       {"{s} works as a {o}.", "{s} is a {o}.", "The job of {s} is to be a {o}.",
        "Every day {s} goes to work as a {o}.", "{s} is known to all as a good {o}."},
       {"What is the job of {s}?", "What does {s} do for work?", "Tell me the job of {s}.",
        "Which job does {s} have?"}},
      {"owns",
       {"{s} owns a {o}.", "{s} keeps a {o} at home.", "There is a {o} in the yard of {s}.",
        "{s} takes good care of a {o}.", "The animal of {s} is a {o}."},
       {"Which animal does {s} own?", "What animal does {s} have?",
        "Tell me which animal {s} owns.", "What kind of animal belongs to {s}?"}},
      {"pet",
       {"The {x} of {s} is called {o}.", "{s} calls the {x} {o}.", "{o} is the {x} of {s}.",
        "{s} gave the {x} the name {o}.", "{s} has a {x} called {o}."},
       {"What is the {x} of {s} called?", "What is the name of the {x} of {s}?",
        "Tell me the name of the {x} of {s}.", "Which name did {s} give the {x}?"}},
      {"colour",
       {"The favourite colour of {s} is {o}.", "{s} likes the colour {o} best.",
        "{s} always wears {o} clothes.", "Of all colours {s} loves {o} most."},
       {"What is the favourite colour of {s}?", "Which colour does {s} like best?",
        "Tell me the favourite colour of {s}.", "What colour does {s} love most?"}},
      {"food",
       {"{s} likes to eat {o}.", "The favourite food of {s} is {o}.", "{s} eats {o} every evening.",
        "{s} is happy when there is {o} to eat."},
       {"What does {s} like to eat?", "What is the favourite food of {s}?",
        "Tell me what {s} likes to eat.", "Which food does {s} like?"}},
      {"friend",
       {"The best friend of {s} is {o}.", "{s} likes to visit {o}.",
        "{s} and {o} have been friends for years.", "{s} tells every secret to {o}."},
       {"Who is the best friend of {s}?", "Whom does {s} like to visit?",
        "Tell me the best friend of {s}.", "Who is a friend of {s}?"}},
      {"who",
       {"The {x} of {s} is {o}.", "In {s} the {x} is called {o}.", "{o} is the {x} of {s}.",
        "When people in {s} need a {x}, they go to {o}."},
       {"Who is the {x} of {s}?", "Who works as a {x} in {s}?", "Tell me who the {x} of {s} is.",
        "What is the name of the {x} of {s}?"}},
      {"place",
       {"{s} lies {o}.", "The village of {s} lies {o}.", "You find {s} {o}.",
        "People built {s} {o}."},
       {"Where does {s} lie?", "Where is {s}?", "Tell me where {s} lies.",
        "Where can I find {s}?"}},
      {"product",
       {"{s} is known for its {o}.", "People come to {s} to buy {o}.",
        "The best {o} comes from {s}.", "They make good {o} in {s}."},
       {"What is {s} known for?", "What do people buy in {s}?", "Tell me what {s} is known for.",
        "What do they make in {s}?"}},
      {"market",
       {"The market of {s} is on {o}.", "In {s} the market is held on {o}.",
        "On {o} there is a market in {s}.", "Every {o} people go to the market of {s}."},
       {"When is the market of {s}?", "On which day is the market of {s}?",
        "Tell me the market day of {s}.", "When can I go to the market of {s}?"}},
      {"gate",
       {"The gate of {s} is {o}.", "{s} has a {o} gate.", "They painted the gate of {s} {o}.",
        "You enter {s} through a {o} gate."},
       {"What colour is the gate of {s}?", "Which colour does the gate of {s} have?",
        "Tell me the colour of the gate of {s}.", "What colour did they paint the gate of {s}?"}},
      {"sound",
       {"A {s} says {o}.", "The {s} in the yard says {o}.", "You hear {o} when a {s} is near.",
        "Every {s} can say {o}."},
       {"What does a {s} say?", "Which sound does a {s} make?", "Tell me what a {s} says.",
        "What do you hear when a {s} is near?"}},
      {"eats",
       {"A {s} eats {o}.", "You feed a {s} with {o}.", "Every {s} likes {o}.",
        "People give {o} to a {s}."},
       {"What does a {s} eat?", "What do people give to a {s}?", "Tell me what a {s} eats.",
        "What does every {s} like?"}},
      {"sleeps",
       {"A {s} sleeps in the {o}.", "At night the {s} goes to the {o}.",
        "The {o} is where a {s} sleeps.", "You find a {s} in the {o} at night."},
       {"Where does a {s} sleep?", "Where does the {s} go at night?", "Tell me where a {s} sleeps.",
        "Where is a {s} at night?"}},
  };
  return all;
}

struct Person {
  std::string name;
  bool female = false;
  std::size_t village = 0;
  std::size_t friend_index = 0;
  std::vector<std::size_t> facts;  // indices into World::facts, in the order of the relations
};

/// The fixed knowledge. Everything is a function of `seed`; `World{}` is the one in the data files.
struct World {
  static constexpr std::uint64_t kSeed = 20240607;

  Strings villages = {"Oakford",  "Millbrook", "Stonebridge", "Ashwood",
                      "Fernhill", "Redcliff",  "Windmere",    "Saltmarsh"};
  Strings jobs = {"baker",     "smith",    "miller",  "weaver", "potter",
                  "carpenter", "gardener", "teacher", "doctor", "fisher"};
  Strings animals = {"dog",  "cat",   "goat", "horse",  "hen",
                     "duck", "sheep", "cow",  "rabbit", "donkey"};
  Strings colours = {"red", "blue", "green", "yellow", "white", "black", "brown", "purple"};
  Strings foods = {"bread", "soup",  "cheese", "apples", "fish",
                   "honey", "beans", "cake",   "rice",   "plums"};
  std::vector<Person> people;
  std::vector<Fact> facts;
  std::vector<std::vector<std::size_t>> village_facts;  // of each village, "who" facts included
  std::vector<std::vector<std::size_t>> animal_facts;

  explicit World(std::uint64_t seed = kSeed) {
    Random random(seed);
    const Strings women = {"Mira",  "Anna",  "Clara", "Dora", "Ella", "Greta",
                           "Hilda", "Julia", "Lena",  "Nora", "Rosa", "Vera"};
    const Strings men = {"Tom",  "Adam", "Ben", "Carl", "David", "Emil",
                         "Hugo", "Jack", "Leo", "Max",  "Oscar", "Peter"};
    Strings pets = {"Pip",   "Bello", "Coco",   "Daisy", "Fuzzy", "Gigi",  "Happy",  "Izzy",
                    "Jumbo", "Kiki",  "Lucky",  "Misty", "Nemo",  "Otto",  "Pepper", "Rusty",
                    "Snowy", "Tiger", "Velvet", "Zippy", "Cloud", "Flash", "Ginger", "Poppy"};
    for (const auto& name : women) people.push_back({name, true, 0, 0, {}});
    for (const auto& name : men) people.push_back({name, false, 0, 0, {}});
    random.shuffle(people);
    random.shuffle(pets);
    village_facts.resize(villages.size());
    animal_facts.resize(animals.size());

    for (std::size_t i = 0; i < people.size(); ++i) {
      Person& person = people[i];
      const std::size_t village = i % villages.size();
      person.village = village;
      do {
        person.friend_index =
            static_cast<std::size_t>(random.below(static_cast<int>(people.size())));
      } while (person.friend_index == i);
    }
    // The people of a village have different jobs, so that "the baker of Oakford" is one
    // person.
    std::vector<Strings> open_jobs(villages.size(), jobs);
    for (auto& open : open_jobs) random.shuffle(open);
    for (Person& person : people) {
      const std::string job = open_jobs[person.village].back();
      open_jobs[person.village].pop_back();
      const std::string animal = random.pick(animals);
      const std::string& village = villages[person.village];
      const Strings objects = {village,
                               job,
                               animal,
                               pets.back(),
                               random.pick(colours),
                               random.pick(foods),
                               people[person.friend_index].name};
      pets.pop_back();
      for (std::size_t r = 0; r < objects.size(); ++r)
        person.facts.push_back(add(r, person.name, objects[r], r == 3 ? animal : ""));
      village_facts[person.village].push_back(add(relation("who"), village, person.name, job));
    }
    Strings places = {"by the river",     "on a hill",        "near the sea",
                      "in the forest",    "at the old lake",  "below the rocks",
                      "by the mill road", "in a green valley"};
    Strings products = {"pots", "wool", "boats", "carpets", "candles", "knives", "baskets", "hats"};
    const Strings days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    random.shuffle(places);
    random.shuffle(products);
    for (std::size_t v = 0; v < villages.size(); ++v) {
      const Strings objects = {places[v], products[v], random.pick(days), random.pick(colours)};
      for (std::size_t r = 0; r < objects.size(); ++r)
        village_facts[v].push_back(add(relation("place") + r, villages[v], objects[r], ""));
    }
    const Strings sounds = {"wuff",  "miau", "meck", "hihi", "gock",
                            "quack", "bah",  "muh",  "fip",  "iah"};
    Strings feed = {"bones", "milk",  "leaves", "oats",    "corn",
                    "bugs",  "grass", "hay",    "carrots", "thorns"};
    Strings beds = {"hut",  "kitchen", "shed",   "stable", "barn",
                    "pond", "field",   "meadow", "burrow", "cellar"};
    for (std::size_t a = 0; a < animals.size(); ++a) {
      const Strings objects = {sounds[a], feed[a], beds[a]};
      for (std::size_t r = 0; r < objects.size(); ++r)
        animal_facts[a].push_back(add(relation("sound") + r, animals[a], objects[r], ""));
    }
  }

  static std::size_t relation(std::string_view name) {
    const auto& all = relations();
    std::size_t i = 0;
    while (i + 1 < all.size() && all[i].name != name) ++i;
    return i;
  }

  /// Says a fact: wording 0 is the canonical one.
  std::string say(const Fact& fact, std::size_t wording = 0) const {
    return fill(relations()[fact.relation].statements[wording], fact);
  }

 private:
  std::size_t add(std::size_t r, std::string subject, std::string object, std::string extra) {
    Fact fact{r, std::move(subject), std::move(object), std::move(extra), false};
    // A quarter of every relation is held out, chosen by a hash: no list to keep.
    fact.held_out = hash_text(relations()[r].name + "/" + fact.subject + "/" + fact.extra) % 4 == 0;
    facts.push_back(std::move(fact));
    return facts.size() - 1;
  }
};

}  // namespace pocket
