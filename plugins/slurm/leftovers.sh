# What the prolog and the epilog share: to end what is left of a job on this node, and of nothing else.
#
# They run as root beside processes and in directories of users, so these rules hold:
#   - a process is of the job when its real user is the job's and its environment, which that user could have forged,
#     names job and cluster; and it is ours, or runs under us. So by forging somebody gets his own processes ended;
#   - signals are sent, and files removed, with the rights of the job's user. A link, or a process id that is used
#     again in the moment between look and kill, leads to nothing that the user could not have reached;
#   - a process is known by its id and the time when it started, which is looked at once more before the signal;
#   - images are never touched. The epilog does not know whether the job runs again.

PATH=/usr/bin:/bin:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
unset IFS

grace=15 # seconds from SIGTERM to SIGKILL: an image that is being written gets through, or is given up

job=${SLURM_JOB_ID-}
uid=${SLURM_JOB_UID-}
gid=${SLURM_JOB_GID-}
cluster=${SLURM_CLUSTER_NAME-}

# Is it known for which job we are called?
job_known() {
	case $job in '' | *[!0-9]*) return 1 ;; esac
	case $uid in '' | *[!0-9]*) return 1 ;; esac
	case $gid in *[!0-9]*) return 1 ;; esac
	case $cluster in '' | *[!A-Za-z0-9_.-]*) return 1 ;; esac
}

# Run a command with the rights of the job's user. Whoever is not root has no others.
as_user() {
	if [ "$(id -u)" = 0 ] && [ "$uid" != 0 ]; then
		setpriv --reuid "$uid" --regid "${gid:-$uid}" --clear-groups -- "$@"
	else
		"$@"
	fi
}

# has FILE LINE - one of the NUL terminated lines of FILE is LINE.
has() {
	grep -qzxF -e "$2" "$1" 2>/dev/null
}

# value FILE NAME - of a variable.
value() {
	tr '\0' '\n' 2>/dev/null <"$1" | sed -n "s/^$2=//p"
}

# of_user DIR - the process of /proc/PID is the user's.
of_user() {
	while read -r key real _; do
		[ "$key" = Uid: ] || continue
		[ "$real" = "$uid" ]
		return
	done 2>/dev/null <"$1/status"
	return 1
}

# ours DIR - the process of /proc/PID is one of our programs, or a program under us.
ours() {
	comm=
	read -r comm 2>/dev/null <"$1/comm"
	case $comm in ckpt_*) return 0 ;; esac
	grep -qzE '^CKPT_JOB=|^LD_PRELOAD=.*libckpt\.so' "$1/environ" 2>/dev/null
}

# started PID - when, in ticks since the kernel did.
started() {
	line=
	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	# shellcheck disable=SC2086 # the fields, behind the name in parentheses
	set -- ${line##*") "}
	echo "${20-}"
}

# wanted ENVIRON - a hook may redefine it to choose among the job's processes.
wanted() {
	:
}

# A line for each process that is left: its id, a colon, when it started, and the socket in its environment.
leftovers() {
	printf '%s\0' /proc/[0-9]*/environ | xargs -0 grep -lzxF -e "SLURM_JOB_ID=$job" 2>/dev/null |
		while read -r environ; do
			dir=${environ%/environ}
			if has "$environ" "SLURM_CLUSTER_NAME=$cluster" && of_user "$dir" && ours "$dir" &&
				wanted "$environ" && start=$(started "${dir#/proc/}"); then
				echo "${dir#/proc/}:$start $(value "$environ" CKPT_SOCKET)"
			fi
		done
}

# send SIGNAL PID:STARTED... - to those that still are what they were.
send() {
	# shellcheck disable=SC2016 # for the other shell
	as_user /bin/sh -c '
		signal=$1; shift
		for process in "$@"; do
			read -r line <"/proc/${process%:*}/stat" || continue
			set -- ${line##*") "}
			[ "${20-}" = "${process#*:}" ] && kill -s "$signal" "${process%:*}"
		done' send "$@" 2>/dev/null
}

# clean TEXT - as ckpt_launch has it in names of files.
clean() {
	printf %s "$1" | tr -c 'A-Za-z0-9_-' _
}

# Sockets and locks of coordinators that were killed: those that ckpt_launch names by cluster, job and node, in the two
# usual places, and the arguments.
remove_sockets() {
	# shellcheck disable=SC2016 # for the other shell
	as_user /bin/sh -c '
		uid=$1 job=$2 node=$3; shift 3
		for dir in "/tmp/ckpt-$uid" "/run/user/$uid/ckpt"; do
			set -- "$@" "$dir/$job".*".$node" "$dir/$job".*".$node.lock"
			set -- "$@" "$dir/slurm-${job##*-}".*
		done
		for path in "$@"; do
			case $path in
			*.lock) [ -f "$path" ] && rm -f -- "$path" ;;
			*) [ -S "$path" ] && rm -f -- "$path" "$path.lock" ;;
			esac
		done' remove "$uid" "$(clean "$cluster")-$job" "$(clean "${SLURMD_NODENAME:-$(hostname)}")" "$@" 2>/dev/null
}

# Paths of sockets among lines of leftovers(), where ckpt_launch has made the name: others may be shared with other jobs.
sockets_of() {
	sed -nE "s#^[0-9:]+ (/[^ ]*/($(clean "$cluster")-[0-9_]+\.|slurm-[0-9]+\.)[^/ ]*)\$#\1#p"
}

# SIGTERM to all that is left, SIGKILL to what is there after the grace; then their sockets go.
end_leftovers() {
	told=
	sockets=
	ticks=0
	while found=$(leftovers); [ -n "$found" ] && [ $ticks -lt $((grace * 10 + 50)) ]; do
		sockets="$sockets $(echo "$found" | sockets_of)"
		for process in $(echo "$found" | sed 's/ .*//'); do
			if [ $ticks -ge $((grace * 10)) ]; then
				send KILL "$process"
			elif case $told in *" $process "*) false ;; esac; then
				send TERM "$process"
				told="$told $process "
			fi
		done
		sleep 0.2
		ticks=$((ticks + 2))
	done
	set -f
	# shellcheck disable=SC2086 # paths without blanks
	[ -n "$found" ] || remove_sockets $sockets
}
