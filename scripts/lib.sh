# Shared by the scripts in this folder: where things are, which packages they need, how to build.
# Sourced, not run.
# shellcheck shell=bash
# What is set here is used by the scripts that source it.
# shellcheck disable=SC2034

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CALLER_DIR="$PWD"
JOBS="${DEV_JOBS:-$(nproc)}"

# The compiler cache lives outside of the tree, so that it survives a fresh clone. How paths are
# made equal between clones is set in cmake/SteleOptions.cmake.
export CCACHE_DIR="${CCACHE_DIR:-$HOME/.cache/ccache}"

# What building the program needs, on Debian 12.
PACKAGES_BUILD=(
  g++ cmake ninja-build pkg-config ccache
  libboost1.81-dev libboost-json1.81-dev libsqlite3-dev libzstd-dev libxxhash-dev libfmt-dev
  libsimdjson-dev libcli11-dev libtomlplusplus-dev
)
# What the README's first five minutes need: a bare Debian has no curl.
PACKAGES_RUN=(curl)
# What the tests need on top.
PACKAGES_TEST=(
  libgtest-dev librapidcheck-dev python3 python3-jsonschema universal-ctags curl jq procps
)
# What `./dev lint` and `./dev format` need.
PACKAGES_LINT=(clang-format-19 clang-tidy-19 shellcheck python3)
# What `./dev fuzz` needs.
PACKAGES_FUZZ=(clang-19 libclang-rt-19-dev)
# What `./dev data` needs.
PACKAGES_DATA=(python3-pip python3)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "dev: $*"
  exit 1
}

# Prints the usage text given on standard input and ends, if an argument asks for it.
help_if_asked() {
  local text argument
  text="$(cat)"
  for argument in "$@"; do
    case "$argument" in
      --) return 0 ;;
      -h | --help) printf '%s\n' "$text"; exit 0 ;;
    esac
  done
}

as_root() {
  if [[ "$(id -u)" == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "Installing packages needs root, and there is no sudo here. Run this as root once: $*"
  fi
}

# Installs those of the named packages that are missing. Without a missing one it asks dpkg only.
need_packages() {
  local package missing=()
  for package in "$@"; do
    if [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then return 0; fi
  command -v apt-get >/dev/null ||
    die "These packages are missing, and there is no apt-get to install them: ${missing[*]}"
  say "dev: installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    "${missing[@]}" >&2
}

# configure PRESET [CMAKE ARGS]: writes build/PRESET.
configure() {
  local preset="$1"
  shift
  (cd "$ROOT" && cmake --preset "$preset" --log-level=WARNING "$@" >&2)
}

# build_targets PRESET [TARGETS]: builds the targets, or everything.
build_targets() {
  local preset="$1" target arguments=()
  shift
  for target in "$@"; do arguments+=(--target "$target"); done
  (cd "$ROOT" && cmake --build "build/$preset" --parallel "$JOBS" "${arguments[@]}" >&2)
}

# Builds build/release/bin/stele and nothing else. A folder that was made with the tests keeps them,
# so that `./dev run` and `./dev test` share their object files.
build_program() {
  need_packages "${PACKAGES_BUILD[@]}"
  if [[ -f "$ROOT/build/release/CMakeCache.txt" ]]; then
    configure release
  else
    configure release -DSTELE_TESTS=OFF
  fi
  build_targets release stele
}

# counts PASSED FAILED SKIPPED: the line that every suite ends with.
counts() { printf '%d passed, %d failed, %d skipped\n' "$1" "$2" "$3"; }
