// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp [-c] [FILES]: has a TCP connection with itself over loopback, nobody reads it, and sends
 * until nothing more goes in. Says how many bytes went; waits for a line, closes both ends and says
 * "closed"; waits for another and ends. -c: a child has both ends open as well. FILES: other files
 * that are open, below the sockets' numbers.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "helper.h"

static void connect_ends(int ends[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listening, (struct sockaddr *)&at, len) || listen(listening, 1) ||
	    getsockname(listening, (struct sockaddr *)&at, &len))
		err(3, "listen");
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends[0], (struct sockaddr *)&at, len))
		err(3, "connect");
	ends[1] = accept(listening, NULL, NULL);
	if (ends[1] < 0)
		err(3, "accept");
	close(listening);
}

static size_t fill(int fd)
{
	static const char bytes[65536];
	size_t sum = 0;
	ssize_t n;

	while ((n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	if (errno != EAGAIN)
		err(3, "send");
	return sum;
}

static void open_files(unsigned long nr)
{
	struct rlimit most = {.rlim_cur = nr + 64, .rlim_max = nr + 64};

	if (nr && setrlimit(RLIMIT_NOFILE, &most))
		err(3, "setrlimit");
	for (; nr; nr--)
		if (open("/dev/null", O_RDONLY) < 0)
			err(3, "open");
}

int main(int argc, char **argv)
{
	bool with_child = argc > 1 && !strcmp(argv[1], "-c");
	pid_t pid = 0;
	int ends[2];

	if (argc > 2 + with_child)
		errx(2, "usage: tcp [-c] [FILES]");
	open_files(argc > 1 + with_child ? number(argv[1 + with_child]) : 0);
	connect_ends(ends);
	if (with_child)
		pid = fork();
	if (with_child && !pid)
		for (;;)
			pause();
	dprintf(STDOUT_FILENO, "%zu\n", fill(ends[0]));
	await_line();
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(ends[0]);
	close(ends[1]);
	say("closed");
	await_line();
	return 0;
}
