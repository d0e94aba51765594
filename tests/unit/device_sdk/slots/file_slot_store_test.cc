#include "device_sdk/slots/file_slot_store.h"

#include <gmock/gmock.h>

#include "tests/unit/device_sdk/slots/sample_record.h"
#include "tests/unit/device_sdk/slots/store_on_sim_disk.h"

namespace sluice::device {
namespace {

using test_support::Fault;
using test_support::SimFileSystem;

class FileSlotStoreTest : public StoreOnSimDisk {};

TEST(FileSlotStoreCreate, MakesAnEmptyStoreOfTwoOrThreeSlots) {
  for (const int slots : {2, 3}) {
    SimFileSystem disk;
    SeededRandom random(1);
    ASSERT_TRUE(FileSlotStore::Create(disk, kStateDir, slots, random));
    const auto store = FileSlotStore::Open(disk, kStateDir);
    ASSERT_TRUE(store) << store.error().Line();
    EXPECT_EQ((*store)->slot_count(), slots);
    EXPECT_EQ((*store)->origin(), RecordOrigin::kStored);
    EXPECT_TRUE((*store)->recovery());
    EXPECT_EQ((*store)->record().gen, 1U);
    EXPECT_FALSE((*store)->record().active);
    EXPECT_TRUE((*store)->PendingReports().empty());
    EXPECT_EQ((*store)->LastReportSeq(), 0U);
  }
}

TEST(FileSlotStoreCreate, DrawsAnotherInstanceEachTime) {
  SimFileSystem disk;
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(disk, "/one", 2, random));
  ASSERT_TRUE(FileSlotStore::Create(disk, "/two", 2, random));
  const auto one = FileSlotStore::Open(disk, "/one");
  const auto two = FileSlotStore::Open(disk, "/two");
  EXPECT_NE((*one)->instance(), (*two)->instance());
  EXPECT_NE((*one)->instance(), Instance{});
}

TEST(FileSlotStoreCreate, RefusesAnExistingStore) {
  SimFileSystem disk;
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(disk, kStateDir, 2, random));
  EXPECT_EQ(FileSlotStore::Create(disk, kStateDir, 2, random).error().code, ErrorCode::kConflict);
}

TEST(FileSlotStoreCreate, LeavesAWholeStoreOrNoneAtEveryCrashPoint) {
  SimFileSystem measured;
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(measured, kStateDir, 2, random));
  int none = 0;
  for (std::uint64_t operation = 1; operation <= measured.operations(); ++operation) {
    for (const bool keep : {false, true}) {
      SimFileSystem disk;
      disk.InjectAt(operation, Fault::kPowerOff);
      // Three slots, given up on the way; then two.
      ASSERT_FALSE(FileSlotStore::Create(disk, kStateDir, 3, random));
      disk.Crash([&] { return keep; });
      auto store = FileSlotStore::Open(disk, kStateDir);
      if (!store) {
        ++none;
        ASSERT_EQ(store.error().code, ErrorCode::kNotFound);
        ASSERT_TRUE(FileSlotStore::Create(disk, kStateDir, 2, random)) << "operation " << operation;
        store = FileSlotStore::Open(disk, kStateDir);
        ASSERT_TRUE(store) << store.error().Line();
        EXPECT_EQ((*store)->slot_count(), 2);
      }
      EXPECT_EQ((*store)->origin(), RecordOrigin::kStored);
    }
  }
  EXPECT_GT(none, 0);
}

TEST(FileSlotStoreCreate, KeepsABallastOnlyWhereWritesAreCopied) {
  SimFileSystem disk;
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(disk, "/in_place", 2, random));
  disk.set_copies_on_write(true);
  ASSERT_TRUE(FileSlotStore::Create(disk, "/copied", 2, random));
  EXPECT_FALSE(disk.Open("/in_place/ballast", OpenMode::kRead));
  EXPECT_TRUE(disk.Open("/copied/ballast", OpenMode::kRead));
}

TEST(FileSlotStoreOpen, SaysThatThereIsNoStore) {
  SimFileSystem disk;
  EXPECT_EQ(FileSlotStore::Open(disk, kStateDir).error().code, ErrorCode::kNotFound);
}

TEST_F(FileSlotStoreTest, RefusesASecondOpener) {
  const auto second = FileSlotStore::Open(disk_, kStateDir);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);
  EXPECT_THAT(second.error().text, testing::HasSubstr("pid"));
  store_.reset();
  EXPECT_TRUE(FileSlotStore::Open(disk_, kStateDir));
}

TEST_F(FileSlotStoreTest, KeepsItsInstance) {
  const Instance instance = store_->instance();
  CrashAndReopen();
  EXPECT_EQ(store_->instance(), instance);
}

TEST_F(FileSlotStoreTest, RefusesAnInstanceThatIsCutOff) {
  store_.reset();
  ASSERT_TRUE(disk_.Unlink("/state/instance"));
  EXPECT_TRUE(disk_.Open("/state/instance", OpenMode::kCreate));
  EXPECT_EQ(FileSlotStore::Open(disk_, kStateDir).error().code, ErrorCode::kStoreCorrupt);
}

