# What every target is built with: the language, the warnings, the sanitizers, the compiler cache.

# A project that brings Stele in (add_subdirectory, FetchContent) gets the library and nothing else.
option(STELE_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(STELE_FUZZ "Build the fuzz targets with libFuzzer (preset fuzz)" OFF)
option(STELE_PROGRAM "Build the program stele and the bank" ${PROJECT_IS_TOP_LEVEL})
option(STELE_INSTALL "Install Stele with this build" ${PROJECT_IS_TOP_LEVEL})
option(STELE_WERROR "Let a compiler's warning fail the build" ${PROJECT_IS_TOP_LEVEL})
set(STELE_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, such as address,undefined")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")

# The cache knows a file by its content, wherever the tree stands: paths are made relative to it
# before they are hashed, and left out of the debug information.
find_program(STELE_CCACHE ccache)
if(STELE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${STELE_CCACHE}")
endif()
add_compile_options("-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.")

add_library(stele_options INTERFACE)
target_include_directories(stele_options INTERFACE
  "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
target_compile_options(stele_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast
  $<$<BOOL:${STELE_WERROR}>:-Werror> -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Members that an initializer does not name have their defaults; GCC takes it so.
  target_compile_options(stele_options INTERFACE -Wno-missing-designated-field-initializers)
endif()
find_package(Threads REQUIRED)
target_link_libraries(stele_options INTERFACE Threads::Threads)

if(STELE_SANITIZE)
  target_compile_options(stele_options INTERFACE
    -fsanitize=${STELE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(stele_options INTERFACE -fsanitize=${STELE_SANITIZE})
  if(STELE_SANITIZE MATCHES "thread")
    # TSan does not see fences; Asio has a variant without them.
    target_compile_definitions(stele_options INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
