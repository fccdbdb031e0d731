# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# libmemcgfs: a client of it under a daemon, without one, and under the next one. And the example.

BUILD_DIR=$(dirname "${MEMCGFS:-.}")

setup() {
	need_daemon
	export MEMCGFS_MOUNT=$T/mnt
	[ -x "$BUILD_DIR/tests/library/client" ] || skip "no tests/library/client"
}

client() { # NAME GROUP [ARGUMENT]: a member
	talk_in "$1" "$2" "$BUILD_DIR/tests/library/client" "${@:3}"
}

ask() { # NAME COMMAND...: its answer
	tell "$1" "${*:2}"
	hear "$1" || fail "$1 did not answer '${*:2}'"
	echo "$HEARD"
}

shrinkers() { # GROUP: chunk size, chunks, asked
	cut -d' ' -f3- "$M/$1/mempressure.shrinker"
}

test_symbols() {
	local want='memcg_client_dispatch memcg_client_get_fd memcg_client_on_level memcg_client_open memcg_client_unref'
	want+=' memcg_shrinker_adjust memcg_shrinker_new memcg_shrinker_unref'
	need nm
	eq "exported" "$want" "$(nm -D --defined-only "$BUILD_DIR/.libs/libmemcgfs.so" | awk '$2 == "T" { sub("@.*", "", $3); print $3 }' |
		grep -v '^_' | sort | paste -sd' ')"
}

test_without_a_daemon() {
	local line
	talk c "$BUILD_DIR/tests/library/client"
	eq "open" EOPNOTSUPP "$(ask c open)"
	for line in 'new x 4096' 'adjust 1' 'poll 0' level nolevel; do
		eq "$line" EOPNOTSUPP "$(ask c "$line")"
	done
	eq "unref" ok "$(ask c unref)"
	eq "close" ok "$(ask c close)"
	tell c x
	finish c
	eq "exit status" 2 "$STATUS"
}

test_shrinker() {
	start_daemon
	group a
	client c a
	eq "open" ok "$(ask c open)"
	eq "no size" EINVAL "$(ask c new x 0)"
	eq "new" ok "$(ask c new x 4096)"
	eq "the same name" EEXIST "$(ask c new x 4096)"
	eq "registered in its own group" "4096 0 0" "$(shrinkers a)"
	eq "adjust" ok "$(ask c adjust 10)"
	eq "adjust" ok "$(ask c adjust -4)"
	eq "offered" "4096 6 0" "$(shrinkers a)"
	eq "nothing has come" ok "$(ask c poll 0)"
	eq "unref" ok "$(ask c unref)"
	eq "gone" "" "$(shrinkers a)"
	eq "close" ok "$(ask c close)"
	client d a /nowhere
	eq "no such group" ENOENT "$(ask d open)"
}

# What it did not free it offers again.
test_asked() {
	start_daemon
	group a 64M
	put a/memory.swappiness 0
	put a/memory.watermarks '50 10'
	client c a
	ask c open >/dev/null
	ask c new x 1048576 >/dev/null
	ask c level >/dev/null
	ask c adjust 20 >/dev/null
	"$HELPERS/enter" "$M/a/tasks" "$HELPERS/touch" -n 4 48
	tell c "poll 5000"
	hear c
	[[ $HEARD == "want "* ]] || fail "heard '$HEARD'"
	until [ "$HEARD" = ok ]; do
		hear c || fail "no end"
	done
	eq "asked" "$(event a shrink_chunks)" "$(shrinkers a | cut -d' ' -f3)"
	gt "offered again" "$(shrinkers a | cut -d' ' -f2)" $((20 - $(event a shrink_chunks)))
}

test_server_killed() {
	SERVER_MAY_CHANGE=1
	start_daemon
	group a
	client c a
	ask c open >/dev/null
	ask c new x 4096 >/dev/null
	ask c adjust 7 >/dev/null
	kill -KILL "$SERVER"
	eq "adjust" ok "$(ask c adjust 1)"
	eq "offered" "4096 8 0" "$(shrinkers a)"
}

test_another_daemon() {
	start_daemon
	group a
	client c a
	ask c open >/dev/null
	ask c new x 4096 >/dev/null
	ask c adjust 7 >/dev/null
	stop_daemon
	eq "without a daemon" EOPNOTSUPP "$(ask c adjust 1)"
	eq "even then" EOPNOTSUPP "$(ask c poll 0)"
	start_daemon
	eq "the mount table tells" ok "$(ask c poll 5000)"
	eq "all that it offers" "4096 8 0" "$(shrinkers a)"
	eq "adjust" ok "$(ask c adjust 1)"
	eq "offered" "4096 9 0" "$(shrinkers a)"
}

# Kernels before 6.8 give a mount's number to the next one. Nothing is registered twice then, wherever else something is mounted.
test_mount_numbers_come_again() {
	start_daemon
	group a
	client c a
	eq "from now on" ok "$(ask c oldkernel)"
	ask c open >/dev/null
	ask c new x 4096 >/dev/null
	ask c adjust 7 >/dev/null
	eq "level" ok "$(ask c level)"
	mkdir "$T/other"
	mount -t tmpfs none "$T/other"
	eq "another mount" ok "$(ask c poll 5000)"
	eq "registered once" "4096 7 0" "$(shrinkers a)"
	umount "$T/other"
	eq "its end" ok "$(ask c poll 5000)"
	stop_daemon
	start_daemon
	eq "another daemon" ok "$(ask c poll 5000)"
	eq "registered there" "4096 7 0" "$(shrinkers a)"
}

# Reclaim is told of by levels, until nobody wants to hear of it.
test_levels() {
	swap 64
	start_daemon
	group a 16M
	client c a
	ask c open >/dev/null
	eq "level" ok "$(ask c level)"
	in_group a "$HELPERS/touch" 32
	eq "reclaim" ready "$(ask c ready 5000)"
	tell c "poll 0"
	hear c
	[[ $HEARD == "level "* ]] || fail "heard '$HEARD'"
	expect c ok
	in_group a "$HELPERS/touch" 32
	eq "reclaim again" ready "$(ask c ready 5000)"
	eq "no level" ok "$(ask c nolevel)"
	eq "it is not told any more" idle "$(ask c ready 0)"
}

# Over the kernel's hierarchy, or a part of it, its own group is the one that the kernel says.
test_own_group_over_the_kernels() {
	memory_mount
	start_daemon --hierarchy=over
	group a
	group a/b
	client c a/b
	eq "open" ok "$(ask c open)"
	eq "new" ok "$(ask c new x 4096)"
	eq "its own group" "4096 0 0" "$(shrinkers a/b)"
	eq "close" ok "$(ask c close)"
	talk d "$BUILD_DIR/tests/library/client" # in none
	eq "outside of the part" ENOENT "$(ask d open)"
}

# A cache bigger than the limit, with nowhere to page out to: it is given back, or its owner would be killed.
test_example() {
	local program=$BUILD_DIR/examples/sqlite-cache
	[ -x "$program" ] || skip "the example was not built: no SQLite"
	! grep -q __asan_init "$program" || skip "AddressSanitizer's allocator keeps what is freed"
	start_daemon
	group a 64M
	put a/memory.watermarks '75 50'
	put a/memory.swappiness 0
	"$program" --make 96 "$T/database"
	"$HELPERS/enter" "$M/a/tasks" "$program" --cache 128 --seconds 3 "$T/database" | tee "$T/said"
	grep -q 'freed [1-9]' "$T/said" || fail "it freed nothing"
	gt "asked" "$(event a shrink_chunks)" 10
	eq "killed" 0 "$(event a oom_kill)"
}
