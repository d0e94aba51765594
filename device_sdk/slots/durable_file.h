// The three ways the store writes a file (in place, as a new file of zeros, whole by rename), and
// what goes with them.
#pragma once

#include "device_sdk/slots/file_system.h"

namespace sluice::device {

/// All bytes of the file. E_TOO_BIG over `bytes_max`, before anything is allocated.
Result<Bytes> ReadWhole(FileSystem& files, const std::string& path, std::size_t bytes_max);

/// Overwrites bytes that the file already has, and syncs: takes no free space. A failed write or
/// sync leaves those bytes unknown; calling again writes them anew, which is sound.
Status OverwriteInPlace(FileSystem& files, const std::string& path, std::uint64_t offset,
                        ByteView bytes);

/// A new, empty file in place of whatever had the name.
Result<std::unique_ptr<File>> CreateAnew(FileSystem& files, const std::string& path);

/// A new, synced file of `size_bytes` written zeros (not just reserved: a later write inside must
/// not need new blocks). Its name is durable only after the caller syncs the directory.
Status CreateZeroed(FileSystem& files, const std::string& path, std::size_t size_bytes);

/// Gives `path` these contents at once: temporary, fsync, rename. The caller syncs the directory.
Status ReplaceWhole(FileSystem& files, const std::string& path, ByteView bytes);

/// An existing directory is fine.
Status MakeDirectoryIfMissing(FileSystem& files, const std::string& path);

/// Unlinks; no such name is fine.
Status UnlinkIfThere(FileSystem& files, const std::string& path);

}  // namespace sluice::device
