# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What a test or benchmark sets up on the machine, and how it is taken down again. Everything is written into the file
# $T/registry before it is made, so that clean_up can undo it after any kind of end. Processes are not its business: they are
# dead by then (helpers/contain.c).

register() { # KIND VALUE
	echo "$1 $2" >>"$T/registry"
}

# Swap ------------------------------------------------------------------------------------------------------------------

swap_zram() { # MIB; fails where there is no zram
	local n
	[ -e /sys/class/zram-control/hot_add ] || modprobe -q zram 2>/dev/null || return 1
	n=$(cat /sys/class/zram-control/hot_add 2>/dev/null) || return 1
	register zram "$n"
	echo "$1M" >"/sys/block/zram$n/disksize" || return 1
	mkswap -q "/dev/zram$n" || return 1
	register swap "/dev/zram$n"
	swapon -p 100 "/dev/zram$n"
	SWAP=/dev/zram$n
}

swap_file() { # MIB; fails where the file system cannot have one
	local file=$T/swapfile
	register swap "$file"
	fallocate -l "$1M" "$file" && chmod 600 "$file" && mkswap -q "$file" && swapon -p 100 "$file" || return 1
	# shellcheck disable=SC2034 # for whoever sources this
	SWAP=$file
}

# Named hierarchies -----------------------------------------------------------------------------------------------------

# A named hierarchy goes 24 to 47 ms after it was unmounted. It stays in the kernel for ever while groups are left in it, and
# also when its last group was removed only just before it was unmounted. So: look until it must be taken for kept, then remove
# the groups, deepest first, give the kernel the time to, and unmount it again.
hierarchy_clear() { # NAME
	local dir=$T/clear round
	mkdir -p "$dir"
	for ((round = 1; round < 8; round++)); do
		! hierarchy_goes "$1" $((10 * round)) || break
		mount -t cgroup -o "none,name=$1" "$1" "$dir" || break
		remove_groups "$dir"
		sleep 0.1
		umount "$dir"
	done
	rmdir "$dir"
}

hierarchy_goes() { # NAME LOOKS, of 10 ms each
	local look
	for ((look = 0; look < $2; look++)); do
		grep -q ":name=$1:" /proc/self/cgroup || return 0
		sleep 0.01
	done
	return 1
}

# Tasks that just died leave their group a moment later, so rmdir is tried for a while.
remove_groups() { # DIR, which stays
	local round
	for ((round = 0; round < 100; round++)); do
		find "$1" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
		[ -n "$(find "$1" -mindepth 1 -maxdepth 1 -type d -print -quit)" ] || return 0
		sleep 0.02
	done
	echo "groups stay in $1" >&2
}

# Taking down -----------------------------------------------------------------------------------------------------------

unmount_below() { # DIR
	local where
	awk -v d="$1/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | tac | while read -r where; do
		umount -l "$where"
	done
}

# Whatever lies over the first mount there.
uncover() { # DIR
	while [ "$(awk -v d="$1" '$5 == d' /proc/self/mountinfo | wc -l)" -gt 1 ]; do
		umount -l "$1" || return
	done
}

undo() { # KIND VALUE
	case $1 in
	swap)
		grep -q "^$2 " /proc/swaps && swapoff "$2"
		;;
	zram)
		[ -e "/sys/block/zram$2" ] && echo "$2" >/sys/class/zram-control/hot_remove
		;;
	mount)
		! grep -q " $2 " /proc/self/mountinfo || umount -l "$2"
		;;
	shm)
		! ipcs -m | grep -q "^$2 " || ipcrm -M "$2"
		;;
	hierarchy)
		hierarchy_clear "$2"
		;;
	covered)
		uncover "$2"
		;;
	groups)
		if [ -d "$2" ]; then
			remove_groups "$2"
			rmdir "$2"
		fi
		;;
	esac
}

# Undo all that DIR's registry lists, newest first, and remove DIR.
clean_up() { # DIR
	local kind value
	local T=$1
	[ -d "$T" ] || return 0
	unmount_below "$T"
	if [ -e "$T/registry" ]; then
		while read -r kind value; do
			undo "$kind" "$value"
		done < <(tac "$T/registry")
	fi
	rm -rf --one-file-system "$T"
}

# Directories of runs that were killed before they could clean up. Their name has the pid and start time of the run.
clean_up_after_dead_runs() { # PREFIX
	local dir owner test
	for dir in "$1".*; do
		[ -d "$dir" ] || continue
		owner=${dir#"$1".}
		[ "$(start_time "${owner%%.*}")" = "${owner#*.}" ] && continue
		for test in "$dir"/*/; do
			clean_up "${test%/}"
		done
		rm -rf --one-file-system "$dir"
	done
}

start_time() { # PID: in clock ticks since boot; tells a pid's user from the next one
	sed -n 's/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}
