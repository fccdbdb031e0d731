/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's main: set up in one order, take down in the other, and in between keep a server
 * running. Every failure is one line on stderr, and leaves nothing mounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "fs/fs.h"
#include "fs/mountpoint.h"
#include "fs/options.h"
#include "fs/statedir.h"
#include "manager/guard.h"
#include "manager/heir.h"
#include "manager/hierarchy.h"
#include "manager/keeper.h"
#include "manager/pid_namespace.h"
#include "manager/sandbox.h"
#include "util/log.h"
#include "util/util.h"

#define EXIT_USAGE 2 /* what was asked for is wrong, or not in this version */

/* What the keeper sets up, and every server inherits. */
struct daemon {
	struct options options;
	struct config config;
	char *mountpoint;
	enum config_hierarchy hierarchy_kind; /* what auto came to */
	struct statedir *statedir;
	struct state *state;
	struct lease *lease;
	struct hierarchy *hierarchy;
	struct heir *heir;
	int ready_fd;
	int fuse_fd;
	dev_t dev; /* the mount's */
	int guard_pipe[2];
	struct file_attr attr[STATE_MAX_FILES];
	unsigned nr_attr;
};

/* ---- the server ---- */

static void log_start(const struct daemon *d)
{
	int bpf_error = lease_get_bpf_error(d->lease);

	log_info("serving %s: hierarchy %s%s, name=%s; stop %s%s%s; page cache is %s",
		 d->mountpoint, config_hierarchy_name(d->hierarchy_kind),
		 d->config.hierarchy == HIERARCHY_AUTO ? " (auto)" : "", d->config.name,
		 lease_stop_name(lease_get_stop(d->lease)), bpf_error ? ", no BPF: " : "",
		 bpf_error ? strerror(-bpf_error) : "",
		 lease_has_page_cache(d->lease) ? "charged" : "not charged");
}

static int serve(struct keeper_link *link, struct daemon *d, struct manager *m)
{
	struct fs *fs;
	int err, status;

	err = fs_start(&fs, m, d->state, d->fuse_fd, d->dev);
	if (err < 0) {
		log_error("cannot serve %s: %s", d->mountpoint, strerror(-err));
		return KEEPER_FATAL;
	}
	keeper_ready(link);
	sd_notify(0, "READY=1");
	log_start(d);
	status = manager_run(m);
	fs_stop(fs);
	return status;
}

static int server(struct keeper_link *link, void *userdata)
{
	struct daemon *d = userdata;
	struct manager_config config = {
		.state = d->state,
		.lease = d->lease,
		.hierarchy = d->hierarchy,
		.guard_pipe = d->guard_pipe,
		.keeper = link,
		.default_attr = d->attr,
		.nr_attr = d->nr_attr,
		.sweep_percent = d->config.sweep_percent,
	};
	struct manager *m;
	int err, status;

	atomic_inc(&d->state->nr_starts, 1);
	err = manager_new(&m, &config);
	if (err < 0) {
		log_error("cannot start the manager: %s", strerror(-err));
		return KEEPER_FATAL;
	}
	status = serve(link, d, m);
	manager_free(m);
	return status;
}

/* ---- set-up ---- */

static int check_pid_namespace(void)
{
	int r = pid_namespace_is_initial();

	if (r > 0)
		return 0;
	if (r < 0) {
		log_error("cannot tell the pid namespace by /proc/self/ns/pid: %s", strerror(-r));
		return r;
	}
	log_error("this is not the initial pid namespace, whose pids BPF programs see: start it "
		  "outside of the container, or with the host's pid namespace");
	return -EOPNOTSUPP;
}

static void choose_hierarchy(struct daemon *d)
{
	d->hierarchy_kind = d->config.hierarchy;
	if (d->hierarchy_kind == HIERARCHY_AUTO)
		d->hierarchy_kind = hierarchy_over_is_at(d->mountpoint) ? HIERARCHY_OVER
									: HIERARCHY_NAMED;
}

/* Groups of one hierarchy are not another's, whatever they are called. */
static int open_statedir(struct daemon *d)
{
	cleanup_free char *name = NULL;

	if (d->hierarchy_kind == HIERARCHY_NAMED)
		return statedir_open(&d->statedir, d->config.state_dir, d->config.name);
	if (asprintf(&name, "%s:%s", d->config.name, config_hierarchy_name(d->hierarchy_kind)) <
	    0) {
		name = NULL;
		log_error("out of memory");
		return -ENOMEM;
	}
	return statedir_open(&d->statedir, d->config.state_dir, name);
}

