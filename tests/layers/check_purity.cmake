# cmake -D NM=nm -D LIBRARY=lib.a -P check_purity.cmake: the undefined symbols of a core library, held against what pure
# code may need: the language's runtime, memory, strings, containers and arithmetic. A clock, a file, a lock or a stream
# shows up as a symbol that is not on the list.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${NM} --undefined-only --demangle ${LIBRARY} OUTPUT_VARIABLE undefined RESULT_VARIABLE result)
execute_process(COMMAND ${NM} --defined-only ${LIBRARY} OUTPUT_VARIABLE defined)
if(NOT result EQUAL 0 OR NOT defined MATCHES " [Tt] ")
  message(FATAL_ERROR "nm found no code in ${LIBRARY}")
endif()

# Each one a regular expression for a whole demangled symbol.
set(ALLOWED
    "operator (new|delete).*" "std::nothrow" "std::allocator<.*"
    "std::__throw_.*" "std::__glibcxx_assert_fail.*" "std::terminate.*" "std::exception::.*" "std::bad_.*"
    "(non-virtual thunk|vtable|typeinfo|typeinfo name|VTT)( to| for) .*"
    "std::__cxx11::(basic_string<|to_string).*" "std::_Rb_tree_.*" "std::_Hash_bytes.*" "std::__detail::_(List|Prime).*"
    "std::(to_chars|from_chars)\\(.*"
    "__cxa_.*" "__gxx_personality_v0" "_Unwind_Resume" "__stack_chk_fail" "__dso_handle" "_GLOBAL_OFFSET_TABLE_"
    "(__)?(memcpy|memmove|memset|memcmp|bcmp|memchr|strlen|strcmp|snprintf|vsnprintf)(_chk)?"
    "(ceil|floor|exp|expm1|log|log1p|log2|pow|sqrt|fabs|lround|llround|rint|round|lgamma_r)"
    # What the sanitizers and coverage add to any code.
    "__(asan|ubsan|tsan|gcov|sanitizer|sanitizer_cov)_.*" "__start___sancov.*" "__stop___sancov.*")

# Ours, but of the outside world.
set(DENIED "sluice::System(Clock|Random).*")

set(foreign "")
string(REPLACE ";" "," undefined "${undefined}")
string(REPLACE "[" "(" undefined "${undefined}")  # brackets would join list elements
string(REPLACE "]" ")" undefined "${undefined}")
string(REPLACE "\n" ";" lines "${undefined}")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^ +[Uwv] (.+)$")
    continue()
  endif()
  set(symbol "${CMAKE_MATCH_1}")
  set(pure FALSE)
  if(symbol MATCHES "^sluice::" AND NOT symbol MATCHES "^${DENIED}$")
    set(pure TRUE)  # which of ours it may be is the include test's business
  endif()
  foreach(pattern IN LISTS ALLOWED)
    if(symbol MATCHES "^${pattern}$")
      set(pure TRUE)
    endif()
  endforeach()
  if(NOT pure)
    list(APPEND foreign "${symbol}")
  endif()
endforeach()
if(foreign)
  list(REMOVE_DUPLICATES foreign)
  list(JOIN foreign "\n  " text)
  message(FATAL_ERROR "${LIBRARY} is no longer pure; it needs:\n  ${text}")
endif()
message("${LIBRARY} is pure")
