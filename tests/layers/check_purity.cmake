# cmake -D NM=nm -D LIBRARY=lib.a -P check_purity.cmake: the undefined symbols of a core library, held against what pure
cmake_minimum_required(VERSION 3.25)
# code may need: the language's runtime, memory, strings, containers and arithmetic. A clock, a file, a lock or a stream
# shows up as a symbol that is not on the list.
execute_process(COMMAND ${NM} --undefined-only --demangle --format=posix ${LIBRARY}
                OUTPUT_VARIABLE symbols RESULT_VARIABLE result)
execute_process(COMMAND ${NM} --defined-only --demangle --format=posix ${LIBRARY} OUTPUT_VARIABLE defined)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "nm could not read ${LIBRARY}")
endif()

set(ALLOWED
    "sluice::"                       # ours: the include test says which of them
    "operator (new|delete)" "std::__throw_" "std::bad_|std::logic_error|std::length_error|std::out_of_range"
    "std::__cxx11::basic_string|std::__cxx11::to_string|std::operator[+]|std::char_traits"
    "std::__detail::_(Prime|List_node|Hash)|std::_Rb_tree|std::_Hash_bytes|std::__detail::__to_chars"
    "std::(to_chars|from_chars)|std::terminate|std::exception|std::type_info|std::__once"
    "std::bad_variant_access|std::__glibcxx_assert_fail|std::_V2::|std::ctype_base|std::variant|std::get"
    "__cxa_|__gxx_personality|__dynamic_cast|_Unwind_|__stack_chk|__dso_handle|_GLOBAL_OFFSET_TABLE_"
    "(vtable|typeinfo|typeinfo name|VTT) for " "mem(cpy|move|set|cmp|chr)" "str(len|cmp|ncmp|chr)" "bcmp"
    "(snprintf|vsnprintf|strtod|strtol|abort)$" "__(snprintf|memcpy|memmove|memset|vsnprintf)_chk"
    "(fabs|exp|expm1|log|log1p|log2|log10|pow|sqrt|ceil|floor|lgamma_r|rint|round|nearbyint|hypot|erfc?|tgamma)f?$"
    "fmt::v[0-9]+::" "__asan_|__ubsan_|__tsan_|__gcov_|__sanitizer|__udiv|__umod|__mulo|llvm_gcov")
list(JOIN ALLOWED ")|(" pattern)

string(REPLACE ";" "," symbols "${symbols}")
string(REPLACE "\n" ";" lines "${symbols}")
set(foreign "")
foreach(line IN LISTS lines)
  if(line MATCHES "^(.*) [UwvV] ")
    string(STRIP "${CMAKE_MATCH_1}" symbol)
    if(NOT symbol MATCHES "(${pattern})")
      list(APPEND foreign "${symbol}")
    endif()
  endif()
endforeach()
if(foreign)
  list(REMOVE_DUPLICATES foreign)
  list(JOIN foreign "\n  " text)
  message(FATAL_ERROR "${LIBRARY} is no longer pure; it needs:\n  ${text}")
endif()
if(NOT defined MATCHES " T ")
  message(FATAL_ERROR "${LIBRARY} defines nothing: is it the right file?")
endif()
message("${LIBRARY} is pure")
