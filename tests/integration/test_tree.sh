# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2002
# The mounted tree as a file system: directories, modes, errors, and the plain programs that read it.

setup() {
	start_daemon -o allow_other,default_permissions
}

answer() { # WHAT WANT [-u UID] OPERATION ARGUMENT...: what "try" must print
	local what=$1 want=$2
	shift 2
	[ -e "$T/try" ] || cp "$HELPERS/try" "$T/try" # where anybody can reach it
	eq "$what" "$want" "$("$T/try" "$@")"
}

test_make_and_remove() {
	mkdir "$M/a" "$M/a/b" "$M/a/b/c"
	[ -e "$M/a/b/c/memory.limit_in_bytes" ] || fail "no control files three levels down"
	answer "mkdir of a group that is there" EEXIST mkdir "$M/a"
	answer "mkdir of a control file's name" EEXIST mkdir "$M/a/tasks"
	answer "mkdir below nothing" ENOENT mkdir "$M/none/b"
	answer "rmdir with a child" EBUSY rmdir "$M/a/b"
	answer "rmdir of nothing" ENOENT rmdir "$M/none"
	answer "rmdir of a control file" ENOTDIR rmdir "$M/a/tasks"
	rmdir "$M/a/b/c" "$M/a/b" "$M/a"
	[ ! -e "$M/a" ] || fail "a removed group is still there"
	mkdir "$M/a"
	eq "limit of a group made again" "$UNLIMITED" "$(get a/memory.limit_in_bytes)"
}

test_rmdir_with_task() {
	group a
	talk_in member a cat
	until_true 5 lists a "${TALK_PID[member]}"
	answer "rmdir with a task" EBUSY rmdir "$M/a"
	lists a "${TALK_PID[member]}" || fail "the refused rmdir lost the task"
	kill "${TALK_PID[member]}"
	finish member
	rmdir "$M/a"
}

test_errors() {
	group a
	answer "create" EACCES create "$M/a/file"
	answer "create in the root" EACCES create "$M/file"
	answer "unlink" EPERM unlink "$M/a/tasks"
	answer "rename of a file" ENOTDIR rename "$M/a/tasks" "$M/a/jobs"
	answer "symlink" EPERM symlink tasks "$M/a/link"
	answer "hard link" EPERM link "$M/a/tasks" "$M/a/link"
	answer "mkfifo" EPERM mkfifo "$M/a/fifo"
	answer "junk limit" EINVAL write "$M/a/memory.limit_in_bytes" junk
	answer "junk pid" EINVAL write "$M/a/tasks" junk
	answer "pid of nobody" ESRCH write "$M/a/tasks" 4194304
	answer "swappiness 201" EINVAL write "$M/a/memory.swappiness" 201
	answer "write to a figure" EINVAL write "$M/a/memory.usage_in_bytes" 1
	eq "limit after refused writes" "$UNLIMITED" "$(get a/memory.limit_in_bytes)"
	eq "swappiness after refused writes" 60 "$(get a/memory.swappiness)"
}

test_root() {
	need_daemon
	answer "limit of the root" EINVAL write "$M/memory.limit_in_bytes" 1G
	answer "oom_control of the root" EINVAL write "$M/memory.oom_control" 1
	answer "rmdir of the root" EBUSY rmdir "$M"
	lists . $$ || fail "the root does not list us"
	gt "usage of the root" "$(usage .)" 0
	eq "limit of the root" "$UNLIMITED" "$(get memory.limit_in_bytes)"
}

# The kernel runs the agent as the machine's root, so only who is that may name it: the file's mode does not keep a container's
# root out.
test_release_agent() {
	local before
	need_daemon
	need setpriv
	before=$(get release_agent)
	cp "$HELPERS/try" "$T/try"
	# Nobody may make one in a changed root.
	! unshare -U true 2>/dev/null || eq "root of a user namespace" EPERM "$(unshare -U -r "$T/try" write "$M/release_agent" /none)"
	eq "root without CAP_SYS_ADMIN" EPERM \
		"$(setpriv --bounding-set=-sys_admin "$T/try" write "$M/release_agent" /none)"
	eq "agent after refused writes" "$before" "$(get release_agent)"
	answer "root" ok write "$M/release_agent" "$T/none"
	eq "agent" "$T/none" "$(get release_agent)"
}

test_daemon_cannot_be_attached() {
	local pid
	need_daemon
	group a 16M
	for pid in $(daemon_pids); do
		answer "attaching the daemon's pid $pid" EINVAL write "$M/a/cgroup.procs" "$pid"
	done
	eq "members" "" "$(get a/tasks)"
}

