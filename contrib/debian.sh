# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Debian packages, for quickstart and runtests, which source this file.

# What building takes.
PACKAGES_BUILD=(
	autoconf automake bpftool clang gcc libbpf-dev libc6-dev libcap-dev libfuse3-dev libinih-dev libmount-dev
	libroaring-dev libseccomp-dev libsmartcols-dev libsqlite3-dev libsystemd-dev libtool make pkg-config uthash-dev
)
# What a running daemon and its swap take, beyond that.
PACKAGES_RUN=(mount util-linux)
# What the tests take, beyond that.
PACKAGES_TEST=(busybox cgroup-tools clang-format libclang-rt-dev libcunit1-dev procps python3 runc strace tar xz-utils)

# Those of "$@" that are not installed, one a line.
packages_missing() {
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			echo "$package"
	done
}

# Install those of "$@" that are missing. Does nothing, and needs no network, when none is.
packages_install() {
	local missing
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "Packages are missing and only root can install them: ${missing[*]}" >&2
		return 1
	fi
	echo "Installing: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update && apt-get -q -y --no-install-recommends install "${missing[@]}"
}
