// SPDX-License-Identifier: Apache-2.0
#include "posttrain/jinja/limits.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/render.hpp"
#include "posttrain/jinja/extra.hpp"
#include "posttrain/jinja/filters.hpp"
#include "posttrain/jinja/string_methods.hpp"
#include "posttrain/jinja/tests.hpp"
#include "support/catch.hpp"

using namespace posttrain::text::jinja;

namespace {

constexpr std::size_t kLong = 65536;  // bytes of each text, and 1000 rounds of at least 1 per 64
constexpr std::int64_t kAllowed = 100000;

/// Texts that differ at their ends only, lists and a dict with long keys.
Dict big_variables() {
  const std::string stem(kLong, 'a');
  List numbers, texts, pairs, records;
  Dict dict, other;
  for (int i = 0; i < 3000; ++i) {
    numbers.emplace_back(i % 2 == 0 ? i : -i);
    texts.emplace_back(std::string(40, 'a') + std::to_string(i % 50));
    pairs.push_back(Value(List{"k", i}, Sequence::kTuple));
    Dict record;
    record.set("k", i % 7);
    records.emplace_back(record);
  }
  for (int i = 0; i < 200; ++i) {
    dict.set(std::string(4000, 'k') + std::to_string(i), i);
    other.set(std::string(4000, 'k') + std::to_string(199 - i), 199 - i);
  }
  Dict variables;
  variables.set("a", stem + "b");
  variables.set("c", stem + "c");
  variables.set("half", std::string(kLong / 2, 'a') + "b");
  variables.set("tail", "b" + stem);
  variables.set("blank", std::string(kLong, ' ') + "b" + std::string(kLong, ' '));
  variables.set("digits", std::string(kLong, '7'));
  variables.set("lines", std::string(kLong, '\n'));
  variables.set("cased", "A" + stem);
  variables.set("html", "<b>&" + stem + "</b>");
  variables.set("numbers", numbers);
  variables.set("texts", texts);
  variables.set("pairs", pairs);
  variables.set("records", records);
  variables.set("d", dict);
  variables.set("e", other);
  variables.set("key", std::string(4000, 'k') + "199");
  return variables;
}

/// How a thousand rounds of an expression end: a message, or nothing where they came to an end.
std::string thousand_rounds(const std::string& expression) {
  static const Dict variables = big_variables();
  const std::string source =
      "{% for i in range(1000) %}{% set x = " + expression + " %}{% endfor %}";
  const Tree tree = Parser(source).run();
  try {
    Evaluator(tree, variables, kAllowed).run();
  } catch (const posttrain::Error& error) {
    return error.what();
  }
  return {};
}

void check_that_it_pays(const std::string& expression) {
  INFO(expression);
  CHECK_THAT(thousand_rounds(expression), Catch::Contains("too many steps"));
}

}  // namespace

TEST_CASE("An account bounds steps, and gives the outer one back as it was") {
  const Account outer;
  spend(5);
  {
    const Account inner(1000);
    CHECK(budget().steps == 0);
    spend(1000);
    CHECK_THROWS_WITH(spend(1), Catch::Contains("too many steps: more than 1000"));
  }
  CHECK(budget().steps == 5);
  CHECK(budget().most == kFreeSteps);
}

TEST_CASE("Outside of a rendering nothing is counted against a thread") {
  for (int i = 0; i < 100; ++i) CHECK_NOTHROW(spend(static_cast<std::size_t>(kMostSteps)));
}

TEST_CASE("What a rendering may cost grows with its data, up to a bound") {
  CHECK(steps_for_data(0) == kFreeSteps);
  CHECK(steps_for_data(1000) == kFreeSteps + 1000 * kStepsPerByte);
  CHECK(steps_for_data(std::int64_t{1} << 40) <= kMostSteps);
  CHECK(steps_for_data(std::int64_t{1} << 62) > kMostSteps - kStepsPerByte);
}

TEST_CASE("Texts, lists and nesting have a largest size") {
  const Account account(kMostSteps);
  CHECK_NOTHROW(check_text(kLargestText));
  CHECK(budget().steps == static_cast<std::int64_t>(1 + kLargestText / 64));
  CHECK_THROWS_WITH(check_text(kLargestText + 1), Catch::Contains("a text of more than"));
  CHECK_THROWS_WITH(check_list(kLargestList + 1), Catch::Contains("a list of more than"));
  std::string text(kLargestText - 1, 'a');
  CHECK_NOTHROW(append(text, "b"));
  CHECK_THROWS_WITH(append(text, "c"), Catch::Contains("a text of more than"));
  const Level one(2);
  {
    const Level two(2);
    CHECK_THROWS_WITH(Level(2), Catch::Contains("nested too deeply"));
  }
  CHECK_NOTHROW(Level(2));
}

