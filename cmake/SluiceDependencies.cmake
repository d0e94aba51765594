# Every third-party package, found once, each by Debian's own names. The order matters: OpenSSL before Paho (its config
# needs it) and zstd before RocksDB (whose config brings another Findzstd).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(eclipse-paho-mqtt-c REQUIRED)
find_package(PahoMqttCpp REQUIRED)
find_package(zstd CONFIG REQUIRED)
find_package(RocksDB REQUIRED)
find_package(FlatBuffers REQUIRED)
find_package(tl-expected REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(rapidcheck REQUIRED)
include(GoogleTest)

pkg_check_modules(WOLFSSL REQUIRED IMPORTED_TARGET wolfssl)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(RAPIDJSON REQUIRED IMPORTED_TARGET RapidJSON)

# librsync ships neither a CMake config nor a .pc file.
find_path(LIBRSYNC_INCLUDE_DIR librsync.h REQUIRED)
find_library(LIBRSYNC_LIBRARY rsync REQUIRED)
add_library(sluice_librsync INTERFACE)
target_include_directories(sluice_librsync SYSTEM INTERFACE ${LIBRSYNC_INCLUDE_DIR})
target_link_libraries(sluice_librsync INTERFACE ${LIBRSYNC_LIBRARY})
add_library(thirdparty::librsync ALIAS sluice_librsync)

# Target names without "::" would turn a typo into "-lname"; these aliases make it an error.
add_library(thirdparty::yaml ALIAS yaml-cpp)
add_library(thirdparty::rapidcheck ALIAS rapidcheck)