TEST_F(FileSlotStoreTest, WritesRecordsThatSurviveACrash) {
  StateRecord record = SampleRecord();
  ASSERT_TRUE(store_->WriteRecord(record));
  record.gen = 2;  // one above that of Create, whatever the caller put there
  EXPECT_EQ(store_->record(), record);
  CrashAndReopen();
  EXPECT_EQ(store_->record(), record);
}

TEST_F(FileSlotStoreTest, GenRisesByOneWithEachRecord) {
  for (std::uint64_t gen = 2; gen < 10; ++gen) {
    ASSERT_TRUE(store_->WriteRecord(StateRecord{}));
    EXPECT_EQ(store_->record().gen, gen);
  }
}

TEST_F(FileSlotStoreTest, FailedRecordWriteLeavesTheNewestAndItsGenIsNotUsedAgain) {
  StateRecord wanted;
  wanted.boot = 5;
  disk_.InjectAt(disk_.operations() + 2, Fault::kIoError);  // the sync
  EXPECT_EQ(store_->WriteRecord(wanted).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(store_->record().gen, 1U);
  EXPECT_EQ(store_->record().boot, 0U);
  ASSERT_TRUE(store_->WriteRecord(wanted));
  EXPECT_EQ(store_->record().gen, 3U);
  CrashAndReopen();
  EXPECT_EQ(store_->record().boot, 5U);
}

TEST_F(FileSlotStoreTest, A29_WritesRecordsWithNoByteFree) {
  disk_.Fill();
  for (std::uint32_t boot = 1; boot <= 3; ++boot) {
    StateRecord record = store_->record();
    record.boot = boot;
    ASSERT_TRUE(store_->WriteRecord(record));
  }
  CrashAndReopen();
  EXPECT_EQ(store_->record().boot, 3U);
}

TEST(FileSlotStoreBallast, GivesWayToARecordOnAFullDiskThatCopies) {
  SimFileSystem disk;
  disk.set_copies_on_write(true);
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(disk, kStateDir, 2, random));
  auto store = FileSlotStore::Open(disk, kStateDir);
  ASSERT_TRUE(store);
  disk.Fill();
  StateRecord record;
  record.boot = 5;
  ASSERT_TRUE((*store)->WriteRecord(record));
  EXPECT_EQ((*store)->record().boot, 5U);
  EXPECT_FALSE(disk.Open("/state/ballast", OpenMode::kRead));
  disk.Fill();
  EXPECT_EQ((*store)->WriteRecord(record).error().code, ErrorCode::kNoSpace) << "it was the last";
}