TEST_CASE("Values are counted as long as they live") {
  const Account account(kMostSteps);
  const std::int64_t before = budget().held;
  {
    const Value text(std::string(5000, 'a'));
    CHECK(budget().held >= before + 5000);
    const Value same = text;
    const Value list(List{text, same, text});
    CHECK(budget().held < before + 6000);  // shared, not copied
    Dict dict;
    dict.set("k", text);
    const Value one(dict), two(dict);
    CHECK(budget().held < before + 7000);
  }
  CHECK(budget().held == before);
  List kept;
  const auto fill = [&] {
    for (int i = 0; i < 1000; ++i) kept.emplace_back(std::string(1 << 20, 'a'));
  };
  CHECK_THROWS_WITH(fill(), Catch::Contains("hold more than"));
  CHECK(kept.size() < 130);
}

TEST_CASE("Every method of str pays for what it reads") {
  // Arguments; a text of its own where the method would stop early at `a`.
  const std::map<std::string, std::string> calls = {
      {"strip", "blank.strip()"},
      {"lstrip", "blank.lstrip()"},
      {"rstrip", "blank.rstrip()"},
      {"split", "a.split(half)"},
      {"rsplit", "tail.rsplit('b' ~ half)"},
      {"splitlines", "lines.splitlines()"},
      {"replace", "a.replace('b' ~ half, 'x')"},
      {"startswith", "a.startswith(a[:-1] ~ 'c')"},
      {"endswith", "tail.endswith('c' ~ tail[1:])"},
      {"find", "a.find('b' ~ half)"},
      {"rfind", "a.rfind('b' ~ half)"},
      {"index", "a.index(half)"},
      {"rindex", "a.rindex(half)"},
      {"count", "a.count('aaab')"},
      {"join", "'-'.join(texts)"},
      {"center", "a.center(70000)"},
      {"ljust", "a.ljust(70000)"},
      {"rjust", "a.rjust(70000)"},
      {"zfill", "a.zfill(70000)"},
      {"partition", "a.partition('b' ~ half)"},
      {"rpartition", "a.rpartition('b' ~ half)"},
      {"removeprefix", "a.removeprefix(a)"},
      {"removesuffix", "tail.removesuffix(tail)"},
      {"isdecimal", "digits.isdecimal()"},
      {"isdigit", "digits.isdigit()"},
      {"isnumeric", "digits.isnumeric()"},
      {"isspace", "lines.isspace()"},
      {"istitle", "cased.istitle()"},
      {"isupper", "a.upper().isupper()"},
      {"format", "'{:>70000}'.format(a)"},
      {"format_map", "'{k}'.format_map({'k': a})"},
  };
  std::vector<std::string> names;
  for (const MethodTable* table : {&string_method_table(), &registry().methods()}) {
    for (const auto& [name, method] : *table) names.emplace_back(name);
  }
  CHECK(names.size() >= 44);
  for (const std::string& name : names) {
    const auto known = calls.find(name);
    check_that_it_pays(known != calls.end() ? known->second : "a." + name + "()");
  }
}

