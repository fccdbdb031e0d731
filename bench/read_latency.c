// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_latency COUNT FILE [PAUSE]: open, read to its end, and close FILE so often, with so many
 * microseconds in between: the texts of figures are kept for up to 2 ms. Prints the median and the
 * 99th percentile in microseconds.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void read_all(const char *file)
{
	static char text[1 << 16];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		err(3, "%s", file);
	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	if (n < 0)
		err(3, "%s", file);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 4)
		errx(2, "usage: read_latency COUNT FILE [PAUSE]");
	size_t nr = strtoul(argv[1], NULL, 10);
	double *usec = calloc(nr + 1, sizeof(*usec));
	if (!usec)
		err(3, "calloc");
	for (size_t i = 0; i < nr; i++) {
		double begin = now_usec();

		read_all(argv[2]);
		usec[i] = now_usec() - begin;
		if (argc == 4)
			usleep((unsigned)strtoul(argv[3], NULL, 10));
	}
	qsort(usec, nr, sizeof(*usec), compare);
	printf("%.1f %.1f\n", usec[nr / 2], usec[nr * 99 / 100]);
	free(usec);
	return 0;
}
