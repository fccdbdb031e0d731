// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * enter [-gn] [-u UID] TASKS COMMAND...: write 0 (the writer itself) to the tasks file and become
 * COMMAND. With -n COMMAND is the first process of a new pid namespace, whose exit status we pass
 * on; with -u it runs as that user. A shell could do this too, but brings megabytes of its own into
 * the group.
 */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

static void attach_self(const char *tasks)
{
	int fd = open(tasks, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		err(125, "%s", tasks);
	close(fd);
}

static void become_user(uid_t uid)
{
	if (setgroups(0, NULL) || setgid((gid_t)uid) || setuid(uid))
		err(125, "uid %u", uid);
}

/* Go on as the first process of a new pid namespace; the parent stays behind to pass on its status.
 */
static void become_init(void)
{
	if (unshare(CLONE_NEWPID) < 0)
		err(125, "CLONE_NEWPID");
	pid_t pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (pid) {
		int status;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int main(int argc, char **argv)
{
	bool init = false;
	uid_t uid = 0;

	for (int c; (c = getopt(argc, argv, "+gnu:")) != -1;) {
		if (c == 'n')
			init = true;
		else if (c == 'g')
			setpgid(0, 0);
		else if (c == 'u')
			uid = (uid_t)number(optarg);
		else
			return 2;
	}
	if (argc - optind < 2)
		errx(2, "usage: enter [-gn] [-u UID] TASKS COMMAND...");
	attach_self(argv[optind]);
	if (init)
		become_init();
	if (uid)
		become_user(uid);
	execvp(argv[optind + 1], argv + optind + 1);
	err(127, "%s", argv[optind + 1]);
}
