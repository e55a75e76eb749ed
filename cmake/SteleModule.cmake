# One call per module: its library from every .cpp of the folder (and its sub-folders, unless they
# are modules themselves), and its test program from every *_test.cpp beside them. A main.cpp is
# left to the program that is made of the module.
#
#   stele_module(log DEPS base event LIBS PkgConfig::zstd)
#
# makes `stele_log` and, with STELE_TESTS, `log_test`, a CTest entry of the same name. DEPS are
# modules, LIBS are libraries (private: no module's header shows a vendor's), TEST_DEPS and
# TEST_LIBS are for the tests only.

include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
if(STELE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# A vendor's library by its pkg-config name, as SYSTEM includes: stele_vendor(zstd libzstd).
function(stele_vendor name package)
  if(NOT TARGET PkgConfig::${name})
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${package})
  endif()
  set_property(TARGET PkgConfig::${name} PROPERTY STELE_PACKAGE ${package})
  set_property(TARGET PkgConfig::${name} PROPERTY STELE_LINKS ${${name}_LIBRARIES})
endfunction()

function(stele_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;EXCLUDE;TEST_DEPS;TEST_LIBS" ${ARGN})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  foreach(folder IN LISTS ARG_EXCLUDE)
    list(FILTER all EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/${folder}/")
  endforeach()
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_(test|crash)\\.cpp$")
  set(doubles ${all})
  list(FILTER doubles INCLUDE REGEX "/testing/")
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_(test|crash|fuzz|bench)\\.cpp$)|/testing/|/main\\.cpp$")

  if(sources)
    add_library(stele_${name} STATIC ${sources})
    target_link_libraries(stele_${name} PUBLIC stele_options)
    foreach(dep IN LISTS ARG_DEPS)
      target_link_libraries(stele_${name} PUBLIC stele_${dep})
    endforeach()
    target_link_libraries(stele_${name} PRIVATE ${ARG_LIBS})
    set_property(TARGET stele_${name} PROPERTY STELE_LIBS ${ARG_LIBS})
  else()
    add_library(stele_${name} INTERFACE)
    target_link_libraries(stele_${name} INTERFACE stele_options)
    foreach(dep IN LISTS ARG_DEPS)
      target_link_libraries(stele_${name} INTERFACE stele_${dep})
    endforeach()
  endif()

  if(NOT STELE_TESTS)
    return()
  endif()
  # Test doubles and suites that other modules' tests use too: <module>/testing/*.cpp.
  if(doubles)
    add_library(stele_${name}_testing STATIC EXCLUDE_FROM_ALL ${doubles})
    target_link_libraries(stele_${name}_testing PUBLIC stele_${name} GTest::gtest)
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE
      stele_${name} ${ARG_LIBS} GTest::gtest_main ${ARG_TEST_LIBS})
    if(doubles)
      target_link_libraries(${name}_test PRIVATE stele_${name}_testing)
    endif()
    foreach(dep IN LISTS ARG_TEST_DEPS)
      target_link_libraries(${name}_test PRIVATE stele_${dep})
    endforeach()
    add_test(NAME ${name}_test COMMAND ${name}_test)
    set_tests_properties(${name}_test PROPERTIES TIMEOUT 600)
  endif()
endfunction()
