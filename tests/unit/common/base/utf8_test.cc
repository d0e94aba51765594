#include "common/base/utf8.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Utf8, MeasuresSequencesAndRefusesIllFormedOnes) {
  EXPECT_EQ(Utf8SequenceLength("a"), 1u);
  EXPECT_EQ(Utf8SequenceLength("\xC3\xA9"), 2u);
  EXPECT_EQ(Utf8SequenceLength("\xE2\x82\xAC"), 3u);
  EXPECT_EQ(Utf8SequenceLength("\xF0\x9F\x98\x80"), 4u);
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    EXPECT_EQ(Utf8SequenceLength(bad), 0u);
  }
}

TEST(Utf8, TakesOnlyWholeTextWithoutControlCharactersAsALine) {
  EXPECT_TRUE(IsPrintableLine(""));
  EXPECT_TRUE(IsPrintableLine("caf\xC3\xA9 1"));
  EXPECT_FALSE(IsPrintableLine("two\nlines"));
  EXPECT_FALSE(IsPrintableLine("bell\x07"));
  EXPECT_FALSE(IsPrintableLine("del\x7F"));
  EXPECT_FALSE(IsPrintableLine("cut\xE2\x82"));
}

TEST(Utf8, MakesALineOfWhatAProgramSaid) {
  EXPECT_EQ(ToPrintableLine("Traceback:\n  File \"x\"\r\n\tboom\n", 100),
            "Traceback:   File \"x\" boom");
  EXPECT_EQ(ToPrintableLine("\n\n", 100), "");
  EXPECT_EQ(ToPrintableLine("bad \xFF\xC3 byte", 100), "bad ?? byte");
}

TEST(Utf8, CutsALineBetweenSequences) {
  EXPECT_EQ(ToPrintableLine("ab\xE2\x82\xAC", 5), "ab\xE2\x82\xAC");
  EXPECT_EQ(ToPrintableLine("ab\xE2\x82\xAC", 4), "ab");
  EXPECT_EQ(ToPrintableLine("abc", 0), "");
}

}  // namespace
}  // namespace sluice
