# What every target of ours has: warnings as errors, sanitizers, includes from the repository root.

# sluice_options(TARGET): compile and link options of our own code, private to it.
function(sluice_options target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Werror
                                           -ffp-contract=off)
  # g++ 12 sees an empty std::optional as uninitialised once it inlines; the sanitizers find the real ones.
  target_compile_options(${target} PRIVATE $<$<AND:$<CONFIG:RelWithDebInfo>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized>)
  target_compile_definitions(${target} PRIVATE SLUICE_MUTANT=${SLUICE_MUTANT})
  if(SLUICE_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SLUICE_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${SLUICE_SANITIZE})
    # Under sanitizers the compiler takes far longer than what these do at run time.
    if(target MATCHES "^sluice_(cli_lib|api|config|agent_commands|demo_world)$" OR
       NOT target MATCHES "^(sluice_|digits-)")
      target_compile_options(${target} PRIVATE -O0)
    endif()
  endif()
endfunction()

# sluice_library(TARGET): a static library of ours, also known as sluice::NAME.
function(sluice_library target)
  sluice_options(${target})
  string(REPLACE "sluice_" "sluice::" alias ${target})
  add_library(${alias} ALIAS ${target})
endfunction()

# sluice_program(TARGET LIBRARIES...): an executable in build/<preset>/bin. OpenSSL comes before wolfSSL on the link
# line: six symbols exist in both, and the first library wins.
function(sluice_program target)
  sluice_options(${target})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${target} PRIVATE ${ARGN})
endfunction()

# sluice_test(NAME LABEL [AS_ONE] [TIMEOUT SECONDS] SOURCES... LIBS libraries...): a GoogleTest program whose tests ctest
# knows one by one, or with AS_ONE as one: for tests that share what is costly to make. The target tests_LABEL is all
# that tests of that label need.
function(sluice_test name label)
  cmake_parse_arguments(PARSE_ARGV 2 ARG "AS_ONE" "TIMEOUT" "LIBS")
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  if(NOT TARGET tests_${label})
    add_custom_target(tests_${label})
  endif()
  add_dependencies(tests_${label} ${name})
  sluice_options(${name})
  # Six files at a time: their headers take longer to read than they do.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gmock_main)
  # What is tested is optimised as ever; to optimise the tests takes longer than to run them.
  target_compile_options(${name} PRIVATE -O0)
  # The behaviour under test is in the libraries; checking gtest's own templates doubles the compile time.
  if(SLUICE_SANITIZE MATCHES "undefined")
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(ARG_AS_ONE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT})
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${label} TIMEOUT ${ARG_TIMEOUT})
  endif()
endfunction()

# sluice_fuzz_target(NAME SOURCE CORPUS LIBS...): with SLUICE_FUZZ a libFuzzer program; without it a program that
# replays every file of CORPUS through the same entry point under ctest.
function(sluice_fuzz_target name source corpus)
  add_executable(${name} ${source})
  sluice_options(${name})
  target_link_libraries(${name} PRIVATE ${ARGN})
  if(SLUICE_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    foreach(fuzzed ${ARGN})  # tells the fuzzer which inputs reach something new
      target_compile_options(${fuzzed} PRIVATE -fsanitize=fuzzer-no-link)
    endforeach()
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  else()
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name}_replay COMMAND ${name} ${corpus})
    set_tests_properties(${name}_replay PROPERTIES LABELS fuzz TIMEOUT 60)
  endif()
endfunction()