test_truncate_on_open() {
	group a
	answer "O_CREAT|O_TRUNC and write" ok truncating "$M/a/memory.limit_in_bytes" 8M
	eq "limit" 8388608 "$(get a/memory.limit_in_bytes)"
	answer "truncate(2)" ok truncate "$M/a/memory.limit_in_bytes"
	eq "limit after truncate" 8388608 "$(get a/memory.limit_in_bytes)"
	echo 9M >>"$M/a/memory.limit_in_bytes"
	eq "limit after an appending write" 9437184 "$(get a/memory.limit_in_bytes)"
}

test_mode_and_owner() {
	group a
	eq "mode of a group" 755 "$(stat -c %a "$M/a")"
	eq "mode of tasks" 644 "$(stat -c %a "$M/a/tasks")"
	eq "mode of a figure" 444 "$(stat -c %a "$M/a/memory.usage_in_bytes")"
	chmod 750 "$M/a"
	chown games:games "$M/a"
	chmod 620 "$M/a/tasks"
	chown nobody:nogroup "$M/a/tasks"
	nap 1.1 # longer than attributes are cached
	eq "group" "750 games games" "$(stat -c '%a %U %G' "$M/a")"
	eq "tasks" "620 nobody nogroup" "$(stat -c '%a %U %G' "$M/a/tasks")"
	eq "a file left alone" "644 root root" "$(stat -c '%a %U %G' "$M/a/memory.limit_in_bytes")"
	mkdir -m 700 "$M/b"
	eq "mkdir's mode" 700 "$(stat -c %a "$M/b")"
}

test_open_descriptors_after_rmdir() {
	local r w
	group a
	exec {r}<"$M/a/memory.usage_in_bytes" {w}>"$M/a/memory.limit_in_bytes"
	answer "read before" ok readfd "$r"
	rmdir "$M/a"
	answer "read after rmdir" ENODEV readfd "$r"
	answer "write after rmdir" ENODEV writefd "$w" 1M
	group a 16M
	answer "read after the name is used again" ENODEV readfd "$r"
	answer "write after the name is used again" ENODEV writefd "$w" 1M
	eq "limit of the new group" 16777216 "$(get a/memory.limit_in_bytes)"
}

test_directory_listing() {
	local listing
	group a
	group a/child
	listing=$("$HELPERS/try" list "$M/a")
	[[ $listing != *'?'* ]] || fail "an entry without type or inode number: $listing"
	grep -qx 'd child' <<<"$listing" || fail "the child is not listed as a directory"
	grep -qx 'f tasks' <<<"$listing" || fail "tasks is not listed as a file"
	eq "entries listed by ls" "$(grep -c '^f' <<<"$listing")" \
		"$(find "$M/a" -maxdepth 1 -type f | wc -l)"
}

# Programs that trust st_size must not come back empty or with a part, or complain that a file shrank. Where only a look at
# each member could tell the length it is a page, as sysfs says: programs know that for a guess.
test_sizes() {
	local f size
	need_daemon
	group a
	for f in "$M"/a/*; do
		[ -f "$f" ] || continue
		cat "$f" >/dev/null 2>&1 || continue # it is only written to, or listened to
		case $f in
		*/tasks | */cgroup.procs | */memory.*usage_in_bytes | */memory.stat | */memory.numa_stat | */memory.source | \
			*/*mempressure.shrinker | */cgroup.clone_children | */notify_on_release) size=4096 ;;
		*) size=$(wc -c <"$f") ;;
		esac
		eq "st_size of $f" "$size" "$(stat -c %s "$f")"
		eq "bytes of $f by wc" "$(cat "$f" | wc -c)" "$(wc -c <"$f")"
		[ -r "$f" ] && cp "$f" "$T/copy"
		eq "bytes of $f by cp" "$(wc -c <"$T/copy")" "$(cat "$f" | wc -c)"
	done
}

# sendfile(2) gives no more than st_size said when the file was opened: a figure that grew since must not be cut.
test_figure_grows_after_open() {
	local usage tasks
	need_daemon
	need busybox
	group a
	eq "usage at first" 0 "$(get a/memory.usage_in_bytes)"
	exec {usage}<"$M/a/memory.usage_in_bytes" {tasks}<"$M/a/tasks"
	talk_in member a "$HELPERS/touch" -h 16
	hear member || fail "no 16 MiB"
	eq "digits of the usage" 8 "$(busybox cat <&"$usage" | tr -d '\n' | wc -c)"
	eq "tasks" "${TALK_PID[member]}" "$(busybox cat <&"$tasks")"
}