TEST_CASE("Every filter pays for what it reads") {
  const std::map<std::string, std::string> uses = {
      {"attr", "d|attr(a)"},
      {"batch", "numbers|batch(2)"},
      {"dictsort", "d|dictsort"},
      {"first", "numbers|first"},
      {"last", "numbers|last"},
      {"float", "digits|float"},
      {"format", "'%s'|format(a)"},
      {"groupby", "records|groupby('k')"},
      {"int", "blank|int"},
      {"items", "d|items"},
      {"join", "texts|join(', ')"},
      {"map", "records|map(attribute='k')"},
      {"max", "numbers|max"},
      {"min", "numbers|min"},
      {"reject", "numbers|reject('odd')"},
      {"rejectattr", "records|rejectattr('k')"},
      {"replace", "a|replace('b' ~ half, '')"},
      {"select", "numbers|select('odd')"},
      {"selectattr", "records|selectattr('k', 'equalto', 1)"},
      {"slice", "numbers|slice(7)"},
      {"sort", "texts|sort"},
      {"sum", "numbers|sum"},
      {"tojson", "a|tojson"},
      {"unique", "texts|unique"},
      {"center", "a|center(70000)"},
      {"filesizeformat", "digits|filesizeformat"},
      {"truncate", "a|truncate(10)"},
      {"urlencode", "a|urlencode"},
      {"xmlattr", "{'k': a}|xmlattr"},
      {"d", "(a ~ '')|d"},
      {"default", "(a ~ '')|default(1)"},
      {"abs", "(a ~ '')|length|abs"},
      {"round", "(a ~ '')|length|round"},
      {"string", "numbers|string"},
      {"safe", "(a ~ '')|safe"},
      {"escape", "html|escape"},
      {"e", "html|e"},
      {"forceescape", "html|forceescape"},
  };
  CHECK(filter_names().size() >= 54);
  for (const std::string_view name : filter_names()) {
    if (name == "random") continue;  // refused
    const auto known = uses.find(std::string(name));
    check_that_it_pays(known != uses.end() ? known->second : "a|" + std::string(name));
  }
}

TEST_CASE("Every test and operator pays for what it reads") {
  const std::map<std::string, std::string> arguments = {{"in", "a is in(half ~ c)"},
                                                        {"sameas", "a is sameas(a ~ '')"},
                                                        {"eq", "a is eq(c)"},
                                                        {"==", "a == c"},
                                                        {"equalto", "a is equalto(c)"},
                                                        {"ne", "a is ne(c)"},
                                                        {"!=", "a != c"},
                                                        {"lt", "a is lt(c)"},
                                                        {"<", "a < c"},
                                                        {"lessthan", "a is lessthan(c)"},
                                                        {"le", "a is le(c)"},
                                                        {"<=", "a <= c"},
                                                        {"gt", "a is gt(c)"},
                                                        {">", "a > c"},
                                                        {"greaterthan", "a is greaterthan(c)"},
                                                        {"ge", "a is ge(c)"},
                                                        {">=", "a >= c"},
                                                        {"lower", "a is lower"},
                                                        {"upper", "a.upper() is upper"}};
  // What these ask costs the same for any operand.
  const std::vector<std::string_view> constant = {
      "defined", "undefined", "none",        "boolean", "true",     "false",    "integer",
      "float",   "number",    "string",      "mapping", "callable", "iterable", "sequence",
      "odd",     "even",      "divisibleby", "escaped", "filter",   "test"};
  CHECK(test_names().size() >= 39);
  for (const std::string_view name : test_names()) {
    const auto known = arguments.find(std::string(name));
    if (known != arguments.end()) {
      check_that_it_pays(known->second);
    } else {
      INFO(name);
      CHECK(std::find(constant.begin(), constant.end(), name) != constant.end());
    }
  }
  for (const char* expression : {"('b' ~ half) in a",
                                 "('b' ~ half) not in a",
                                 "a in texts + [c]",
                                 "numbers == numbers[:]",
                                 "[a] < [c]",
                                 "[a] == [c]",
                                 "{'k': a} == {'k': c}",
                                 "(a, 1) == (c, 1)",
                                 "d.keys() == e.keys()",
                                 "d.items() == e.items()",
                                 "d == e",
                                 "d[key]",
                                 "d[key ~ '']",
                                 "d.get(key)",
                                 "key in d",
                                 "{key: 1, key ~ 'x': 2}",
                                 "dict(pairs)",
                                 "dict.fromkeys(texts)",
                                 "d.keys()",
                                 "d.values()",
                                 "d.items()",
                                 "a ~ c",
                                 "a + c",
                                 "half * 2",
                                 "numbers * 2",
                                 "numbers + numbers",
                                 "'%s' % a",
                                 "'%.5s' % a",
                                 "a[1:]",
                                 "a[::-1]",
                                 "a[::2]",
                                 "a[-1]",
                                 "a[60000]",
                                 "numbers[1:]",
                                 "numbers[::-1]",
                                 "texts.count(a)",
                                 "texts.index(texts[49])",
                                 "namespace(k=a ~ '')",
                                 "cycler(*numbers)",
                                 "range(3000)",
                                 "joiner(a ~ '')()",
                                 "a|length",
                                 "texts|map('upper')|list",
                                 "texts|map(attribute='x')|list",
                                 "texts|select('in', a)|list",
                                 "d|tojson(indent=2)",
                                 "d|tojson(sort_keys=true)",
                                 "numbers|tojson(separators=(half, ''))",
                                 "numbers|string|length",
                                 "a.strip('abc')",
                                 "a.find('b', 3)",
                                 "a.startswith(('x', a))",
                                 "lines|indent",
                                 "texts|join(half)",
                                 "numbers|sort(reverse=true)",
                                 "records|sort(attribute='k')",
                                 "texts|join|striptags",
                                 "html|urlize",
                                 "texts|pprint",
                                 "blank|wordwrap(1)",
                                 "a|wordwrap(1)",
                                 "blank|title"}) {
    check_that_it_pays(expression);
  }
}