static int setup_state(struct daemon *d)
{
	const char *path;
	int err = open_statedir(d);

	if (err < 0)
		return err;
	path = statedir_state_path(d->statedir);
	err = state_open(&d->state, path);
	if (err == -EPROTO)
		log_error(
			"%s is not a state file of this version: stop what uses it, then remove it",
			path);
	else if (err < 0)
		log_error("cannot open the state file %s: %s", path, strerror(-err));
	if (err < 0)
		return err;
	/* Of an earlier daemon's mount, if of any: this one negotiates its own. */
	d->state->fuse_init_len = 0;
	return 0;
}

static int setup_lease(struct daemon *d)
{
	bool bpf = d->config.stop == LEASE_STOP_BPF;
	int err = lease_new(&d->lease, d->config.stop);

	switch (-err) {
	case 0:
		return 0;
	case EPERM:
	case EACCES:
		log_error("perf events%s are not permitted: root is needed, or %sCAP_PERFMON and "
			  "CAP_SYS_ADMIN",
			  bpf ? " and BPF" : "", bpf ? "CAP_BPF, " : "");
		break;
	case ENOSYS:
	case ENOENT:
	case ENODEV:
		log_error("this kernel lacks perf events%s, which limits are held with: %s",
			  bpf ? " or BPF" : "", strerror(-err));
		break;
	case EOPNOTSUPP:
		log_error("this version does not have the stop '%s' ([lease] stop); it has auto, "
			  "bpf and signal",
			  lease_stop_name(d->config.stop));
		break;
	default:
		log_error("cannot set up perf events%s: %s", bpf ? " and BPF" : "", strerror(-err));
	}
	return err;
}

static int setup_hierarchy(struct daemon *d)
{
	if (d->hierarchy_kind == HIERARCHY_OVER)
		return hierarchy_open_over(&d->hierarchy, d->mountpoint);
	return hierarchy_mount_named(&d->hierarchy, d->mountpoint, d->config.name);
}

static void take_down_mounts(void *userdata);

/* The heir comes before all that must go with keeper and server: the device, BPF, the guards. */
static int setup_heir(struct daemon *d)
{
	int err;

	choose_hierarchy(d);
	err = setup_state(d);
	if (err < 0)
		return err;
	/* Not to keep busy the file system that we were started on. */
	if (chdir("/") < 0)
		log_warning("cannot change to /, ignoring: %m");
	err = setup_hierarchy(d);
	if (err < 0)
		return err;
	return heir_fork(&d->heir, take_down_mounts, d, d->ready_fd);
}

static int setup(struct daemon *d)
{
	int err = check_pid_namespace();

	if (err < 0)
		return err;
	err = setup_heir(d);
	if (err < 0)
		return err;
	err = setup_lease(d);
	if (err < 0)
		return err;
	d->fuse_fd = fs_mount(d->mountpoint, d->config.mount_options, &d->dev);
	if (d->fuse_fd < 0)
		return d->fuse_fd;
	d->nr_attr = fs_default_attr(d->attr);
	err = guard_pipe_new(d->guard_pipe);
	if (err < 0)
		log_error("cannot create a pipe: %s", strerror(-err));
	return err < 0 ? err : sandbox_enter(SANDBOX_DAEMON);
}

/* ---- taking down ---- */

/* What takes privileges: in the heir, or in the keeper when the set-up did not come to one. */
static void take_down_mounts(void *userdata)
{
	struct daemon *d = userdata;
	bool remove;

	mountpoint_clear(d->mountpoint);
	/* Groups that are left live on in the kernel, and with the state file the next daemon
	 * adopts them. */
	remove = d->hierarchy ? !state_has_groups(d->state)
			      : d->statedir && statedir_is_new(d->statedir);
	d->hierarchy = hierarchy_end(d->hierarchy);
	if (remove)
		statedir_remove(d->statedir);
}