test_long_list() {
	need_daemon
	need busybox
	group a
	talk_in member a bash -c 'for i in {1..700}; do sleep 100 & done; echo ready; read -r'
	hear member || fail "no 700 processes"
	gt "bytes" "$(stat -c %s "$M/a/tasks")" 4096
	eq "tasks" "$(cat "$M/a/tasks")" "$(busybox cat "$M/a/tasks")"
	eq "last of tasks" "$(cat "$M/a/tasks" | tail -n 1)" "$(tail -n 1 "$M/a/tasks")"
	eq "lines" 701 "$(wc -l <"$M/a/tasks")"
}

test_busybox_cat_and_tar() {
	need_daemon
	need busybox tar
	group a 5M
	eq "busybox cat" 5242880 "$(busybox cat "$M/a/memory.limit_in_bytes")"
	gt "lines of memory.stat by busybox cat" "$(busybox cat "$M/a/memory.stat" | wc -l)" 10
	tar -C "$M" -cf "$T/a.tar" a/memory.limit_in_bytes a/memory.oom_control a/memory.swappiness 2>"$T/tar.err" ||
		fail "tar: $(cat "$T/tar.err")"
	eq "tar's complaints" "" "$(cat "$T/tar.err")"
	eq "from the archive" 5242880 "$(tar -xOf "$T/a.tar" a/memory.limit_in_bytes)"
}

test_rename() {
	group a 8M
	group c
	answer "rename to a new name" ok rename "$M/a" "$M/b"
	eq "limit under the new name" 8388608 "$(get b/memory.limit_in_bytes)"
	[ ! -e "$M/a" ] || fail "the old name is still there"
	answer "rename over another" EEXIST rename "$M/b" "$M/c"
	answer "rename into another" EIO rename "$M/b" "$M/c/b"
	eq "limit after refused renames" 8388608 "$(get b/memory.limit_in_bytes)"
}

test_many_groups() {
	local i
	for i in {1..200}; do
		group "g$i"
	done
	eq "groups" 200 "$(find "$M" -mindepth 1 -maxdepth 1 -type d | wc -l)"
	rmdir "$M"/g*
	eq "groups left" 0 "$(find "$M" -mindepth 1 -maxdepth 1 -type d | wc -l)"
}

test_deep_nesting() {
	local i path=a
	group a 64M
	for i in {1..19}; do
		path=$path/n
		group "$path"
	done
	eq "hierarchical limit at depth 20" 67108864 "$(key "$path/memory.stat" hierarchical_memory_limit)"
	in_group "$path" true
	answer "rmdir at the top of it" EBUSY rmdir "$M/a"
}

# What delegation is: the owner of a group's tasks file may bring itself in, but nobody else's process.
# As in the kernel, who opened the file decides: a set-uid program that is made to write to it lends nobody its rights.
test_delegation_by_the_opener() {
	local error
	command -v python3 >/dev/null || skip "no python3"
	group a
	chown nobody "$M/a/tasks"
	error=$(python3 -c '
import errno, os, sys
os.seteuid(65534)
fd = os.open(sys.argv[1], os.O_WRONLY)
os.seteuid(0)
try:
    os.write(fd, sys.argv[2].encode())
except OSError as e:
    print(errno.errorcode[e.errno])
' "$M/a/tasks" $$)
	eq "answer" EACCES "$error"
	eq "tasks" "" "$(get a/tasks)"
}

test_delegation() {
	local pid
	group a 64M
	chown -R nobody "$M/a"
	answer "nobody attaches itself" ok -u 65534 write "$M/a/tasks" 0
	talk other cat
	pid=${TALK_PID[other]}
	answer "nobody attaches root's process" EACCES -u 65534 write "$M/a/tasks" "$pid"
	lists a "$pid" && fail "root's process was moved"
	answer "nobody sets the limit" ok -u 65534 write "$M/a/memory.limit_in_bytes" 32M
	answer "nobody makes a child" ok -u 65534 mkdir "$M/a/child"
	eq "owner of the child" nobody "$(stat -c %U "$M/a/child/tasks")"
	answer "nobody attaches itself in the root" open:EACCES -u 65534 write "$M/tasks" 0
	answer "nobody makes a group in the root" EACCES -u 65534 mkdir "$M/b"
	answer "nobody reads a figure" ok -u 65534 read "$M/memory.usage_in_bytes"
}