TEST_F(FileSlotStoreTest, A30_ReadOnlyDiskRefusesWritesButStillServes) {
  const SlotModel model = MakeSlotModel(1);
  InstallGood(0, model);
  disk_.set_read_only(true);
  EXPECT_EQ(store_->WriteRecord(store_->record()).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(store_->PushReport({1, true, Bytes(10)}).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(HashOf(0), model.slot.artifact);
  Reopen();
  EXPECT_EQ(store_->record().active, SlotId{0});
  EXPECT_EQ(HashOf(0), model.slot.artifact);
}

TEST_F(FileSlotStoreTest, KeepsTheDirectiveInForceUntilTheRecordNamesTheNextOne) {
  const Bytes first = SeededBytes(1, limits::kDirectiveBytesMax);
  const Bytes second = SeededBytes(2, 700);
  ASSERT_TRUE(store_->WriteDirective(first));
  StateRecord record = store_->record();
  record.directive_digest = Sha256(first);
  ASSERT_TRUE(store_->WriteRecord(record));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store_->WriteDirective(second));
  CrashAndReopen();
  EXPECT_EQ(store_->ReadDirective(Sha256(first)).value(), first);
  EXPECT_EQ(store_->ReadDirective(Sha256(second)).value(), second);

  record.directive_digest = Sha256(second);
  ASSERT_TRUE(store_->WriteRecord(record));
  ASSERT_TRUE(store_->WriteDirective(SeededBytes(3, 10)));
  EXPECT_EQ(store_->ReadDirective(Sha256(second)).value(), second);
  EXPECT_EQ(store_->ReadDirective(Sha256(first)).error().code, ErrorCode::kNotFound);
}

TEST_F(FileSlotStoreTest, RefusesADirectiveBeyondTheLimit) {
  EXPECT_EQ(store_->WriteDirective(Bytes(limits::kDirectiveBytesMax + 1)).error().code,
            ErrorCode::kTooBig);
}

TEST_F(FileSlotStoreTest, RottenDirectiveIsNotFound) {
  const Bytes directive = SeededBytes(1, 700);
  ASSERT_TRUE(store_->WriteDirective(directive));
  disk_.Rot("/state/directive.0", 600);
  EXPECT_EQ(store_->ReadDirective(Sha256(directive)).error().code, ErrorCode::kNotFound);
  disk_.Rot("/state/directive.0", 3);  // a length beyond the file
  EXPECT_EQ(store_->ReadDirective(Sha256(directive)).error().code, ErrorCode::kNotFound);
}

TEST_F(FileSlotStoreTest, ReplacesDocumentsWholeAtEveryCrashPoint) {
  const Bytes first = SeededBytes(1, 3000);
  const Bytes second = SeededBytes(2, 5000);
  ASSERT_TRUE(store_->WriteDocument("root", first));
  for (std::uint64_t step = 1;; ++step) {
    SimFileSystem disk(disk_);
    auto store = FileSlotStore::Open(disk, kStateDir);
    ASSERT_TRUE(store);
    disk.InjectAt(disk.operations() + step, Fault::kPowerOff);
    if ((*store)->WriteDocument("root", second)) break;
    SeededRandom random(step);
    disk.Crash([&] { return random.Below(2) == 0; });
    store = FileSlotStore::Open(disk, kStateDir);
    const Bytes read = (*store)->ReadDocument("root").value();
    EXPECT_TRUE(read == first || read == second) << "operation " << step;
    ASSERT_TRUE((*store)->WriteDocument("root", second)) << "what was left behind is no obstacle";
    EXPECT_EQ((*store)->ReadDocument("root").value(), second);
  }
  EXPECT_EQ(store_->ReadDocument("order").error().code, ErrorCode::kNotFound);
}

TEST_F(FileSlotStoreTest, A18_NoDocumentNameBecomesAPath) {
  for (const std::string_view name : {"../state.0", "..", ".", "", "a/b", "/etc/passwd", "root.new",
                                      "Root", "root\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    EXPECT_EQ(store_->WriteDocument(name, Bytes(1)).error().code, ErrorCode::kBadId) << name;
    EXPECT_EQ(store_->ReadDocument(name).error().code, ErrorCode::kBadId) << name;
  }
  EXPECT_EQ(store_->WriteDocument(std::string_view("ro\0t", 4), Bytes(1)).error().code,
            ErrorCode::kBadId);
}

TEST_F(FileSlotStoreTest, RefusesADocumentBeyondTheLimit) {
  EXPECT_EQ(store_->WriteDocument("head", Bytes(limits::kValidationSetBytesMax + 1)).error().code,
            ErrorCode::kTooBig);
}

TEST_F(FileSlotStoreTest, KeepsReportsOverACrash) {
  ASSERT_TRUE(store_->PushReport({1, false, SeededBytes(1, 400)}));
  ASSERT_TRUE(store_->PushReport({2, true, SeededBytes(2, 900)}));
  ASSERT_TRUE(store_->DropReportsThrough(1));
  CrashAndReopen();
  const std::vector<OutboxEntry> pending = store_->PendingReports();
  ASSERT_EQ(pending.size(), 1U);
  EXPECT_EQ(pending[0].seq, 2U);
  EXPECT_TRUE(pending[0].terminal);
  EXPECT_EQ(pending[0].report, SeededBytes(2, 900));
  EXPECT_EQ(store_->LastReportSeq(), 2U);
}

TEST_F(FileSlotStoreTest, InstallsAFirstModelAsGood) {
  const SlotModel model = MakeSlotModel(1, 150'000);
  const Status installed =
      store_->InstallFirst(MemorySource(model.artifact), model.manifest, model.slot);
  ASSERT_TRUE(installed) << installed.error().Line();
  CrashAndReopen();
  const StateRecord& record = store_->record();
  EXPECT_EQ(record.active, SlotId{0});
  EXPECT_FALSE(record.fallback);
  EXPECT_EQ(record.slots[0].state, SlotState::kGood);
  EXPECT_EQ(record.slots[0].release, "model-v1");
  EXPECT_EQ(record.activation, 1U);
  EXPECT_EQ(HashOf(0), model.slot.artifact);
  EXPECT_EQ(store_->ReadManifest(0).value(), model.manifest);
}

TEST_F(FileSlotStoreTest, RefusesAFirstModelThatIsNotTheManifests) {
  SlotModel model = MakeSlotModel(1);
  model.artifact[17] ^= 1;
  EXPECT_EQ(
      store_->InstallFirst(MemorySource(model.artifact), model.manifest, model.slot).error().code,
      ErrorCode::kArtifactHash);
  EXPECT_FALSE(store_->record().active);
  model.artifact[17] ^= 1;
  EXPECT_TRUE(store_->InstallFirst(MemorySource(model.artifact), model.manifest, model.slot));
}

TEST_F(FileSlotStoreTest, RefusesASecondFirstModel) {
  InstallGood(0, MakeSlotModel(1));
  const SlotModel model = MakeSlotModel(2);
  EXPECT_EQ(
      store_->InstallFirst(MemorySource(model.artifact), model.manifest, model.slot).error().code,
      ErrorCode::kConflict);
}

}  // namespace
}  // namespace sluice::device