/* Also after a set-up that failed half-way. */
static void take_down(void *userdata)
{
	struct daemon *d = userdata;

	/* The device first: whoever waits for an answer gets an error, and is out of the way of the
	 * unmounting. */
	if (d->fuse_fd >= 0)
		close(d->fuse_fd);
	d->fuse_fd = -1;
	if (d->lease)
		lease_release(d->lease);
	d->lease = lease_free(d->lease);
	if (d->heir) {
		d->hierarchy = hierarchy_free(d->hierarchy);
		if (!heir_end(d->heir))
			log_error("the heir had died: %s and what lies under it are left mounted",
				  d->mountpoint);
		d->heir = NULL;
	} else {
		take_down_mounts(d);
	}
	d->state = state_close(d->state);
	d->statedir = statedir_close(d->statedir);
}

/* ---- the process ---- */

/*
 * Signals that end the daemon wait until the keeper reads them, so that no set-up is left half-way.
 * A terminal that goes is one of them in the foreground, and no concern in the background.
 */
static void prepare_process(bool foreground)
{
	struct rlimit limit;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!foreground)
		signal(SIGHUP, SIG_IGN);
	/* Leases take descriptors. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int daemon_run(struct daemon *d, int ready_fd)
{
	d->ready_fd = ready_fd;
	prepare_process(ready_fd < 0);
	if (setup(d) < 0) {
		take_down(d);
		return EXIT_FAILURE;
	}
	return keeper_run(server, take_down, d, ready_fd);
}

/* The exit status of the process that was started: 0 when the byte comes, or what the daemon ended
 * with. */
static int await_ready(pid_t pid, int fd)
{
	int status = 0;
	ssize_t n;
	char c;

	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return EXIT_SUCCESS;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_error("the daemon died at its start: signal %d (%s)", WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int run_in_background(struct daemon *d)
{
	int ready[2], status;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		log_error("cannot create a pipe: %m");
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid < 0) {
		log_error("cannot fork: %m");
		close(ready[0]);
		close(ready[1]);
		return EXIT_FAILURE;
	}
	if (pid == 0) {
		close(ready[0]);
		setsid();
		return daemon_run(d, ready[1]);
	}
	close(ready[1]);
	status = await_ready(pid, ready[0]);
	close(ready[0]);
	return status;
}

/* So that nothing we open becomes somebody's standard input or output. */
static int occupy_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) {
			int err = -errno;

			log_error("cannot open /dev/null: %s", strerror(-err));
			return err;
		}
	}
	return 0;
}

/* ---- main ---- */

static int check_hierarchy(enum config_hierarchy hierarchy)
{
	if (hierarchy == HIERARCHY_AUTO || hierarchy == HIERARCHY_OVER ||
	    hierarchy == HIERARCHY_NAMED)
		return 0;
	log_error("this version does not have --hierarchy=%s; it has auto, over and named",
		  config_hierarchy_name(hierarchy));
	return -EOPNOTSUPP;
}

/* 0, or an exit status after one log_error(). */
static int configure(struct daemon *d)
{
	if (config_init(&d->config) < 0) {
		log_error("out of memory");
		return EXIT_FAILURE;
	}
	if (config_load(&d->config, d->options.config_file) < 0)
		return EXIT_FAILURE;
	if (options_apply(&d->options, &d->config) < 0)
		return EXIT_USAGE;
	if (check_hierarchy(d->config.hierarchy) < 0)
		return EXIT_USAGE;
	log_verbose(d->config.debug);
	return 0;
}

static int run(struct daemon *d, int argc, char **argv)
{
	int action = options_parse(&d->options, argc, argv), status;

	if (action == OPTIONS_PRINTED)
		return EXIT_SUCCESS;
	if (action < 0)
		return EXIT_USAGE;
	status = configure(d);
	if (status != 0 || action == OPTIONS_CHECK_CONFIG)
		return status;
	if (mountpoint_resolve(&d->mountpoint, d->options.mountpoint) < 0)
		return EXIT_FAILURE;
	return d->options.foreground ? daemon_run(d, -1) : run_in_background(d);
}

int main(int argc, char **argv)
{
	struct daemon d = {.fuse_fd = -1};
	int status = EXIT_FAILURE;

	umask(022); /* who made us may see less than others are to see of groups */
	if (occupy_standard_fds() == 0)
		status = run(&d, argc, argv);
	free(d.mountpoint);
	config_done(&d.config);
	options_done(&d.options);
	return status;
}