TEST_CASE("Statements pay for what they read and write") {
  const Dict variables = big_variables();
  for (const char* body :
       {"{{ a }}", "{% for x in a %}{% endfor %}", "{% for x in numbers if x > 5 %}{% endfor %}",
        "{% set x %}{{ a }}{% endset %}", "{% filter upper %}{{ a }}{% endfilter %}",
        "{% macro m() %}{{ a }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ varargs|length }}{% endmacro %}{% set x = m(*numbers) %}",
        "{% generation %}{{ a }}{% endgeneration %}",
        "{% for x in numbers recursive %}{% if x is string %}{{ loop([x]) }}{% endif %}{% endfor "
        "%}",
        "{% autoescape true %}{{ html }}{% endautoescape %}",
        "{% for x in texts %}{% if loop.changed(a) %}{% endif %}{% endfor %}"}) {
    INFO(body);
    const Tree tree =
        Parser("{% for i in range(1000) %}" + std::string(body) + "{% endfor %}").run();
    CHECK_THROWS_WITH(Evaluator(tree, variables, kAllowed).run(),
                      Catch::Contains("too many steps"));
  }
}

TEST_CASE("Templates of a few bytes that would need gigabytes or minutes are refused at once") {
  for (const char* source :
       {// published attacks: comparisons, keys, searches, lines, growth
        "{% set k = 'a'*60000000 %}{% set d = {k ~ '1': 1, k ~ '2': 2} %}{{ d[k ~ ''] }}",
        "{% set a = 'a'*9000000 ~ 'b' %}{% set b = 'a'*9000000 ~ 'c' %}"
        "{% for i in range(100000) %}{% if a == b %}{% endif %}{% endfor %}",
        "{% set a = 'é' * 7000000 %}{% for i in range(100000) %}{{ a|length }}{% endfor %}",
        "{{ ('\n' * 9000000).splitlines()|length }}",
        "{{ ('\n' * 9000000)|indent }}",
        "{{ ('a ' * 7000000).split()|length }}",
        "{{ ('a' * 9000000)|list|length }}",
        "{% for i in range(90000) %}{{ ('a'*900000).replace('a'*300000 ~ 'b', 'x') }}{% endfor %}",
        "{% for i in range(90000) %}{{ ('a'*900000).rfind('b' ~ 'a'*300000) }}{% endfor %}",
        "{% set a = 'a'*9000000 ~ 'b' %}{% for i in range(99999) %}{{ a.startswith(a) }}{% endfor "
        "%}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}"
        "{% set ns.x = ns.x + ['a' * 9000000] %}{% endfor %}",
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x*2 %}{% endfor "
        "%}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}"
        "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        "{{ [[[1]]]|tojson(indent='a' * 9000000) }}",
        "{{ ('a' * 9000000).center(1000000) ~ 'a' * "
        "16000000 }}",
        "{{ [1, 2]|join('a' * 16000000) ~ 'x' * 9000000 }}",
        "{% for i in range(99999) %}{{ ('%300.300f' % 1e308) * 99 }}{% endfor %}",
        "{% for i in range(99999) %}{% set x = ('a' * 90000).strip('b' * 90000 ~ 'a') %}"
        "{% endfor %}",
        "{{ raise_exception('a' * 9000000) }}",
        "{{ {}['a' * 9000000].b }}"}) {
    INFO(source);
    try {
      posttrain::test::render(source);
      FAIL_CHECK("it was rendered");
    } catch (const posttrain::Error& error) {
      CHECK(std::string_view(error.what()).size() <= 1500);
    }
  }
}
