#!/bin/sh
# Makes sure that the system has what the platform needs before any environment exists.
#
#   ensure_system.sh            on Debian or Ubuntu as root: installs what is missing; elsewhere: names the command, status 1
#   ensure_system.sh --check    changes nothing
#
# Needs only a POSIX shell. Writes nothing itself; apt-get writes where apt-get writes.
set -u

here=$(dirname "$0")
minimum_java=17

has_python() { "$here/find_python.sh" >/dev/null; }
has_program() { command -v "$1" >/dev/null 2>&1; }
has_library() { PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q "$1"; }

# "17.0.15" is 17; the old "1.8.0_442" is 1.
java_major() { java -version 2>&1 | sed -n 's/.*version "\([0-9][0-9]*\).*/\1/p' | head -n 1; }
has_java() {
    has_program java || return 1
    major=$(java_major)
    [ "${major:-0}" -ge "$minimum_java" ]
}

# Prints one line a missing thing: the Debian package, a tab, what it is.
missing() {
    has_python || printf 'python3-venv\tPython 3.11 or 3.12 with venv\n'
    has_java || printf 'default-jdk-headless\tJava %s or newer\n' "$minimum_java"
    has_program mvn || printf 'maven\tMaven\n'
    has_program redis-server || printf 'redis-server\tRedis\n'
    has_program setpriv || printf 'util-linux\tsetpriv\n'
    has_program git || printf 'git\tGit\n'
    has_library libgomp.so.1 || printf 'libgomp1\tthe OpenMP runtime (LightGBM needs it)\n'
}

on_debian() { has_program apt-get && [ -r /etc/debian_version ]; }
is_root() { [ "$(id -u)" -eq 0 ]; }

install_packages() {
    echo "Installing $* with apt-get ..."
    apt-get update -qq || echo "warning: apt-get update failed; trying with the lists that are there" >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null || return 1
    case " $* " in
    *" redis-server "*)
        # The package starts a server of its own; the platform starts its own and leaves nothing running.
        [ -d /run/systemd/system ] && systemctl disable --now redis-server >/dev/null 2>&1
        ;;
    esac
    return 0
}

name_the_command() {
    if on_debian; then
        echo "Install it with:  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends $*'" >&2
    else
        echo "Install it with your system's package manager (Debian's names: $*)." >&2
    fi
    case " $* " in
    *" python3-venv "*)
        echo "If the system's own Python is another version, install Python 3.12 beside it and run: make setup PYTHON=/path/to/python3.12" >&2
        ;;
    esac
}

main() {
    lines=$(missing)
    [ -z "$lines" ] && return 0
    printf '%s\n' "$lines" | cut -f 2 | sed 's/^/missing: /' >&2
    packages=$(printf '%s\n' "$lines" | cut -f 1 | tr '\n' ' ' | sed 's/ $//')
    # shellcheck disable=SC2086
    if [ "${1:-}" != "--check" ] && on_debian && is_root && install_packages $packages; then
        lines=$(missing)
        [ -z "$lines" ] && return 0
        printf '%s\n' "$lines" | cut -f 2 | sed 's/^/still missing: /' >&2
        packages=$(printf '%s\n' "$lines" | cut -f 1 | tr '\n' ' ' | sed 's/ $//')
    fi
    # shellcheck disable=SC2086
    name_the_command $packages
    return 1
}

main "$@"
